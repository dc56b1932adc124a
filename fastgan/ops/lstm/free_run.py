"""A stack of LSTM layers with a dense layer on top, which reads its own values: step after step, as many as wanted.

Two ways. With windows every value is predicted from the n values before it, from a zero state, as the stage `fit` trains it: n
windows of each clip are under way and advance together, one row each, so a value costs one step of n rows and not n steps. Or one
state of each clip is carried on for ever.

`Stepwise` is the definition, in plain torch, for any device and dtype. `Native` runs many steps in one call of csrc/cpu/free_run.h,
`OnGpu` in one launch of csrc/cuda/free_run.h.
"""

import os
import time
from collections.abc import Sequence
from typing import ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor

from fastgan.ops import native
from fastgan.ops.lstm import cpp_cpu, free_run_gpu
from fastgan.ops.lstm.free_run_gpu import OnGpu
from fastgan.ops.registry import VARIABLE, Problem

_LOOKS = 64  # calls from one look at whether other threads would be faster to the next

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


class Native:
    """Many steps in one native call. The weights are packed here, once; a call cannot be interrupted.

    It takes one thread or all of torch's, whichever was faster lately: members of a team wait for each other at every step, which
    costs nothing on an idle machine, and several times the work where another program has one of their cores. What comes out has the
    same bits.

    Args:
        net: the networks, float32 or float64 on the processor.
        clips: B.
        windows: as for `Stepwise`.
    """

    stretch: ClassVar[int] = 512
    """Steps of a call: some ten milliseconds."""
    value_s: ClassVar[float] = 6e-5

    def __init__(self, net: Net, clips: int, windows: int):
        values, hidden = net.dense.shape
        layers = [[None if part is None else part.contiguous() for part in layer] for layer in net.layers]
        dense, bias = net.dense.contiguous(), None if net.dense_bias is None else net.dense_bias.contiguous()
        addresses = [0 if part is None else part.data_ptr() for layer in layers for part in (*layer, None)]
        make = getattr(native.library(), f"FreeRun_{cpp_cpu.DTYPES[dense.dtype]}")
        at = 0 if bias is None else bias.data_ptr()
        self._run = make(clips, windows, values, hidden, len(layers), addresses, dense.data_ptr(), at)
        self._like, self._clips, self._calls = dense, clips, 0
        self._took: dict[int, float] = {}  # seconds for a step, by threads

    def run(self, steps: int, shown: Tensor | None = None) -> Tensor:
        """See `FreeRun.run`."""
        count = 0 if shown is None else shown.shape[1]
        if shown is not None:
            shown = shown.to(self._like.dtype).contiguous()
        before = max(count - 1, 0)
        out = self._like.new_empty(self._clips, before + steps, len(self._like))
        threads, began = self._threads(), time.perf_counter()
        at = 0 if shown is None else shown.data_ptr()
        self._run.run(before + steps, count, at, out.data_ptr(), threads)
        self._took[threads] = (time.perf_counter() - began) / (before + steps)
        return out[:, before:]

    def _threads(self) -> int:
        alone, all_of_them = choices = 1, torch.get_num_threads()
        if alone == all_of_them:
            return alone
        self._calls += 1
        unknown = [threads for threads in choices if threads not in self._took]
        best = min(choices, key=lambda threads: self._took.get(threads, 0.0))
        if unknown:
            return unknown[0]
        return best if self._calls % _LOOKS else choices[best == alone]


def why_not_native(net: Net) -> str | None:
    """Why a run cannot be native calls, in words, or None."""
    values, hidden = net.dense.shape
    return cpp_cpu.why_not(Problem(1, 1, values, hidden, 0, net.dense.dtype, net.dense.device.type))


def kind_of_run(net: Net, *, clips: int, windows: int, backend: str = "auto") -> type[Native | OnGpu | Stepwise]:
    """How a run would go; arguments and errors as for `free_run`."""
    named = (os.environ.get(VARIABLE) or "auto") if backend == "auto" else backend
    if named in ("auto", "cpu"):
        reason = why_not_native(net)
        if reason is None:
            return Native
        if backend == "cpu":
            raise RuntimeError(f"backend='cpu' cannot run this: {reason}; use backend='auto'")
    if named in ("auto", "cuda"):
        reason = free_run_gpu.why_not(net, clips, windows)
        if reason is None:
            return OnGpu
        if backend == "cuda":
            raise RuntimeError(f"backend='cuda' cannot run this: {reason}; use backend='auto'")
    return Stepwise


def free_run(net: Net, *, clips: int, windows: int, backend: str = "auto") -> FreeRun:
    """Begin a run.

    Args:
        net: the networks; no gradient reaches them.
        clips: B, made at once.
        windows: n, under way for each clip; 0 to carry one state of each on for ever.
        backend: implementation of the LSTM; "cpu" stands for native calls, "cuda" for launches, "auto" for what of these can be had, else
            for single steps, as the others do.

    Raises:
        ValueError: a size or shape does not fit.
        RuntimeError: backend "cpu" or "cuda" cannot run this; says why.
    """
    values, hidden = net.dense.shape
    if clips < 1 or windows < 0 or not net.layers:
        raise ValueError(
            f"clips is {clips}, windows {windows}, layers {len(net.layers)}; needs 1 clip, 0 windows, 1 layer or more"
        )
    for index, (w_ih, w_hh, _, _) in enumerate(net.layers):
        want = (4 * hidden, hidden if index else values), (4 * hidden, hidden)
        if (w_ih.shape, w_hh.shape) != want:
            raise ValueError(
                f"layer {index} has weights {tuple(w_ih.shape)} and {tuple(w_hh.shape)}, needs {want[0]} and {want[1]} "
                f"for dense [{values}, {hidden}]: one direction, no projection"
            )
    return kind_of_run(net, clips=clips, windows=windows, backend=backend)(net, clips, windows)
