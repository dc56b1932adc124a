"""The generator of latent frames: two LSTM layers that remember, and a flow that makes the next frame from fresh noise."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from fastgan.nn.flow import Flow
from fastgan.nn.lstm import FusedLSTM

State = tuple[Tensor, Tensor] | None
"""Hidden and cell state of both layers, [2, B, H] each; None before the first frame."""


class Step(NamedTuple):
    """What is known before a frame, and the state after what it was known from."""

    context: Tensor  # [B, T, C]
    state: State


class FrameGenerator(nn.Module):
    """Autoregressive: each frame follows from those before it, from what the piece is to be like there, and from noise of its own.

    While it learns, the frames that it is shown are spoilt by noise, and it is told how much: what it makes itself is never
    quite right either, and it must not be thrown off by that (as in Ho et al., "Cascaded diffusion models", 2022, section 4.2).

    Args:
        latents: K, values of a frame.
        guide: G, values that say what a frame is to be like: style and beat.
        hidden: units in each LSTM layer.
        width: of the flow's blocks.
        backend: implementation of the LSTM, see `FusedLSTM`.
    """

    def __init__(
        self,
        latents: int,
        guide: int,
        *,
        hidden: int = 256,
        width: int = 384,
        backend: str = "auto",
    ):
        super().__init__()
        self.latents = latents
        self.enter = nn.Linear(latents + guide + 1, hidden)
        self.lstm = FusedLSTM(hidden, hidden, num_layers=2, bias="single", batch_first=True, backend=backend)
        self.flow = Flow(latents, 2 * hidden + guide, width=width)

    def forward(self, frames: Tensor, guide: Tensor, spoilt: Tensor, state: State = None) -> Step:
        """Take in frames.

        Args:
            frames: [B, T, K].
            guide: [B, T, G], of the frame that follows each of them.
            spoilt: [B], how much noise was added to them.
            state: after the frames before.

        Returns:
            What is known before the frame that follows each of them, for `self.flow`, and the state.
        """
        noise = spoilt[:, None, None].expand(*frames.shape[:2], 1)
        entered = self.enter(torch.cat((frames, guide, noise), -1))
        out, state = self.lstm(entered, state)
        return Step(torch.cat((out, entered, guide), -1), state)

    def go_on(
        self, before: Tensor, guide: Tensor, spoilt: Tensor, noise: Tensor, *, state: State = None, flow_steps: int = 8
    ) -> tuple[Tensor, State]:
        """Make frames, each from all before it; differentiable.

        Args:
            before: [B, T, K], T at least 1: frames that were not taken in yet.
            guide: [B, T + L - 1, G], of the frames that follow each of them, and of those that are made but the first.
            spoilt: [B], how much noise the frames before are said to have.
            noise: [B, L, K], what each new frame is made from.
            state: after the frames before `before`.
            flow_steps: of each frame.

        Returns:
            The new frames [B, L, K], and the state before the last of them.
        """
        made, place, times = [], 0, self.flow.times(flow_steps)
        for fresh in noise.unbind(1):
            known, state = self(before, guide[:, place : place + before.shape[1]], spoilt, state)
            place += before.shape[1]
            made.append(self.flow.sample(known[:, -1], fresh, times))
            before = made[-1][:, None]
        return torch.stack(made, 1), state
