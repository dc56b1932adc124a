"""The gradients of `reference.backward`, by hand: second order in plain torch, for any backend that brings none of its own.

With S the sum of u times the gradients, S is also the sum of d_outputs times how the outputs move when the call's tensors move
along u. So the outputs' movement is the gradient for d_outputs, and one backward pass over the steps and their movement gives
the rest. Names: `m_` is a movement; `d_` belongs to a movement and is what `reference.backward` calls so; `e_` belongs to a
value.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from fastgan.ops.lstm.products import h_before, kept, previous, read
from fastgan.ops.lstm.stack import Gradients, Stack, Trace, flat, rows_of


class Moved(NamedTuple):
    """How one place moves: each [N, ...], rows as in the trace."""

    h: Tensor
    h_prev: Tensor
    c: Tensor
    c_prev: Tensor
    sums: Tensor  # of the gates, before their activations
    whole: Tensor  # h before its projection


class Place(NamedTuple):
    """What belongs to one layer in one direction: its weights, what they are moved by, and what it read and kept."""

    w_ih: Tensor
    w_hh: Tensor
    w_hr: Tensor | None
    u_ih: Tensor
    u_hh: Tensor
    u_bias: Tensor
    u_hr: Tensor | None
    x: Tensor
    h_prev: Tensor
    c_prev: Tensor
    c: Tensor
    gates: Tensor
    sizes: list[int]
    reverse: bool  # whether the last step is computed first

    @property
    def order(self) -> list[int]:
        """The steps as they are computed."""
        return list(range(len(self.sizes)))[:: -1 if self.reverse else 1]


Move = Callable[[Place, Tensor, Tensor, Tensor], tuple[Moved, tuple[Tensor, Tensor]]]
Back = Callable[[Place, Moved, Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]]


def second(
    stack: Stack,
    trace: Trace,
    d_output: Tensor | None,
    d_h_n: Tensor | None,
    d_c_n: Tensor | None,
    u: Gradients,
    wanted: Sequence[bool],
) -> tuple[tuple[Tensor, Tensor, Tensor], Gradients]:
    """The gradients of S, the sum of u times what `reference.backward` gives: arguments and results of `second_by`."""
    return second_by(_move, _back, stack, trace, d_output, d_h_n, d_c_n, u, wanted)


def second_by(
    move: Move,
    back: Back,
    stack: Stack,
    trace: Trace,
    d_output: Tensor | None,
    d_h_n: Tensor | None,
    d_c_n: Tensor | None,
    u: Gradients,
    wanted: Sequence[bool],
) -> tuple[tuple[Tensor, Tensor, Tensor], Gradients]:
    """The same with the two passes over the steps of a place done by others.

    Args:
        move: how a place moves, from how its input [N, K] and its first states [B, R] and [B, H] do; and its last states.
        back: d and e of the gates' sums [N, 4H], e of the first states, e of w_hr; from d and e of the output [N, R], d of
            the last h [B, R] and of the last c [B, H].
        stack: the call.
        trace: what any backend's `forward` left for it; it is not written to.
        d_output: as `backward` had it; None for zeros.
        d_h_n: as `backward` had it; None for zeros.
        d_c_n: as `backward` had it; None for zeros.
        u: what S weighs the gradients with; None for zeros.
        wanted: which of `stack.tensors()` to give a gradient of S for.

    Returns:
        The gradients of S for d_output, d_h_n and d_c_n, and for the call's tensors.
    """
    directions, layers = stack.directions, stack.layers
    out = stack.projected or stack.hidden
    places = [_place(stack, trace, u, k) for k in range(layers * directions)]
    m_x = flat(_or_zeros(u.x, stack.x))
    m_h0, m_c0 = _or_zeros(u.h0, trace.h_n), _or_zeros(u.c0, trace.c_n)
    moved, moves_read, last = [], [], []
    for layer in range(layers):
        moves_read.append(m_x)
        for k in range(layer * directions, (layer + 1) * directions):
            found, end = move(places[k], m_x, m_h0[k], m_c0[k])
            moved.append(found)
            last.append(end)
        m_x = torch.cat([one.h for one in moved[-directions:]], dim=-1)
        if layer + 1 == layers:
            s_output = m_x.reshape(trace.output.shape)
        elif stack.masks is not None:
            m_x = m_x * stack.masks[layer]
    d_above, e_above = flat(_or_zeros(d_output, trace.output)), torch.zeros_like(flat(trace.output))
    d_last, e_c_last = _or_zeros(d_h_n, trace.h_n), _or_zeros(d_c_n, trace.c_n)
    e_h0, e_c0 = torch.zeros_like(trace.h_n), torch.zeros_like(trace.c_n)
    e_weights: list[Tensor | None] = [None] * len(stack.weights)
    for layer in reversed(range(layers)):
        d_x, e_x = torch.zeros_like(moves_read[layer]), torch.zeros_like(moves_read[layer])
        for direction in range(directions):
            k, columns = layer * directions + direction, slice(direction * out, direction * out + out)
            place, moves = places[k], moved[k]
            d_sums, e_sums, e_h0[k], e_c0[k], e_hr = back(
                place, moves, d_above[:, columns], e_above[:, columns], d_last[k], e_c_last[k]
            )
            d_x, e_x = d_x + d_sums @ place.w_ih, e_x + e_sums @ place.w_ih + d_sums @ place.u_ih
            e_weights[5 * k : 5 * k + 5] = (
                d_sums.t() @ moves_read[layer] + e_sums.t() @ place.x,
                d_sums.t() @ moves.h_prev + e_sums.t() @ place.h_prev,
                e_sums.sum(0),
                e_sums.sum(0),
                e_hr,
            )
        d_above, e_above = d_x, e_x
        if layer and stack.masks is not None:
            d_above, e_above = d_x * stack.masks[layer - 1], e_x * stack.masks[layer - 1]
    there = zip(e_weights, stack.weights, wanted[4:], strict=True)
    gradients = Gradients(
        e_above.reshape(stack.x.shape) if wanted[0] else None,
        e_h0 if wanted[1] and stack.h0 is not None else None,
        e_c0 if wanted[2] and stack.c0 is not None else None,
        tuple(value if want and weight is not None else None for value, weight, want in there),
    )
    h_n, c_n = zip(*last, strict=True)
    return (s_output, torch.stack(h_n), torch.stack(c_n)), gradients


def _or_zeros(tensor: Tensor | None, like: Tensor) -> Tensor:
    return torch.zeros_like(like) if tensor is None else tensor


def _place(stack: Stack, trace: Trace, u: Gradients, k: int) -> Place:
    layer, direction = divmod(k, stack.directions)
    w_ih, w_hh, _, _, w_hr = stack.place(k)
    u_ih, u_hh, u_b_ih, u_b_hh, u_hr = u.weights[5 * k : 5 * k + 5]
    assert w_ih is not None
    assert w_hh is not None
    sizes, reverse = rows_of(stack), direction == 1
    c = kept(trace.cells)[k]
    none = w_ih.new_zeros(len(w_ih))
    return Place(
        w_ih,
        w_hh,
        w_hr,
        _or_zeros(u_ih, w_ih),
        _or_zeros(u_hh, w_hh),
        (none if u_b_ih is None else u_b_ih) + (none if u_b_hh is None else u_b_hh),
        None if w_hr is None else _or_zeros(u_hr, w_hr),
        read(stack, trace, layer),
        h_before(stack, trace, k),
        previous(c, None if stack.c0 is None else stack.c0[k], sizes, reverse),
        c,
        kept(trace.gates)[k],
        sizes,
        reverse,
    )


def _move(place: Place, m_x: Tensor, m_h: Tensor, m_c: Tensor) -> tuple[Moved, tuple[Tensor, Tensor]]:
    """How a place moves when its input [N, K], first states [B, R] and [B, H] and weights do; and its last states."""
    sizes = place.sizes
    from_outside = m_x @ place.w_ih.t() + place.x @ place.u_ih.t() + place.h_prev @ place.u_hh.t() + place.u_bias
    outside, gates, slopes = from_outside.split(sizes), place.gates.split(sizes), _slopes(place.gates).split(sizes)
    cells, cells_prev = place.c.split(sizes), place.c_prev.split(sizes)
    steps: list[Moved | None] = [None] * len(sizes)
    for t in place.order:
        rows = sizes[t]
        before_h, before_c = m_h[:rows], m_c[:rows]
        sums = outside[t] + before_h @ place.w_hh.t()
        moved = slopes[t] * sums
        i, f, g, o = gates[t].chunk(4, dim=-1)
        m_i, m_f, m_g, m_o = moved.chunk(4, dim=-1)
        tanh_c = cells[t].tanh()
        new_c = m_f * cells_prev[t] + f * before_c + m_i * g + i * m_g
        whole = m_o * tanh_c + o * (1 - tanh_c * tanh_c) * new_c
        new_h = whole
        if place.w_hr is not None and place.u_hr is not None:
            new_h = whole @ place.w_hr.t() + (o * tanh_c) @ place.u_hr.t()
        steps[t] = Moved(new_h, before_h, new_c, before_c, sums, whole)
        m_h, m_c = torch.cat((new_h, m_h[rows:])), torch.cat((new_c, m_c[rows:]))
    return Moved(*(torch.cat(parts) for parts in zip(*(step for step in steps if step is not None), strict=True))), (
        m_h,
        m_c,
    )


def _slopes(gates: Tensor) -> Tensor:
    """The derivatives of the activations [N, 4H], from their values."""
    i, f, g, o = gates.chunk(4, dim=-1)
    return torch.cat((i * (1 - i), f * (1 - f), 1 - g * g, o * (1 - o)), dim=-1)


def _bends(gates: Tensor) -> Tensor:
    """The derivatives of `_slopes` for the values."""
    i, f, g, o = gates.chunk(4, dim=-1)
    return torch.cat((1 - 2 * i, 1 - 2 * f, -2 * g, 1 - 2 * o), dim=-1)


def _back(
    place: Place, moved: Moved, d_above: Tensor, e_above: Tensor, d_h: Tensor, d_c: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]:
    """Backward over a place: d and e of the gates' sums [N, 4H], e of its first states, e of w_hr."""
    sizes = place.sizes
    e_h, e_c = torch.zeros_like(d_h), torch.zeros_like(d_c)
    e_hr = None if place.w_hr is None else torch.zeros_like(place.w_hr)
    d_sums: list[Tensor] = [d_h] * len(sizes)
    e_sums: list[Tensor] = [d_h] * len(sizes)
    d_aboves, e_aboves = d_above.split(sizes), e_above.split(sizes)
    values = list(zip(*(part.split(sizes) for part in (place.gates, place.c, place.c_prev)), strict=True))
    moves = list(zip(*(part.split(sizes) for part in moved), strict=True))
    for t in reversed(place.order):
        rows = sizes[t]
        gates, c, c_prev = values[t]
        _, _, m_c, m_c_prev, m_sums, m_whole = moves[t]
        i, f, g, o = gates.chunk(4, dim=-1)
        slopes = _slopes(gates)
        m_i, m_f, m_g, m_o = (slopes * m_sums).chunk(4, dim=-1)
        tanh_c = c.tanh()
        slope = 1 - tanh_c * tanh_c
        d_m, e_m = d_h[:rows] + d_aboves[t], e_h[:rows] + e_aboves[t]
        if place.w_hr is not None and place.u_hr is not None and e_hr is not None:
            e_hr = e_hr + d_m.t() @ m_whole + e_m.t() @ (o * tanh_c)
            d_m, e_m = d_m @ place.w_hr, e_m @ place.w_hr + d_m @ place.u_hr
        d_state = d_c[:rows] + d_m * o * slope
        e_tanh = d_m * m_o + e_m * o - 2 * d_m * o * tanh_c * m_c
        e_state = e_c[:rows] + e_tanh * slope
        d_gates = torch.cat((d_state * g, d_state * c_prev, d_state * i, d_m * tanh_c), dim=-1)
        e_gates = torch.cat(
            (
                d_state * m_g + e_state * g,
                d_state * m_c_prev + e_state * c_prev,
                d_state * m_i + e_state * i,
                d_m * slope * m_c + e_m * tanh_c,
            ),
            dim=-1,
        )
        d_sums[t] = d_gates * slopes
        e_sums[t] = (e_gates + d_gates * _bends(gates) * m_sums) * slopes
        d_c, e_c = torch.cat((d_state * f, d_c[rows:])), torch.cat((d_state * m_f + e_state * f, e_c[rows:]))
        d_h = torch.cat((d_sums[t] @ place.w_hh, d_h[rows:]))
        e_h = torch.cat((e_sums[t] @ place.w_hh + d_sums[t] @ place.u_hh, e_h[rows:]))
    return torch.cat(d_sums), torch.cat(e_sums), e_h, e_c, e_hr
