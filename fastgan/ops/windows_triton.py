"""The kernel of `fastgan.ops.windows`: a program finds ROWS windows of the order and copies up to COLUMNS samples of each.

The order of windows is that of `fastgan.ops.windows.shuffled`: a Feistel network of six rounds over the next power of four,
walked again by what falls outside.
"""

import triton
import triton.language as tl


@triton.jit
def _mix(value):
    """The finaliser of SplitMix64."""
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB
    return value ^ (value >> 31)


@triton.jit
def _walk(value, key, HALF: tl.constexpr):
    left = value >> HALF
    right = value & ((1 << HALF) - 1)
    for turn in tl.static_range(6):
        mixed = _mix(right + (key + (turn * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF)))
        left, right = right, left ^ (mixed & ((1 << HALF) - 1))
    return (left << HALF) | right


@triton.jit
def _shuffled(place, total, key, HALF: tl.constexpr):
    """Of each place of the order, what stands there; each is below 4^HALF, or the walk might not end."""
    value = _walk(place, key, HALF)
    while tl.max((value >= total).to(tl.int32), axis=0) > 0:
        value = tl.where(value >= total, _walk(value, key, HALF), value)
    return value


@triton.jit
def _clip_of(window, ends, clips, halvings):
    """How many clips end at or before each window, which is the number of the one it lies in, by `halvings` comparisons."""
    clip = tl.zeros_like(window).to(tl.int32)
    for k in range(halvings):
        further = clip + (1 << (halvings - 1 - k))
        end = tl.load(ends + further - 1, mask=further <= clips, other=0)
        clip = tl.where((further <= clips) & (end <= window), further, clip)
    return clip


@triton.jit(do_not_specialize=["count", "total", "clips", "halvings", "segment", "hop"])
def take(
    samples,
    first,
    ends,
    order,
    out,
    count,
    total,
    clips,
    halvings,
    segment,
    hop,
    out_row,
    out_column,
    HALF: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Copy windows `order[0] + row` of the order with key `order[1]` to `out[row]`; NaN where the order has ended."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    place = tl.load(order) + row
    inside = (place >= 0) & (place < total)
    key = tl.load(order + 1).to(tl.uint64, bitcast=True)
    place = tl.where(inside, place, 0).to(tl.uint64)
    window = _shuffled(place, total.to(tl.uint64), key, HALF).to(tl.int64)
    clip = _clip_of(window, ends, clips, halvings)
    before = tl.load(ends + clip - 1, mask=clip > 0, other=0)
    start = tl.load(first + clip) + (window - before) * hop
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    kept = (row < count)[:, None] & (column < segment)[None, :]
    values = tl.load(samples + start[:, None] + column[None, :], mask=kept & inside[:, None], other=0)
    values = tl.where(inside[:, None], values.to(tl.float32) * 0.000030517578125, float("nan"))
    at = out + row[:, None] * out_row + column.to(tl.int64)[None, :] * out_column
    tl.store(at, values.to(out.dtype.element_ty), mask=kept)
