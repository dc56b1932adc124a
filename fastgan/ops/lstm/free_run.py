"""A stack of LSTM layers that reads its own values, step after step, by whoever is the fastest.

`Stepwise` is the definition, for any device and dtype. `Native` runs many steps in one call of csrc/cpu/free_run.h, `OnGpu` in one
launch of csrc/cuda/free_run.h.
"""

import os
import time
from typing import ClassVar

import torch
from torch import Tensor

from fastgan.ops import native
from fastgan.ops.lstm import cpp_cpu, free_run_gpu
from fastgan.ops.lstm.free_run_gpu import OnGpu
from fastgan.ops.lstm.stepwise import FreeRun, Net, Stepwise
from fastgan.ops.registry import VARIABLE, Problem

_LOOKS = 64  # calls from one look at whether other threads would be faster to the next


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
