"""Windows of sound: where to cut (plan) and copying them out fast (gather), two functions with numpy twins."""

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import config, njit, types
from numpy.typing import NDArray

from fastgan.audio.scale import FULL_SCALE
from fastgan.audio.threads import share_rows

_STEP = np.float32(1 / FULL_SCALE)
_PARALLEL_FROM = 1 << 17  # samples a call: below it, waking the other threads costs more than they save
_READS_FROM = 256  # windows a call, likewise

CAN_READ = os.name == "posix" and not config.DISABLE_JIT  # type: ignore[attr-defined]
"""Whether `gather_file` works here: compiled code that calls the system's pread."""

_pread = types.ExternalFunction("pread", types.int64(types.int32, types.voidptr, types.uint64, types.int64))


@dataclass(frozen=True)
class Plan:
    """Where windows start, kept as counts per clip, so that it is small however many windows there are.

    Attributes:
        first: int64 [C], where each clip starts in the corpus.
        ends: int64 [C], how many windows the clips up to and including this one have.
        segment: samples per window.
        hop: samples from one start to the next.
    """

    first: NDArray[np.int64]
    ends: NDArray[np.int64]
    segment: int
    hop: int

    def __len__(self) -> int:
        return int(self.ends[-1])

    def starts(self, windows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Offsets into the corpus of windows 0 .. len - 1, int64 [n] to int64 [n]."""
        out = np.empty(len(windows), np.int64)
        _starts(windows, self.first, self.ends, self.hop, out)
        return out

    def starts_numpy(self, windows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Do what `starts` does, in numpy: the definition."""
        clip = np.searchsorted(self.ends, windows, side="right")
        before = np.concatenate(([0], self.ends))[clip]
        return self.first[clip] + (windows - before) * self.hop


def plan_segments(first: Sequence[int], lengths: Sequence[int], *, segment: int, hop: int) -> Plan:
    """Choose where windows start, so that none crosses the end of its clip.

    Args:
        first: where each clip starts in the corpus, [C].
        lengths: samples in each clip, [C].
        segment: samples per window.
        hop: samples from one start to the next; below `segment` they overlap.

    Returns:
        The plan; clips shorter than a window have none in it.

    Raises:
        ValueError: no clip holds a whole window (the message names the longest), or a size is below 1.
    """
    if segment < 1 or hop < 1:
        raise ValueError(f"segment is {segment} and hop {hop} samples; both need at least 1")
    counts = np.maximum(0, (np.asarray(lengths, np.int64) - segment) // hop + 1)
    if counts.sum() == 0:
        longest = max(lengths, default=0)
        raise ValueError(
            f"no clip holds a window of {segment:,} samples: the longest has {longest:,}; take a smaller window"
        )
    return Plan(np.asarray(first, np.int64), np.cumsum(counts), segment, hop)


def gather(samples: NDArray[np.int16], starts: NDArray[np.int64], out: NDArray[np.float32]) -> None:
    """Copy windows out of the corpus and normalise them to [-1, 1) in one pass.

    Args:
        samples: int16 [N], the corpus.
        starts: int64 [B], where each window starts.
        out: float32 [B, T], contiguous; every value is written.

    Raises:
        ValueError: a window reaches outside the corpus, or `out` has another shape or type.
    """
    _check(len(samples), starts, out)
    if out.size < _PARALLEL_FROM:
        _gather(samples, starts, out)
    else:
        share_rows(lambda rows: _gather(samples, starts[rows], out[rows]), len(starts))


def gather_file(handle: int, length: int, starts: NDArray[np.int64], out: NDArray[np.float32]) -> None:
    """Do what `gather` does, reading each window from a file: for a corpus whose mapped pages would fill the memory.

    A read costs less than the page faults of a first touch, and leaves nothing behind but the system's own cache.

    Args:
        handle: of an open file of int16 samples.
        length: samples in it.
        starts, out: as in `gather`.

    Raises:
        ValueError: as `gather`.
        OSError: the file gives less than it should.
    """
    _check(length, starts, out)
    if len(starts) < _READS_FROM:
        missing = _gather_file(handle, starts, out)
    else:
        missing = sum(share_rows(lambda rows: _gather_file(handle, starts[rows], out[rows]), len(starts)))
    if missing:
        raise OSError(errno.EIO, f"{missing} of {len(starts)} windows could not be read from the corpus")


def gather_numpy(samples: NDArray[np.int16], starts: NDArray[np.int64], out: NDArray[np.float32]) -> None:
    """Do what `gather` does, in numpy: the definition."""
    out[:] = samples[starts[:, None] + np.arange(out.shape[1])] * _STEP


def _check(length: int, starts: NDArray[np.int64], out: NDArray[np.float32]) -> None:
    if out.dtype != np.float32 or out.ndim != 2 or len(out) != len(starts) or not out.flags.c_contiguous:
        raise ValueError(f"out is {out.dtype} {out.shape}; needs contiguous float32 ({len(starts)}, window)")
    if len(starts) and (starts.min() < 0 or starts.max() + out.shape[1] > length):
        raise ValueError(
            f"windows reach {starts.min()} .. {starts.max() + out.shape[1]}; the corpus has {length} samples"
        )


@njit(cache=True, nogil=True)
def _starts(windows, first, ends, hop, out):  # type: ignore[no-untyped-def]
    for n in range(windows.size):
        clip = np.searchsorted(ends, windows[n], side="right")
        before = ends[clip - 1] if clip > 0 else 0
        out[n] = first[clip] + (windows[n] - before) * hop


@njit(cache=True, nogil=True)
def _gather(samples, starts, out):  # type: ignore[no-untyped-def]
    for row in range(out.shape[0]):
        start = np.uint64(
            starts[row]
        )  # unsigned: a signed index could be negative, and its test would stop vectorisation
        for column in range(np.uint64(out.shape[1])):
            out[row, column] = np.float32(samples[start + column]) * _STEP


@njit(cache=True, nogil=True)
def _gather_file(handle, starts, out):  # type: ignore[no-untyped-def]
    missing, window = 0, np.uint64(out.shape[1])
    samples = np.empty(out.shape[1], np.int16)
    for row in range(out.shape[0]):
        got = _pread(handle, samples.ctypes.data, 2 * window, 2 * starts[row])  # type: ignore[call-overload]
        missing += got != 2 * out.shape[1]
        for column in range(window):
            out[row, column] = np.float32(samples[column]) * _STEP
    return missing
