"""Batches as a function of (seed, step): there is no loader state to save, and a resumed run sees what it would have seen."""

import hashlib
from collections.abc import Iterator

import numpy as np
import torch
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

    @property
    def per_pass(self) -> int:
        """Whole batches in one pass over all windows; what is left over comes in another pass's order."""
        return len(self.plan) // self.batch

    def __getitem__(self, step: int) -> Tensor:
        """Batch number `step` of an endless sequence, [batch, segment] within [-1, 1)."""
        turn, place = divmod(step, self.per_pass)
        return self.rows(place * self.batch, self.batch, turn)

    def chunks(self, count: int, size: int) -> Iterator[Tensor]:
        """The first `count` windows of the order, at most `size` at a time."""
        for first in range(0, count, size):
            yield self.rows(first, min(size, count - first))

    def rows(self, first: int, count: int, turn: int = 0) -> Tensor:
        """`count` windows from place `first` of the order of pass `turn`, [count, segment] within [-1, 1)."""
        places = np.arange(first, first + count, dtype=np.int64)
        windows = shuffled(places, len(self.plan), derive(self.seed, turn))
        out = torch.empty(count, self.plan.segment, pin_memory=self.device.type == "cuda")
        self.corpus.gather(self.plan, windows, out.numpy())
        return out.to(self.device, self.dtype, non_blocking=True)


def noise(shape: tuple[int, ...], seed: int, step: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Standard normal values that depend on (seed, step) alone."""
    generator = torch.Generator(device).manual_seed(derive(seed, step))
    return torch.randn(shape, generator=generator, device=device, dtype=dtype)


def derive(seed: int, *words: int | str) -> int:
    """A seed of its own for each purpose: 63 bits that depend on all the words."""
    text = "/".join(map(str, (seed, *words))).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1
