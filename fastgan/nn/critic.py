"""The discriminator of latent frames: two LSTM layers that remember what came before, and dense ones that judge what follows."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fastgan.nn.lstm import FusedLSTM


class Verdict(NamedTuple):
    """What a critic makes of frames."""

    logits: Tensor  # [R], above 0 for real
    features: Tensor  # [R, W], what the logits are made of


class Critic(nn.Module):
    """Tell the frame that follows in the music from one that was made, knowing what came before and what was asked for.

    It is shown how frames change beside the frames themselves: grain, which is what gives generated ones away, lies there.

    Args:
        latents: K, values of a frame.
        guide: G, values that say what a frame is to be like.
        hidden: units in each LSTM layer.
        width: W, of the dense layers.
        backend: implementation of the LSTM, see `FusedLSTM`.
    """

    def __init__(self, latents: int, guide: int, *, hidden: int = 128, width: int = 256, backend: str = "auto"):
        super().__init__()
        self.enter = nn.Linear(latents + guide, hidden)
        self.lstm = FusedLSTM(hidden, hidden, num_layers=2, bias="single", batch_first=True, backend=backend)
        self.known = nn.Linear(2 * hidden + guide, width)
        self.frame = nn.Linear(2 * latents, width)
        self.blocks = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.dense = nn.Linear(width, 1)

    def remember(self, frames: Tensor, guide: Tensor) -> Tensor:
        """Take in frames [B, T, K] with the guide [B, T, G] of the frame after each: what is known before that, [B, T, W]."""
        entered = F.leaky_relu(self.enter(torch.cat((frames, guide), -1)), 0.2)
        return self.known(torch.cat((self.lstm(entered)[0], entered, guide), -1))

    def judge(self, known: Tensor, before: Tensor, frames: Tensor) -> Verdict:
        """Judge frames [R, K] by what is known [R, W] and by the frames right before them [R, K]."""
        features = F.leaky_relu(known + self.frame(torch.cat((frames, frames - before), -1)), 0.2)
        for block in self.blocks:
            features = features + F.leaky_relu(block(features), 0.2)
        return Verdict(self.dense(features)[:, 0], features)
