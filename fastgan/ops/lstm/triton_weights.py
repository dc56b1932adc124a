"""The gradients of all weights in one launch in Triton, where rows are few: each tile is summed over all of them by one program."""

import os

import triton
import triton.language as tl

# Triton's interpreter cannot multiply bfloat16; float32 holds the same numbers and their products.
_WIDENED = tl.constexpr(os.environ.get("TRITON_INTERPRET") == "1")


@triton.jit
def _sums(
    d_gates, right, start, shift, gates, columns, K, N, H: tl.constexpr, ROWS: tl.constexpr, PRECISION: tl.constexpr
):
    """Over the N rows of d_gates [N, 4H]: products with those of `right` [N, K] that stand `shift` rows before, and sums.

    The first rows meet those of `start` [shift, K], or zeros where it is None.
    """
    total = tl.zeros([gates.shape[0], columns.shape[0]], tl.float32)
    alone = tl.zeros([gates.shape[0]], tl.float32)
    for first in range(0, N, ROWS):
        row = first + tl.arange(0, ROWS)
        there = (gates < 4 * H)[:, None] & (row < N)[None, :]
        left = tl.load(d_gates + row[None, :] * (4 * H) + gates[:, None], mask=there, other=0.0)
        within = (row < N)[:, None] & (columns < K)[None, :]
        older = within & (row >= shift)[:, None]
        value = tl.load(right + (row - shift)[:, None] * K + columns[None, :], mask=older, other=0.0)
        if start is not None:
            begins = within & (row < shift)[:, None]
            value += tl.load(start + row[:, None] * K + columns[None, :], mask=begins, other=0.0)
        alone += tl.sum(left.to(tl.float32), 1)
        if _WIDENED:
            left = left.to(tl.float32)
            value = value.to(tl.float32)
        total = tl.dot(left, value, total, PRECISION)
    return total, alone


@triton.jit(do_not_specialize=["N", "B"])
def d_weights(
    d_gates,
    reads,
    outputs,
    h0,
    d_ih,
    d_hh,
    d_bias,
    N,
    B,
    inputs,
    H: tl.constexpr,
    LAYERS: tl.constexpr,
    GATES: tl.constexpr,
    COLUMNS: tl.constexpr,
    ROWS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Of a stack in one direction. The grid is [tiles of 4H, tiles of H and of what the widest layer reads, layers].

    By layer, as tuples: what it reads `reads` [N, K], gives `outputs` [N, H], and began with, in `h0` [L, B, H]; out go d_ih [4H, K],
    d_hh [4H, H] and d_bias [4H].
    """
    gates = tl.program_id(0) * GATES + tl.arange(0, GATES)
    own = tl.cdiv(H, COLUMNS)
    tile = tl.program_id(1)
    for layer in tl.static_range(LAYERS):
        if tl.program_id(2) == layer:
            of_layer = d_gates + layer * N.to(tl.int64) * (4 * H)
            entering = inputs if layer == 0 else H
            if tile < own:
                columns = tile * COLUMNS + tl.arange(0, COLUMNS)
                start = None if h0 is None else h0 + layer * B * H
                total, alone = _sums(of_layer, outputs[layer], start, B, gates, columns, H, N, H, ROWS, PRECISION)
                there = (gates < 4 * H)[:, None] & (columns < H)[None, :]
                at = gates[:, None] * H + columns[None, :]
                tl.store(d_hh[layer] + at, total.to(d_gates.dtype.element_ty), mask=there)
                if tile == 0:
                    tl.store(d_bias[layer] + gates, alone.to(d_gates.dtype.element_ty), mask=gates < 4 * H)
            elif (tile - own) * COLUMNS < entering:
                columns = (tile - own) * COLUMNS + tl.arange(0, COLUMNS)
                total, _ = _sums(of_layer, reads[layer], None, 0, gates, columns, entering, N, H, ROWS, PRECISION)
                there = (gates < 4 * H)[:, None] & (columns < entering)[None, :]
                at = gates[:, None] * entering + columns[None, :]
                tl.store(d_ih[layer] + at, total.to(d_gates.dtype.element_ty), mask=there)
