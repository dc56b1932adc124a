"""The recurrence in Triton: one program owns a block of sequences and goes through all steps, and all layers of a stack.

It needs no other program, so a pass is one launch, whatever the batch. What arrives is as `fastgan.ops.lstm.stack` describes
it; places come as tuples with one entry each. A tile is BLOCK sequences times UNITS units, and products take CHUNK values at
a time. What one step hands to the next goes through memory that is near, since registers can only be read by who wrote
them; a barrier of the program's own threads lies in between. Sums and cells are float32 whatever the tensors are.
"""

import os

import triton
import triton.language as tl

# Triton's interpreter cannot multiply bfloat16; float32 holds the same numbers and their products.
_WIDENED = tl.constexpr(os.environ.get("TRITON_INTERPRET") == "1")


@triton.jit
def _sigmoid(x):
    return 1.0 / (1.0 + tl.exp(-x))


@triton.jit
def tanh(x):
    """Of float32, off by some roundings at most near zero and elsewhere."""
    size = tl.abs(x)
    shrunk = tl.exp(-2.0 * size)
    square = x * x
    # Near zero 1 - exp would cancel; the series to x^9 is off by at most 1e-8 there.
    series = size * (1 + square * (-1 / 3 + square * (2 / 15 + square * (-17 / 315 + square * (62 / 2835)))))
    value = tl.where(size < 0.25, series, (1 - shrunk) / (1 + shrunk))
    return tl.where(x < 0, -value, value)


@triton.jit
def _rows(offsets, t, B):
    """The first row of step t, and how many sequences it has."""
    if offsets is None:
        first = t.to(tl.int64) * B
        count = B
    else:
        first = tl.load(offsets + t)
        count = (tl.load(offsets + t + 1) - first).to(tl.int32)
    return first, count


@triton.jit
def rows_of_step(offsets, k, T, B, REVERSE: tl.constexpr):
    """The first row of the k-th step that is computed, and how many sequences it has; no sequences before the first and after the last."""
    inside = tl.minimum(tl.maximum(k, 0), T - 1)
    t = inside
    if REVERSE:
        t = T - 1 - inside
    first, count = _rows(offsets, t, B)
    return first, tl.where(k == inside, count, 0)


@triton.jit
def around(offsets, k, T, B, sequences, REVERSE: tl.constexpr):
    """Where a block's sequences are at the k-th step that is computed.

    Returns:
        Their rows; who has this step; of those who had the one before, and who begins here; who has the one after, and who ends
        here; the rows one step before, and one after.
    """
    first, count = rows_of_step(offsets, k, T, B, REVERSE)
    first_before, count_before = rows_of_step(offsets, k - 1, T, B, REVERSE)
    first_after, count_after = rows_of_step(offsets, k + 1, T, B, REVERSE)
    going = tl.minimum(count, count_before)
    lasting = tl.minimum(count, count_after)
    live = sequences < count
    begins = live & (sequences >= going)
    ends = live & (sequences >= lasting)
    before = first_before + sequences
    after = first_after + sequences
    return first + sequences, live, sequences < going, begins, sequences < lasting, ends, before, after


@triton.jit
def load(at, mask):
    """In float32; zeros where the mask has none."""
    return tl.load(at, mask=mask, other=0.0).to(tl.float32)


@triton.jit
def load_four(at, mask, H: tl.constexpr):
    """What lies for each gate, i, f, g, o, at one place of a row [4H]."""
    return load(at, mask), load(at + H, mask), load(at + 2 * H, mask), load(at + 3 * H, mask)


@triton.jit
def store_four(at, i, f, g, o, mask, H: tl.constexpr):
    """The inverse of `load_four`."""
    dtype = at.dtype.element_ty
    tl.store(at, i.to(dtype), mask=mask)
    tl.store(at + H, f.to(dtype), mask=mask)
    tl.store(at + 2 * H, g.to(dtype), mask=mask)
    tl.store(at + 3 * H, o.to(dtype), mask=mask)


@triton.jit
def _factor(at, mask):
    """One side of a product, as the tensor has it; zeros where the mask has none."""
    value = tl.load(at, mask=mask, other=0.0)
    if _WIDENED:
        value = value.to(tl.float32)
    return value


@triton.jit
def _bias(b_ih, b_hh, units, real):
    """[1, UNITS] in float32, the sum of those that are there."""
    value = tl.zeros_like(units).to(tl.float32)
    if b_ih is not None:
        value += load(b_ih + units, real)
    if b_hh is not None:
        value += load(b_hh + units, real)
    return value[None, :]


