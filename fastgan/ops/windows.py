"""Windows of a corpus that lies on the device: shuffled, copied and normalised there, so that a step waits for no host.

An order is two numbers on the device, int64 [2]: the place of the first window within the pass, and the pass's key (64 bits, of
which a key from 2^63 on is the negative number with the same bits). Both are read when the work runs, not when it is asked for:
a captured CUDA graph is moved on by adding to `order[0]`, in the graph or between replays, and `point` begins a pass.

Floors, from data sheets and compiled code, for a pass over 9.45 million windows of 6 samples side by side on an H100 (3.35 TB/s;
132 multiprocessors at 1.7 GHz, each 64 integer operations a clock). A window is 12 bytes that begin at a multiple of 4, so it
touches 1.25 sectors of 32 bytes, 40 bytes on average, and leaves as 24 bytes of float32 or 12 of bfloat16: 605 or 491 MB, 0.18 or
0.15 ms. One walk through the six rounds is 140 instructions for sm_90, 82 of them on the narrowest path, and among 2^24 values
a window takes 1.78 walks: 0.10 ms. The 32 windows of a warp wait for their slowest, 5.4 walks: 0.29 ms. So integers, not bytes,
are what a pass takes, some 0.5 ms with the search for the clip and addresses; 3 microseconds of it for a batch of 65,536.
"""

import contextlib
import functools
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from fastgan.ops.lstm.triton_gpu import interpreted, why_not_here

_ROUNDS = 6
_DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
_TILE = 1024  # samples that a program copies, at most
_WARP = 32  # windows that a program finds, at most
_PIECE = 1 << 24  # samples that go to the device at a time


@dataclass(frozen=True)
class Windows:
    """Where the windows of a corpus are, and its samples; see `place_on`.

    Attributes:
        samples: int16 [N].
        first: int64 [C], where each clip starts.
        ends: int64 [C], how many windows the clips up to and including this one have.
        segment: samples per window.
        hop: samples from one start to the next.
        total: how many windows there are.
    """

    samples: Tensor
    first: Tensor
    ends: Tensor
    segment: int
    hop: int
    total: int

    @classmethod
    def place_on(
        cls,
        device: torch.device | str,
        samples: Tensor | np.ndarray,
        first: ArrayLike,
        ends: ArrayLike,
        *,
        segment: int,
        hop: int,
    ) -> "Windows":
        """Copy a corpus and its plan to a device.

        Args:
            device: where to.
            samples: int16 [N]; a memory map is read piece by piece, a tensor that lies there is taken as it is.
            first, ends, segment, hop: as above, anywhere.

        Raises:
            ValueError: samples of another type, a plan without windows, or one that reaches outside the samples.
        """
        starts, counts = (torch.as_tensor(one).to("cpu", torch.int64, copy=True).numpy() for one in (first, ends))
        if str(samples.dtype).removeprefix("torch.") != "int16" or samples.ndim != 1:
            raise ValueError(f"samples are {samples.dtype} with {samples.ndim} dimensions; needs int16 [N]")
        if segment < 1 or hop < 1:
            raise ValueError(f"segment is {segment} and hop {hop} samples; both need at least 1")
        here = np.diff(counts, prepend=0)
        if starts.shape != counts.shape or not here.any() or here.min() < 0:
            raise ValueError(f"first has {len(starts)} clips and ends {len(counts)}; needs as many, ascending, above 0")
        begin, reach = ((starts + more)[here > 0] for more in (0, (here - 1) * hop + segment))
        if begin.min() < 0 or reach.max() > len(samples):
            raise ValueError(f"windows reach {begin.min()} .. {reach.max()}; the corpus has {len(samples)} samples")
        there = samples_on(device, samples)
        where, until = (torch.from_numpy(one).to(device) for one in (starts, counts))
        return cls(there, where, until, segment, hop, int(counts[-1]))

    def order(self, place: int, key: int) -> Tensor:
        """A new order on the device, int64 [2]: the place of the first window, and the key of the pass."""
        return point(torch.empty(2, dtype=torch.int64, device=self.samples.device), place, key)

    def take(self, order: Tensor, out: Tensor) -> None:
        """Write the windows from a place of a shuffled order on, as `reference` does, in one launch that waits for nothing.

        It allocates nothing either, so a CUDA graph can hold it, once the same call has run outside and was compiled for it.

        Args:
            order: int64 [2] on the device, as `order` gives it.
            out: [count, segment] on the device, of any strides (time-major is `[segment, count].t()`), float32, bfloat16,
                float16 or float64; all of it is written: samples within [-1, 1), NaN beyond the last window of the pass.

        Raises:
            ValueError: `order` or `out` does not fit.
            RuntimeError: the kernel cannot run here; says why.
        """
        _check(self, order, out)
        reason = why_not(out.device)
        if reason is not None:
            raise RuntimeError(f"windows cannot be taken on {out.device}: {reason}")
        grid, arguments, options = launch(self, order, out)
        with torch.cuda.device(out.device) if out.is_cuda else contextlib.nullcontext():
            kernels().take[grid](*arguments, **options)


