"""Work that is the same at every call, recorded once and replayed: on a GPU as a CUDA graph, elsewhere by calling it."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

Results = dict[str, Tensor]
Work = Callable[..., Results]


class Recording(Protocol):
    """Work that was recorded on tensors which stay where they are."""

    def replay(self) -> None:
        """Do it again: what the tensors hold now goes in, and what comes out is written where it was."""
        ...


Record = Callable[[Callable[[], None]], Recording]
"""Records what a function does, without doing it."""


class Replay:
    """Calls work; where it can be recorded, from the second call for inputs of the same shapes on by replaying it.

    The first call runs as it is, since it compiles kernels and fills caches, which cannot be recorded. What comes out is overwritten by
    the next call. Whatever the work changes beside its inputs, such as weights, has to stay in its place.

    Args:
        work: takes tensors, gives named tensors; does not wait for the device.
        device: where.
        record: how to record; `record_graph` on a GPU when left out, else never.
    """

    def __init__(self, work: Work, device: torch.device, record: Record | None = None):
        self.work = work
        self.record = record or (record_graph if device.type == "cuda" else None)
        self._recorded: dict[tuple[torch.Size, ...], _Recorded | None] = {}

    def __call__(self, *inputs: Tensor) -> Results:
        """Do the work."""
        if self.record is None:
            return self.work(*inputs)
        shapes = tuple(one.shape for one in inputs)
        if shapes not in self._recorded:
            self._recorded[shapes] = None
            return self.work(*inputs)
        known = self._recorded[shapes] = self._recorded[shapes] or _Recorded(self.work, inputs, self.record)
        return known.run(inputs)


class _Recorded:
    """Work on inputs of some shapes."""

    def __init__(self, work: Work, inputs: tuple[Tensor, ...], record: Record):
        self.inputs = [one.clone() for one in inputs]
        self.results: Results = {}

        def run() -> None:
            self.results = work(*self.inputs)

        self.recording = record(run)

    def run(self, inputs: tuple[Tensor, ...]) -> Results:
        for mine, given in zip(self.inputs, inputs, strict=True):
            mine.copy_(given)
        self.recording.replay()
        return self.results


def record_graph(run: Callable[[], None]) -> Recording:
    """Record what a function launches on the GPU as a CUDA graph."""
    graph = torch.cuda.CUDAGraph()
    torch.cuda.synchronize()  # once for each shape: other streams must be at rest while it records
    with torch.cuda.graph(graph):
        run()
    return graph
