"""Batches as a function of (seed, step): there is no loader state to save, and a resumed run sees what it would have seen."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fastgan.audio.corpus import Corpus
from fastgan.audio.segments import plan_segments
from fastgan.audio.shuffle import shuffled
from fastgan.audio.store import Clip
from fastgan.base.errors import BadInput


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

    @property
    def per_pass(self) -> int:
        """Whole batches in one pass over all windows; what is left over comes in another pass's order."""
        return len(self.plan) // self.batch

    def stride(self, first: int, count: int) -> Tensor:
        """Batches `first` to `first + count - 1`, [count, batch, segment]; the next as many are read meanwhile.

        Reading takes no part of the interpreter's time: it is compiled code, in a thread of its own.
        """
        wanted, following = (first, count), (first + count, count)
        found = self._ahead.pop(wanted).result() if wanted in self._ahead else self.read(*wanted)
        self._ahead = {following: self._reader.submit(self.read, *following)}
        return found.to(self.device, self.dtype, non_blocking=True)

    def read(self, first: int, count: int) -> Tensor:
        """What `stride` gives, as float32 in the memory of the processor."""
        windows = np.empty(count * self.batch, np.int64)
        done = 0
        while done < count:
            turn, place = divmod(first + done, self.per_pass)
            many = min(count - done, self.per_pass - place)
            windows[done * self.batch : (done + many) * self.batch] = self._order(
                place * self.batch, many * self.batch, turn
            )
            done += many
        return self._gather(windows).view(count, self.batch, self.plan.segment)

    def chunks(self, count: int, size: int) -> Iterator[Tensor]:
        """The first `count` windows of the order, at most `size` at a time."""
        for first in range(0, count, size):
            yield self.rows(first, min(size, count - first))

    def rows(self, first: int, count: int) -> Tensor:
        """`count` windows from place `first` of the order of the first pass, [count, segment] within [-1, 1)."""
        return self._gather(self._order(first, count, 0)).to(self.device, self.dtype, non_blocking=True)

    def _order(self, first: int, count: int, turn: int) -> NDArray[np.int64]:
        """The numbers of the windows that lie there in the order of a pass."""
        return shuffled(np.arange(first, first + count, dtype=np.int64), len(self.plan), derive(self.seed, turn))

    def _gather(self, windows: NDArray[np.int64]) -> Tensor:
        out = torch.empty(len(windows), self.plan.segment, pin_memory=self.device.type == "cuda")
        self.corpus.gather(self.plan, windows, out.numpy())
        return out


def noise(shape: tuple[int, ...], seed: int, step: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Standard normal values that depend on (seed, step) alone."""
    generator = torch.Generator(device).manual_seed(derive(seed, step))
    return torch.randn(shape, generator=generator, device=device, dtype=dtype)


def derive(seed: int, *words: int | str) -> int:
    """A seed of its own for each purpose: 63 bits that depend on all the words."""
    text = "/".join(map(str, (seed, *words))).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1
