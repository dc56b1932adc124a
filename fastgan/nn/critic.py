"""The discriminator of latent frames: two LSTM layers in both directions and a dense layer on every frame."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from fastgan.nn.lstm import FusedLSTM


class Verdict(NamedTuple):
    """What a critic makes of sequences."""

    logits: Tensor  # [B, T], above 0 for real
    features: Tensor  # [B, T, 2 H], what the logits are made of


class Critic(nn.Module):
    """Tell real continuations from generated ones: it sees what a piece was before, and judges every frame after that.

    Args:
        latents: K, values of a frame.
        style: S, values that describe the piece.
        hidden: units in each LSTM layer and direction.
        backend: implementation of the LSTM, see `FusedLSTM`.
    """

    def __init__(self, latents: int, style: int, *, hidden: int = 128, backend: str = "auto"):
        super().__init__()
        self.enter = spectral_norm(nn.Linear(latents + style + 1, hidden))
        self.lstm = FusedLSTM(
            hidden, hidden, num_layers=2, bias="single", batch_first=True, bidirectional=True, backend=backend
        )
        self.dense = spectral_norm(nn.Linear(2 * hidden, 1))

    def forward(self, frames: Tensor, style: Tensor, given: int) -> Verdict:
        """Judge frames [B, T, K] of pieces in a style [B, S], of which the first `given` are known to be real."""
        along = frames.shape[:2]
        known = frames.new_zeros(along).index_fill(1, torch.arange(given, device=frames.device), 1.0)
        entered = self.enter(torch.cat((frames, style[:, None].expand(*along, -1), known[..., None]), -1))
        features = self.lstm(entered)[0][:, given:]
        return Verdict(self.dense(features)[..., 0], features)