def samples_on(device: torch.device | str, samples: Tensor | np.ndarray) -> Tensor:
    """A corpus on a device, int16 [N]: as it is where it lies there, else copied piece by piece."""
    if isinstance(samples, Tensor) and samples.device == torch.device(device):
        return samples
    there = torch.empty(len(samples), dtype=torch.int16, device=device)
    for at in range(0, len(samples), _PIECE):
        piece = samples[at : at + _PIECE]
        there[at : at + _PIECE] = piece if isinstance(piece, Tensor) else torch.from_numpy(np.array(piece))
    return there


def point(order: Tensor, place: int, key: int) -> Tensor:
    """Set an order, int64 [2], without waiting for the device, and give it back."""
    order[0].fill_(place)
    order[1].fill_(_signed(key))
    return order


def why_not(device: torch.device) -> str | None:
    """Every reason why `Windows.take` cannot run on a device, or None."""
    wanted = "cpu" if interpreted() else "cuda"
    reasons = [] if device.type == wanted else [f"tensors on {device.type} (it takes {wanted})"]
    return "; ".join([*reasons, *filter(None, [why_not_here()])]) or None


def reference(windows: Windows, order: Tensor, out: Tensor) -> None:
    """Do what `Windows.take` does, in plain torch on any device: the definition. Waits for the device."""
    _check(windows, order, out)
    places = order[0] + torch.arange(len(out), device=order.device)
    inside = (places >= 0) & (places < windows.total)
    window = shuffled(torch.where(inside, places, 0), windows.total, order[1])
    clip = torch.searchsorted(windows.ends, window, right=True)
    before = torch.where(clip > 0, windows.ends[clip - 1], 0)
    starts = windows.first[clip] + (window - before) * windows.hop
    columns = torch.arange(windows.segment, device=order.device)
    values = windows.samples[starts[:, None] + columns].to(torch.float32) * 2.0**-15
    out.copy_(torch.where(inside[:, None], values, torch.nan))


def shuffled(places: Tensor, total: int, key: Tensor) -> Tensor:
    """Which of 0 .. total - 1 stands at each place of the order with this key, int64 [n] to int64 [n]. Waits for the device."""
    half = half_bits(total)
    mask = (1 << half) - 1

    def walk(value: Tensor) -> Tensor:
        left, right = value >> half, value & mask
        for turn in range(_ROUNDS):
            left, right = right, left ^ (_mix(right + key + _signed(turn * 0x9E3779B97F4A7C15)) & mask)
        return (left << half) | right

    value = walk(places)
    while bool((value >= total).any()):
        value = torch.where(value >= total, walk(value), value)
    return value


def _mix(value: Tensor) -> Tensor:
    """The finaliser of SplitMix64; int64 has the same bits as uint64, but shifts its sign in."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        value = (value ^ _shift(value, shift)) * _signed(factor)
    return value ^ _shift(value, 31)


def _shift(value: Tensor, bits: int) -> Tensor:
    return (value >> bits) & ((1 << (64 - bits)) - 1)


def _signed(word: int) -> int:
    """The int64 with the lowest 64 bits of a number."""
    return (word + (1 << 63)) % (1 << 64) - (1 << 63)


def half_bits(total: int) -> int:
    """Bits of each half of a place: the least power of four from `total` on has twice as many."""
    return max(1, ((total - 1).bit_length() + 1) // 2)


def launch(windows: Windows, order: Tensor, out: Tensor) -> tuple[tuple[int, int], Sequence[Any], dict[str, Any]]:
    """Grid, arguments and options of the kernel.

    A program of short windows is one warp, so that no thread finds two windows and none waits for more than 31 others. Long
    windows are cut, and each part's program finds the place again.
    """
    columns = min(_TILE, 1 << (windows.segment - 1).bit_length())
    rows = min(_WARP, _TILE // columns)
    grid = (-(-len(out) // rows), -(-windows.segment // columns))
    tensors = windows.samples, windows.first, windows.ends, order, out
    clips = len(windows.ends)
    numbers = len(out), windows.total, clips, clips.bit_length(), windows.segment, windows.hop, *out.stride()
    options = {"HALF": half_bits(windows.total), "ROWS": rows, "COLUMNS": columns}
    return grid, (*tensors, *numbers), {**options, "num_warps": 1 if rows == _WARP else 4}


@functools.cache
def kernels() -> Any:
    """The module of the kernel: it needs Triton, so it is not loaded before it is wanted."""
    return importlib.import_module("fastgan.ops.windows_triton")


def _check(windows: Windows, order: Tensor, out: Tensor) -> None:
    device = windows.samples.device
    if order.dtype != torch.int64 or order.shape != (2,) or order.device != device:
        raise ValueError(f"order is {order.dtype} {tuple(order.shape)} on {order.device}; needs int64 (2,) on {device}")
    if out.dtype not in _DTYPES or out.ndim != 2 or out.shape[1] != windows.segment or out.device != device:
        raise ValueError(
            f"out is {out.dtype} {tuple(out.shape)} on {out.device}; needs floats (count, {windows.segment}) on {device}"
        )