@triton.jit
def add_gates(
    i, f, g, o, left, live, weight, units, real, K, H: tl.constexpr, CHUNK: tl.constexpr, PRECISION: tl.constexpr
):
    """Adds the products of rows, [BLOCK, K] that begin at `left` [BLOCK], with a weight [4H, K] transposed."""
    steps = tl.arange(0, CHUNK)
    at = units[None, :] * K + steps[:, None]
    for start in range(0, K, CHUNK):
        part = start + steps
        within = part < K
        rows = _factor(left[:, None] + part[None, :], live[:, None] & within[None, :])
        chunk = weight + start + at
        there = within[:, None] & real[None, :]
        i = tl.dot(rows, _factor(chunk, there), i, PRECISION)
        f = tl.dot(rows, _factor(chunk + H * K, there), f, PRECISION)
        g = tl.dot(rows, _factor(chunk + 2 * H * K, there), g, PRECISION)
        o = tl.dot(rows, _factor(chunk + 3 * H * K, there), o, PRECISION)
    return i, f, g, o


@triton.jit
def _add_thin(i, f, g, o, left, live, weight, units, real, K, H: tl.constexpr):
    """The same for a few values, one by one."""
    column = weight + units * K
    for k in range(K):
        x = load(left + k, live)[:, None]
        i += x * load(column + k, real)[None, :]
        f += x * load(column + H * K + k, real)[None, :]
        g += x * load(column + 2 * H * K + k, real)[None, :]
        o += x * load(column + 3 * H * K + k, real)[None, :]
    return i, f, g, o


@triton.jit
def add_back(total, left, live, weight, columns, K, H: tl.constexpr, CHUNK: tl.constexpr, PRECISION: tl.constexpr):
    """Adds the product of gradients of gates, [BLOCK, 4H] that begin at `left`, with columns of a weight [4H, K]."""
    steps = tl.arange(0, CHUNK)
    for start in range(0, 4 * H, CHUNK):
        part = start + steps
        within = part < 4 * H
        rows = _factor(left[:, None] + part[None, :], live[:, None] & within[None, :])
        there = within[:, None] & (columns < K)[None, :]
        chunk = _factor(weight + tl.cast(start, tl.int64) * K + (steps[:, None] * K + columns[None, :]), there)
        total = tl.dot(rows, chunk, total, PRECISION)
    return total


