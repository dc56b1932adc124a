"""Batches as a function of (seed, step): there is no loader state to save, and a resumed run sees what it would have seen."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from fastgan.audio.corpus import Corpus
from fastgan.audio.segments import plan_segments
from fastgan.audio.shuffle import shuffled
from fastgan.audio.store import Clip
from fastgan.base.errors import BadInput
from fastgan.gan.seeds import derive
from fastgan.ops.windows import Windows, point, samples_on, why_not

_SHARE = 0.5  # of the device's free memory that samples may take

Piece = tuple[int, int, int]
"""Windows that stand together in a pass: the place of the first, how many, which pass."""


class Batches:
    """Windows of clips in a shuffled order, every window once before any comes twice.

    Args:
        corpus: where the samples are.
        clips: whose windows.
        segment: samples per window.
        hop: samples from one window to the next.
        batch: windows per batch.
        seed: chooses the order.
        device, dtype: where batches go, and as what.
        samples: the corpus on that device, see `resident`; None to read on the processor. The windows are the same.

    Raises:
        BadInput: no clip holds a window, or all of them together hold less than one batch.
    """

    def __init__(
        self,
        corpus: Corpus,
        clips: list[Clip],
        *,
        segment: int,
        hop: int,
        batch: int,
        seed: int,
        device: torch.device,
        dtype: torch.dtype,
        samples: Tensor | None = None,
    ):
        try:
            self.plan = plan_segments([c.start for c in clips], [c.length for c in clips], segment=segment, hop=hop)
        except ValueError as error:
            raise BadInput(str(error)) from error
        if len(self.plan) < batch:
            raise BadInput(
                f"the {len(clips)} clips hold {len(self.plan):,} windows, less than one batch of {batch:,}; "
                "take a smaller batch, a smaller window or more music"
            )
        self.corpus, self.batch, self.seed, self.device, self.dtype = corpus, batch, seed, device, dtype
        self._reader = ThreadPoolExecutor(1, "batches")
        self._ahead: dict[tuple[int, int], Future[Tensor]] = {}  # what is being read, at most one
        if samples is not None:
            cut = {"segment": segment, "hop": hop}
            self._windows = Windows.place_on(device, samples, self.plan.first, self.plan.ends, **cut)
            self._order = self._windows.order(0, 0)
        self._on_device = samples is not None

    @property
    def per_pass(self) -> int:
        """Whole batches in one pass over all windows; what is left over comes in another pass's order."""
        return len(self.plan) // self.batch

    def stride(self, first: int, count: int) -> Tensor:
        """Batches `first` to `first + count - 1`, [count, batch, segment] within [-1, 1).

        What is read on the processor is read before it is wanted: the next as many, by compiled code in a thread of its own.
        """
        if self._on_device:
            return self._take(self._pieces(first, count)).view(count, self.batch, -1)
        wanted, following = (first, count), (first + count, count)
        found = self._ahead.pop(wanted).result() if wanted in self._ahead else self._read(*wanted)
        self._ahead = {following: self._reader.submit(self._read, *following)}
        return found.to(self.device, self.dtype, non_blocking=True).view(count, self.batch, -1)

    def chunks(self, count: int, size: int) -> Iterator[Tensor]:
        """The first `count` windows of the order, at most `size` at a time."""
        for first in range(0, count, size):
            yield self.rows(first, min(size, count - first))

    def rows(self, first: int, count: int) -> Tensor:
        """`count` windows from place `first` of the order of the first pass, [count, segment] within [-1, 1)."""
        piece = [(first, count, 0)]
        return (
            self._take(piece) if self._on_device else self._gather(piece).to(self.device, self.dtype, non_blocking=True)
        )

    def _pieces(self, first: int, count: int) -> list[Piece]:
        """Where the windows of some batches stand, pass by pass."""
        pieces = []
        while count > 0:
            turn, place = divmod(first, self.per_pass)
            many = min(count, self.per_pass - place)
            pieces.append((place * self.batch, many * self.batch, turn))
            first, count = first + many, count - many
        return pieces

    def _read(self, first: int, count: int) -> Tensor:
        return self._gather(self._pieces(first, count))

    def _gather(self, pieces: list[Piece]) -> Tensor:
        """Windows as float32 in the memory of the processor."""
        windows = [
            shuffled(np.arange(place, place + count, dtype=np.int64), len(self.plan), derive(self.seed, turn))
            for place, count, turn in pieces
        ]
        out = torch.empty(sum(map(len, windows)), self.plan.segment, pin_memory=self.device.type == "cuda")
        self.corpus.gather(self.plan, np.concatenate(windows), out.numpy())
        return out

    def _take(self, pieces: list[Piece]) -> Tensor:
        """Windows from the samples on the device; the host waits for nothing."""
        rows = sum(count for _, count, _ in pieces)
        out, done = torch.empty(rows, self.plan.segment, device=self.device, dtype=self.dtype), 0
        for place, count, turn in pieces:
            self._windows.take(point(self._order, place, derive(self.seed, turn)), out[done : done + count])
            done += count
        return out


@lru_cache(maxsize=1)  # all stages of a run share it
def resident(corpus: Corpus, device: torch.device) -> Tensor | None:
    """The samples of a corpus on a device, int16 [N], if that can gather windows there and has room to spare, else None."""
    if device.type != "cuda" or why_not(device) is not None:
        return None
    free, _ = torch.cuda.mem_get_info(device)
    return samples_on(device, corpus.samples) if corpus.samples.nbytes < _SHARE * free else None
