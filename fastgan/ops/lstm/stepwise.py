"""The definition of a stack of LSTM layers that reads its own values: a dense layer on top, a step at a time, in plain torch.

With windows every value is predicted from the n values before it, from a zero state, as the stage `fit` trains it: n windows of each
clip are under way and advance together, one row each, so a value costs one step of n rows and not n steps. Or one state of each
clip is carried on for ever.
"""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor

Layer = tuple[Tensor, Tensor, Tensor | None, Tensor | None]
"""weight_ih [4H, K], weight_hh [4H, H] and their biases [4H] or None; K is D in the first layer, H in the others."""


class Net(NamedTuple):
    """The networks of a run, one direction, without projection.

    Attributes:
        layers: from the first on.
        dense: [D, H].
        dense_bias: [D], or None for zeros.
    """

    layers: Sequence[Layer]
    dense: Tensor
    dense_bias: Tensor | None


class FreeRun(Protocol):
    """A run under way.

    Attributes:
        stretch: steps that are to be asked for at a time where the work may have to end early: nothing stops it within them.
        value_s: seconds that a step takes, about, on a busy machine.
    """

    stretch: ClassVar[int]
    value_s: ClassVar[float]

    def run(self, steps: int, shown: Tensor | None = None) -> Tensor:
        """Take steps, each of which reads what the one before gave.

        Args:
            steps: values wanted of each clip, at least 1.
            shown: [B, m, D], what is read before, m at least 1; None to go on.

        Returns:
            [B, steps, D], what follows.
        """


class Stepwise:
    """The definition, a step at a time.

    Args:
        net: the networks.
        clips: B.
        windows: n, under way for each clip; 0 to carry one state of each on for ever.
    """

    stretch: ClassVar[int] = 512
    value_s: ClassVar[float] = 3e-4

    def __init__(self, net: Net, clips: int, windows: int):
        self._net, self._windows, self._position = net, windows, 0
        values, hidden = net.dense.shape
        self._last = net.dense.new_zeros(clips, values)
        self._states = [net.dense.new_zeros(2, max(windows, 1), clips, hidden) for _ in net.layers]

    @torch.no_grad()
    def run(self, steps: int, shown: Tensor | None = None) -> Tensor:
        """See `FreeRun.run`."""
        made: list[Tensor] = []
        for value in () if shown is None else shown.unbind(1):
            made = [self._step(value)]
        while len(made) < steps:
            made.append(self._step(self._last))
        return torch.stack(made, dim=1)

    def _step(self, value: Tensor) -> Tensor:
        """Show a value to every row; gives the prediction of the window that is full."""
        row = self._position % self._states[0].shape[1]
        self._position += 1
        if self._windows:
            for state in self._states:
                state[:, row] = 0  # the window that begins with this value
        rows = value.expand(self._states[0].shape[1], *value.shape).flatten(0, 1)
        for state, (w_ih, w_hh, b_ih, b_hh) in zip(self._states, self._net.layers, strict=True):
            zeros = w_ih.new_zeros(len(w_ih))  # torch takes both biases or none
            biases = (zeros if b_ih is None else b_ih, zeros if b_hh is None else b_hh)
            hidden, cell = torch.lstm_cell(rows, list(state.flatten(1, 2)), w_ih, w_hh, *biases)
            state[0], state[1] = hidden.view_as(state[0]), cell.view_as(state[1])
            rows = hidden
        oldest = self._states[-1][0, (row + 1) % len(self._states[-1][0])]  # it began n - 1 values ago
        self._last = torch.nn.functional.linear(oldest, self._net.dense, self._net.dense_bias)
        return self._last
