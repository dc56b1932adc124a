"""The paper's encoder: convolutions and max-pooling, trained together with a decoder that rebuilds the sound."""

from collections.abc import Iterable, Iterator
from itertools import chain

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
    def decode_pieces(self, pieces: Iterable[Tensor], *, chunk: int = 1024, overlap: int = 8) -> Iterator[Tensor]:
        """Rebuild sound from any number of frames [T, LATENTS], in pieces, in bounded memory: all of it is equal to `decode`.

        Yields up to `chunk` * FRAME samples at a time. Chunks overlap by more frames than a convolution at the edge can reach, and
        the overlap is cut away.
        """
        held, before = torch.empty(0, LATENTS), 0  # frames, of which so many have been heard
        for piece in chain(pieces, [None]):
            if piece is not None:
                held = torch.cat((held.to(piece), piece))
            while len(held) >= before + chunk + overlap or (piece is None and len(held) > before):
                sound = self.decode(held[None, : before + chunk + overlap])[0]
                yield sound[before * FRAME :][: chunk * FRAME]
                kept = min(overlap, before + chunk)
                held, before = held[before + chunk - kept :], kept


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
