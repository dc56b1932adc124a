"""The second order in Triton, of one layer in one direction: how it moves, and the way back through both.

Names are those of `fastgan.ops.lstm.second`, the rest is as in `fastgan.ops.lstm.triton_kernels`. What belongs to a step is
[N, H] or [N, 4H], what belongs to a state [B, H]; `m_state`, `d_state` and `e_state` [B, H] in float32 are for what a cell
hands on between steps.
"""

import triton
import triton.language as tl

from fastgan.ops.lstm.triton_kernels import add_back, add_gates, around, load, load_four, store_four, tanh


@triton.jit(do_not_specialize=["T", "B"])
def move(
    outside,
    m_h0,
    m_c0,
    w_hh,
    gates,
    cells,
    cells_before,
    h_moves,
    c_moves,
    sums,
    h_n_moves,
    c_n_moves,
    m_state,
    offsets,
    T,
    B,
    H: tl.constexpr,
    REVERSE: tl.constexpr,
    BLOCK: tl.constexpr,
    UNITS: tl.constexpr,
    CHUNK: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """How hidden states, cells and the gates' sums move; `outside` [N, 4H] is the part of the sums that needs no step before."""
    dtype = w_hh.dtype.element_ty
    sequences = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    state_row = sequences.to(tl.int64) * H
    for k in range(T):
        row, live, older, begins, _, ends, row_before, _ = around(offsets, k, T, B, sequences, REVERSE)
        before = tl.where(older, h_moves + row_before * H, m_h0 + state_row)
        for start in range(0, H, UNITS):
            units = start + tl.arange(0, UNITS)
            real = units < H
            kept = live[:, None] & real[None, :]
            one = row[:, None] * H + units[None, :]
            four = row[:, None] * (4 * H) + units[None, :]
            at = state_row[:, None] + units[None, :]
            m_i, m_f, m_g, m_o = load_four(outside + four, kept, H)
            m_i, m_f, m_g, m_o = add_gates(m_i, m_f, m_g, m_o, before, live, w_hh, units, real, H, H, CHUNK, PRECISION)
            store_four(sums + four, m_i, m_f, m_g, m_o, kept, H)
            i, f, g, o = load_four(gates + four, kept, H)
            tanh_c = tanh(load(cells + one, kept))
            c = load(m_state + at, older[:, None] & real[None, :]) + load(m_c0 + at, begins[:, None] & real[None, :])
            c = f * (1 - f) * m_f * load(cells_before + one, kept) + f * c
            c += i * (1 - i) * m_i * g + i * (1 - g * g) * m_g
            h = (o * (1 - o) * m_o * tanh_c + o * (1 - tanh_c * tanh_c) * c).to(dtype)
            tl.store(m_state + at, c, mask=kept)
            tl.store(c_moves + one, c.to(dtype), mask=kept)
            tl.store(h_moves + one, h, mask=kept)
            tl.store(c_n_moves + at, c.to(dtype), mask=ends[:, None] & real[None, :])
            tl.store(h_n_moves + at, h, mask=ends[:, None] & real[None, :])
        tl.debug_barrier()  # the next step reads what other threads have written here


@triton.jit(do_not_specialize=["T", "B"])
def back(
    d_above,
    e_above,
    d_h_n,
    d_c_n,
    w_hh,
    u_hh,
    gates,
    cells,
    cells_before,
    c_moves,
    c_moves_before,
    sums,
    d_sums,
    e_sums,
    e_h0,
    e_c0,
    d_state,
    e_state,
    offsets,
    T,
    B,
    H: tl.constexpr,
    REVERSE: tl.constexpr,
    BLOCK: tl.constexpr,
    UNITS: tl.constexpr,
    CHUNK: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Last step first: d and e of the gates' sums, and e of the first states."""
    dtype = w_hh.dtype.element_ty
    sequences = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    state_row = sequences.to(tl.int64) * H
    for step in range(T):
        k = T - 1 - step
        row, live, _, begins, goes_on, ends, _, row_after = around(offsets, k, T, B, sequences, REVERSE)
        after = row_after * (4 * H)
        for start in range(0, H, UNITS):
            units = start + tl.arange(0, UNITS)
            real = (units < H)[None, :]
            kept = live[:, None] & real
            ending = ends[:, None] & real
            one = row[:, None] * H + units[None, :]
            four = row[:, None] * (4 * H) + units[None, :]
            at = state_row[:, None] + units[None, :]
            d_m = load(d_above + one, kept) + load(d_h_n + at, ending)
            e_m = load(e_above + one, kept)
            if step > 0:
                d_m = add_back(d_m, d_sums + after, goes_on, w_hh, units, H, H, CHUNK, PRECISION)
                e_m = add_back(e_m, e_sums + after, goes_on, w_hh, units, H, H, CHUNK, PRECISION)
                e_m = add_back(e_m, d_sums + after, goes_on, u_hh, units, H, H, CHUNK, PRECISION)
            i, f, g, o = load_four(gates + four, kept, H)
            s_i, s_f, s_g, s_o = load_four(sums + four, kept, H)
            slope_i = i * (1 - i)
            slope_f = f * (1 - f)
            slope_g = 1 - g * g
            slope_o = o * (1 - o)
            tanh_c = tanh(load(cells + one, kept))
            slope = 1 - tanh_c * tanh_c
            m_c = load(c_moves + one, kept)
            d_c = load(d_state + at, goes_on[:, None] & real) + load(d_c_n + at, ending) + d_m * o * slope
            e_c = load(e_state + at, goes_on[:, None] & real)
            e_c += (d_m * (slope_o * s_o) + e_m * o - 2 * d_m * o * tanh_c * m_c) * slope
            c_before = load(cells_before + one, kept)
            d_i = d_c * g
            d_f = d_c * c_before
            d_g = d_c * i
            d_o = d_m * tanh_c
            e_i = d_c * (slope_g * s_g) + e_c * g + d_i * (1 - 2 * i) * s_i
            e_f = d_c * load(c_moves_before + one, kept) + e_c * c_before + d_f * (1 - 2 * f) * s_f
            e_g = d_c * (slope_i * s_i) + e_c * i - 2 * d_g * g * s_g
            e_o = d_m * slope * m_c + e_m * tanh_c + d_o * (1 - 2 * o) * s_o
            store_four(d_sums + four, d_i * slope_i, d_f * slope_f, d_g * slope_g, d_o * slope_o, kept, H)
            store_four(e_sums + four, e_i * slope_i, e_f * slope_f, e_g * slope_g, e_o * slope_o, kept, H)
            e_c = d_c * (slope_f * s_f) + e_c * f
            tl.store(d_state + at, d_c * f, mask=kept)
            tl.store(e_state + at, e_c, mask=kept)
            tl.store(e_c0 + at, e_c.to(dtype), mask=begins[:, None] & real)
        tl.debug_barrier()  # the next step reads what other threads have written here
        for start in range(0, H, UNITS):
            units = start + tl.arange(0, UNITS)
            here = row * (4 * H)
            e_h = tl.zeros([BLOCK, UNITS], tl.float32)
            e_h = add_back(e_h, e_sums + here, begins, w_hh, units, H, H, CHUNK, PRECISION)
            e_h = add_back(e_h, d_sums + here, begins, u_hh, units, H, H, CHUNK, PRECISION)
            at = state_row[:, None] + units[None, :]
            tl.store(e_h0 + at, e_h.to(dtype), mask=begins[:, None] & (units < H)[None, :])
