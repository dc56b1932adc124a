"""The paper's encoder: convolutions and max-pooling, trained together with a decoder that rebuilds the sound."""

import torch
from torch import Tensor, nn

FRAME = 64
"""Samples per latent frame: three poolings by four."""

LATENTS = 16
"""Values per latent frame: a quarter of the samples that it stands for."""


class AutoEncoder(nn.Module):
    """Sound to latent frames within [-1, 1] and back. The decoder is there to train the encoder, and to be heard."""

    def __init__(self, channels: int = 32):
        super().__init__()
        wide = 2 * channels
        self.encoder = nn.Sequential(
            *(nn.Conv1d(1, channels, 9, padding=4), nn.ReLU(), nn.MaxPool1d(4)),
            *(nn.Conv1d(channels, wide, 9, padding=4), nn.ReLU(), nn.MaxPool1d(4)),
            *(nn.Conv1d(wide, LATENTS, 9, padding=4), nn.MaxPool1d(4), nn.Tanh()),
        )
        # Each phase of the upsampled signal has its own weights (a convolution, then a shuffle of channels into time):
        # repeating values and smoothing them, the plain mirror of pooling, cannot rebuild what lies above 170 Hz.
        self.decoder = nn.Sequential(
            *(nn.Conv1d(LATENTS, 4 * wide, 3, padding=1), Interleave(4), nn.ReLU()),
            *(nn.Conv1d(wide, 4 * channels, 9, padding=4), Interleave(4), nn.ReLU()),
            *(nn.Conv1d(channels, 4, 9, padding=4), Interleave(4)),
        )

    def encode(self, sound: Tensor) -> Tensor:
        """Compress sound [B, T * FRAME] within [-1, 1] to latent frames [B, T, LATENTS]."""
        return self.encoder(sound[:, None]).transpose(1, 2)

    def decode(self, frames: Tensor) -> Tensor:
        """Rebuild sound [B, T * FRAME] from latent frames [B, T, LATENTS]; the inverse of `encode`, as far as it learnt."""
        return self.decoder(frames.transpose(1, 2))[:, 0]

    def forward(self, sound: Tensor) -> Tensor:
        """Compress and rebuild, [B, T * FRAME] to the same shape."""
        return self.decode(self.encode(sound))

    @torch.no_grad()
    def decode_long(self, frames: Tensor, *, chunk: int = 1024, overlap: int = 8) -> Tensor:
        """Rebuild sound from any number of frames [T, LATENTS] in bounded memory: [T * FRAME], equal to `decode`.

        Chunks overlap by more frames than a convolution at the edge can reach, and the overlap is cut away.
        """
        pieces = []
        for start in range(0, len(frames), chunk):
            left = max(0, start - overlap)
            piece = self.decode(frames[None, left : start + chunk + overlap])[0]
            pieces.append(piece[(start - left) * FRAME :][: chunk * FRAME])
        return torch.cat(pieces) if pieces else frames.new_empty(0)


class Interleave(nn.Module):
    """Turn groups of channels into steps of time: [B, C * factor, T] to [B, C, T * factor]."""

    def __init__(self, factor: int):
        super().__init__()
        self.factor = factor

    def forward(self, values: Tensor) -> Tensor:
        """Give channel c * factor + k the steps k, k + factor, ... of channel c."""
        batch, channels, time = values.shape
        split = values.view(batch, channels // self.factor, self.factor, time)
        return split.transpose(2, 3).reshape(batch, channels // self.factor, time * self.factor)
