"""A stack that reads its own values on an Nvidia GPU: one launch of csrc/cuda/free_run.h for all clips and as many steps as wanted."""

from typing import ClassVar

import torch
from torch import Tensor

from fastgan.ops.lstm import cuda_calls, cuda_gpu
from fastgan.ops.lstm.stepwise import Net
from fastgan.ops.registry import Problem

_LAYERS = 8  # of a launch, at most
_THIN = 8  # numbers of a value, at most


class OnGpu:
    """Many steps in one launch, with all weights in registers, spread over blocks that run together. A launch cannot be interrupted.

    Sums, and cells between steps, are float32; states and values are rounded to the networks' dtype.

    Args:
        net: the networks, on a GPU; float32, bfloat16 or float16.
        clips: B.
        windows: as for `fastgan.ops.lstm.stepwise.Stepwise`.
    """

    stretch: ClassVar[int] = 32_768
    """Steps of a call: some tenths of a second."""
    value_s: ClassVar[float] = 1e-5

    def __init__(self, net: Net, clips: int, windows: int):
        self._layers = [[_own(part) for part in layer] for layer in net.layers]
        self._dense, self._bias = _own(net.dense), _own(net.dense_bias)
        assert self._dense is not None
        self._like, self._done = self._dense, 0
        values, hidden = net.dense.shape
        self._sizes = (clips, values, hidden, len(net.layers), windows)
        rows = clips * max(windows, 1)
        self._states = self._like.new_zeros(2, len(net.layers), rows, hidden)
        self._cells = self._like.new_zeros(len(net.layers), rows, hidden, dtype=torch.float32)
        self._last = self._like.new_zeros(clips, values)

    def run(self, steps: int, shown: Tensor | None = None) -> Tensor:
        """See `fastgan.ops.lstm.stepwise.FreeRun.run`."""
        count = 0 if shown is None else shown.shape[1]
        if shown is not None:
            shown = cuda_calls.aligned(shown.to(self._like))
        before = max(count - 1, 0)
        out = self._like.new_empty(self._sizes[0], before + steps, self._sizes[1])
        flags = cuda_calls.flags_for(out)
        with cuda_calls.on(out):
            cuda_calls.library().free_run(
                *cuda_calls.queue_of(out),
                (*self._sizes, before + steps, count),
                self._done,
                cuda_calls.all_at([part for layer in self._layers for part in layer]),
                *cuda_calls.all_at((self._dense, self._bias, shown, self._states, self._cells, self._last, out)),
                flags.data_ptr(),
            )
        self._done += before + steps
        return out[:, before:]


def why_not(net: Net, clips: int, windows: int) -> str | None:
    """Every reason why such a run cannot be one launch, or None."""
    values, hidden = net.dense.shape
    rows = clips * max(windows, 1)
    reasons = [cuda_gpu.why_not(Problem(1, rows, values, hidden, 0, net.dense.dtype, net.dense.device.type))]
    if len(net.layers) > _LAYERS:
        reasons.append(f"{len(net.layers)} layers (it takes {_LAYERS})")
    if values > _THIN:
        reasons.append(f"values of {values} numbers (it takes {_THIN})")
    if not any(reasons):
        kind, device, _ = cuda_calls.queue_of(net.dense)
        if not cuda_calls.library().runs_free(kind, device, (clips, values, hidden, len(net.layers), windows, 1, 0)):
            reasons.append(
                f"{len(net.layers)} layers for {windows} windows of {clips} clips: more than this GPU has room for"
            )
    return "; ".join(reason for reason in reasons if reason) or None


def _own(tensor: Tensor | None) -> Tensor | None:
    """A copy, as the kernel reads it: later changes do not reach it."""
    return None if tensor is None else tensor.detach().contiguous().clone()
