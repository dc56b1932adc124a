"""The discriminator of latent frames: two LSTM layers in both directions and a dense layer on every frame."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fastgan.nn.lstm import FusedLSTM


class Verdict(NamedTuple):
    """What a critic makes of sequences."""

    logits: Tensor  # [B, T], above 0 for real
    features: Tensor  # [B, T, 2 H], what the logits are made of


class Critic(nn.Module):
    """Tell real music from generated, frame by frame, with all that comes before and after in view.

    It is shown how frames change beside the frames themselves: grain, which is what gives generated ones away, lies there.

    Args:
        latents: K, values of a frame.
        guide: G, values that say what a frame was to be like.
        hidden: units in each LSTM layer and direction.
        backend: implementation of the LSTM, see `FusedLSTM`.
    """

    def __init__(self, latents: int, guide: int, *, hidden: int = 128, backend: str = "auto"):
        super().__init__()
        self.enter = nn.Linear(2 * latents + guide, hidden)
        self.lstm = FusedLSTM(
            hidden, hidden, num_layers=2, bias="single", batch_first=True, bidirectional=True, backend=backend
        )
        self.dense = nn.Linear(2 * hidden, 1)

    def forward(self, frames: Tensor, guide: Tensor) -> Verdict:
        """Judge frames [B, T, K] with their guide [B, T, G]."""
        change = F.pad(frames[:, 1:] - frames[:, :-1], (0, 0, 1, 0))
        entered = F.leaky_relu(self.enter(torch.cat((frames, change, guide), -1)), 0.2)
        features = self.lstm(entered)[0]
        return Verdict(self.dense(features)[..., 0], features)