@triton.jit
def _forward_place(
    read,
    h0,
    c0,
    mask,
    w_ih,
    w_hh,
    b_ih,
    b_hh,
    out,
    h_n,
    c_n,
    state,
    dropped,
    cells,
    gates,
    offsets,
    T,
    B,
    K,
    H: tl.constexpr,
    OUT: tl.constexpr,
    REVERSE: tl.constexpr,
    THIN: tl.constexpr,
    BLOCK: tl.constexpr,
    UNITS: tl.constexpr,
    CHUNK: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """One layer in one direction: reads [N, K] at `read`, writes columns of [N, OUT] at `out`."""
    dtype = w_hh.dtype.element_ty
    sequences = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    for k in range(T):
        row, live, older, begins, _, ends, row_before, _ = around(offsets, k, T, B, sequences, REVERSE)
        state_row = sequences.to(tl.int64) * H
        for start in range(0, H, UNITS):
            units = start + tl.arange(0, UNITS)
            real = units < H
            kept = live[:, None] & real[None, :]
            zeros = tl.zeros([BLOCK, UNITS], tl.float32)
            i = zeros + _bias(b_ih, b_hh, units, real)
            f = zeros + _bias(b_ih, b_hh, units + H, real)
            g = zeros + _bias(b_ih, b_hh, units + 2 * H, real)
            o = zeros + _bias(b_ih, b_hh, units + 3 * H, real)
            left = read + row * K
            if THIN:
                i, f, g, o = _add_thin(i, f, g, o, left, live, w_ih, units, real, K, H)
            else:
                i, f, g, o = add_gates(i, f, g, o, left, live, w_ih, units, real, K, H, CHUNK, PRECISION)
            before = out + row_before * OUT
            if h0 is None:
                if k > 0:  # zeros have no product
                    i, f, g, o = add_gates(i, f, g, o, before, older, w_hh, units, real, H, H, CHUNK, PRECISION)
            else:
                before = tl.where(older, before, h0 + state_row)
                i, f, g, o = add_gates(i, f, g, o, before, live, w_hh, units, real, H, H, CHUNK, PRECISION)
            i = _sigmoid(i)
            f = _sigmoid(f)
            g = tanh(g)
            o = _sigmoid(o)
            at = state_row[:, None] + units[None, :]
            c = load(state + at, older[:, None] & real[None, :])
            if c0 is not None:
                c += load(c0 + at, begins[:, None] & real[None, :])
            c = f * c + i * g
            h = (o * tanh(c)).to(dtype)
            tl.store(state + at, c, mask=kept)
            tl.store(c_n + at, c.to(dtype), mask=ends[:, None] & real[None, :])
            tl.store(h_n + at, h, mask=ends[:, None] & real[None, :])
            place = row[:, None] * OUT + units[None, :]
            tl.store(out + place, h, mask=kept)
            if mask is not None:
                tl.store(dropped + place, (h.to(tl.float32) * load(mask + place, kept)).to(dtype), mask=kept)
            if cells is not None:
                tl.store(cells + row[:, None] * H + units[None, :], c.to(dtype), mask=kept)
                store_four(gates + row[:, None] * (4 * H) + units[None, :], i, f, g, o, kept, H)
        tl.debug_barrier()  # the next step, and the next layer, read what other threads have written here


@triton.jit(do_not_specialize=["T", "B", "N"])
def forward(
    x,
    h0,
    c0,
    masks,
    w_ih,
    w_hh,
    b_ih,
    b_hh,
    output,
    h_n,
    c_n,
    inner,
    dropped,
    cells,
    gates,
    state,
    offsets,
    T,
    B,
    N,
    inputs,
    H: tl.constexpr,
    LAYERS: tl.constexpr,
    DIRECTIONS: tl.constexpr,
    FIRST: tl.constexpr,
    LAST: tl.constexpr,
    THIN: tl.constexpr,
    BLOCK: tl.constexpr,
    UNITS: tl.constexpr,
    CHUNK: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Layers [FIRST, LAST). The grid is [blocks of sequences, directions]; both directions take one layer a launch.

    `offsets` [T + 1] says where each step's rows begin, None when all have B; `inner` is memory for the outputs of all
    layers below the last, kept or not; `state` [D, B, H] in float32 is for the cells between steps.
    """
    OUT: tl.constexpr = DIRECTIONS * H
    rows = N.to(tl.int64)
    size = rows * OUT
    states = B.to(tl.int64) * H
    for layer in tl.static_range(FIRST, LAST):
        for way in tl.static_range(DIRECTIONS):
            if tl.program_id(1) == way:
                place: tl.constexpr = layer * DIRECTIONS + way
                last: tl.constexpr = layer + 1 == LAYERS
                if layer == 0:
                    read = x
                    entering = inputs
                else:
                    read = (inner if masks is None else dropped) + (layer - 1) * size
                    entering = OUT
                _forward_place(
                    read,
                    None if h0 is None else h0 + place * states,
                    None if c0 is None else c0 + place * states,
                    None if last or masks is None else masks + layer * size + way * H,
                    w_ih[place],
                    w_hh[place],
                    b_ih[place],
                    b_hh[place],
                    (output if last else inner + layer * size) + way * H,
                    h_n + place * states,
                    c_n + place * states,
                    state + way * states,
                    None if last or masks is None else dropped + layer * size + way * H,
                    None if cells is None else cells + place * rows * H,
                    None if gates is None else gates + place * rows * (4 * H),
                    offsets,
                    T,
                    B,
                    entering,
                    H,
                    OUT,
                    way == 1,
                    THIN and layer == 0,
                    BLOCK,
                    UNITS,
                    CHUNK,
                    PRECISION,
                )


@triton.jit
def _backward_place(
    above,
    d_h_n,
    d_c_n,
    c0,
    mask,
    w_ih,
    w_hh,
    cells,
    gates,
    d_gates,
    d_read,
    d_h0,
    d_c0,
    state,
    offsets,
    T,
    B,
    H: tl.constexpr,
    OUT: tl.constexpr,
    REVERSE: tl.constexpr,
    BLOCK: tl.constexpr,
    UNITS: tl.constexpr,
    CHUNK: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """One layer in one direction, last step first. `above` [N, OUT] is what comes from the layer above or the caller."""
    sequences = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    state_row = sequences.to(tl.int64) * H
    for step in range(T):
        k = T - 1 - step
        row, live, older, begins, goes_on, ends, row_before, row_after = around(offsets, k, T, B, sequences, REVERSE)
        after = d_gates + row_after * (4 * H)
        for start in range(0, H, UNITS):
            units = start + tl.arange(0, UNITS)
            real = (units < H)[None, :]
            kept = live[:, None] & real
            at = state_row[:, None] + units[None, :]
            ending = ends[:, None] & real
            down = tl.zeros([BLOCK, UNITS], tl.float32)
            if step > 0:
                down = add_back(down, after, goes_on, w_hh, units, H, H, CHUNK, PRECISION)
            if d_h_n is not None:
                down += load(d_h_n + at, ending)
            if above is not None:
                down += load(above + row[:, None] * OUT + units[None, :], kept)
            d_state = load(state + at, goes_on[:, None] & real)
            if d_c_n is not None:
                d_state += load(d_c_n + at, ending)
            c_before = load(cells + row_before[:, None] * H + units[None, :], older[:, None] & real)
            if c0 is not None:
                c_before += load(c0 + at, begins[:, None] & real)
            four = row[:, None] * (4 * H) + units[None, :]
            i, f, g, o = load_four(gates + four, kept, H)
            tanh_c = tanh(load(cells + row[:, None] * H + units[None, :], kept))
            d_state += down * o * (1 - tanh_c * tanh_c)
            d_o = down * tanh_c * o * (1 - o)
            d_i = d_state * g * i * (1 - i)
            d_f = d_state * c_before * f * (1 - f)
            d_g = d_state * i * (1 - g * g)
            store_four(d_gates + four, d_i, d_f, d_g, d_o, kept, H)
            tl.store(state + at, d_state * f, mask=kept)
            if d_c0 is not None:
                tl.store(d_c0 + at, (d_state * f).to(d_c0.dtype.element_ty), mask=begins[:, None] & real)
        tl.debug_barrier()  # the next step reads what other threads have written here
        if d_h0 is not None:
            for start in range(0, H, UNITS):
                units = start + tl.arange(0, UNITS)
                left = d_gates + row * (4 * H)
                d_h = tl.zeros([BLOCK, UNITS], tl.float32)
                d_h = add_back(d_h, left, begins, w_hh, units, H, H, CHUNK, PRECISION)
                at = state_row[:, None] + units[None, :]
                tl.store(d_h0 + at, d_h.to(d_h0.dtype.element_ty), mask=begins[:, None] & (units < H)[None, :])
    if d_read is not None:
        for t in range(T):
            first, count = rows_of_step(offsets, t, T, B, False)
            live = sequences < count
            row = first + sequences
            for start in range(0, OUT, UNITS):
                columns = start + tl.arange(0, UNITS)
                d_x = tl.zeros([BLOCK, UNITS], tl.float32)
                d_x = add_back(d_x, d_gates + row * (4 * H), live, w_ih, columns, OUT, H, CHUNK, PRECISION)
                at = row[:, None] * OUT + columns[None, :]
                inside = live[:, None] & (columns < OUT)[None, :]
                if mask is not None:
                    d_x *= load(mask + at, inside)
                tl.store(d_read + at, d_x.to(d_read.dtype.element_ty), mask=inside)
    tl.debug_barrier()  # the layer below reads what other threads have written here


@triton.jit(do_not_specialize=["T", "B", "N"])
def backward(
    d_output,
    d_h_n,
    d_c_n,
    c0,
    masks,
    w_ih,
    w_hh,
    cells,
    gates,
    d_gates,
    d_inner,
    d_h0,
    d_c0,
    state,
    offsets,
    T,
    B,
    N,
    H: tl.constexpr,
    LAYERS: tl.constexpr,
    DIRECTIONS: tl.constexpr,
    FIRST: tl.constexpr,
    LAST: tl.constexpr,
    BLOCK: tl.constexpr,
    UNITS: tl.constexpr,
    CHUNK: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Layers LAST - 1 down to FIRST: gradients of the gates' sums [places, N, 4H], and of the first states.

    `d_inner` [LAYERS - 1, N, D H] holds what reaches the outputs of all layers below the last. In one direction a layer
    writes it for the next; in two, where both ways add to it, the caller does between two launches.
    """
    OUT: tl.constexpr = DIRECTIONS * H
    rows = N.to(tl.int64)
    size = rows * OUT
    states = B.to(tl.int64) * H
    for layer in tl.static_range(LAST - 1, FIRST - 1, -1):
        for way in tl.static_range(DIRECTIONS):
            if tl.program_id(1) == way:
                place: tl.constexpr = layer * DIRECTIONS + way
                passes_on: tl.constexpr = DIRECTIONS == 1 and layer > 0
                from_caller = None if d_output is None else d_output + way * H
                _backward_place(
                    from_caller if layer + 1 == LAYERS else d_inner + layer * size + way * H,
                    None if d_h_n is None else d_h_n + place * states,
                    None if d_c_n is None else d_c_n + place * states,
                    None if c0 is None else c0 + place * states,
                    masks + (layer - 1) * size if passes_on and masks is not None else None,
                    w_ih[place],
                    w_hh[place],
                    cells + place * rows * H,
                    gates + place * rows * (4 * H),
                    d_gates + place * rows * (4 * H),
                    d_inner + (layer - 1) * size if passes_on else None,
                    None if d_h0 is None else d_h0 + place * states,
                    None if d_c0 is None else d_c0 + place * states,
                    state + way * states,
                    offsets,
                    T,
                    B,
                    H,
                    OUT,
                    way == 1,
                    BLOCK,
                    UNITS,
                    CHUNK,
                    PRECISION,
                )
