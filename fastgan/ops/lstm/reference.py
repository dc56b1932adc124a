"""The definition of the LSTM: plain torch, any dtype and device, differentiable as often as one likes.

Gates are in torch's order i, f, g, o. A state of None stands for zeros, whose products are skipped. `run` is differentiated by
torch; `forward` and `backward` are the same by hand, with the arguments and results that every backend has.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from fastgan.ops.lstm import products
from fastgan.ops.lstm.products import kept, previous
from fastgan.ops.lstm.stack import Gradients, Stack, Trace, flat, layout_of, rows_of
from fastgan.ops.registry import Backend

State = tuple[Tensor, Tensor]  # h [B, R], c [B, H]


def run(stack: Stack) -> tuple[Tensor, Tensor, Tensor]:
    """A stack of layers, to be differentiated by torch.

    Returns:
        output [T, B, D R] (or [N, D R]), h_n [L D, B, R], c_n [L D, B, H].
    """
    outputs, h_n, c_n, _, _ = _layers(stack)
    return outputs[-1].reshape(layout_of(stack).shapes.output), h_n, c_n


def forward(stack: Stack, keep: bool = True) -> Trace:
    """A stack of layers, and what its backward pass will need.

    Args:
        stack: the call.
        keep: whether a backward pass will follow.
    """
    with torch.no_grad():
        outputs, h_n, c_n, cells, gates = _layers(stack)
        output = outputs[-1].reshape(layout_of(stack).shapes.output)
        inner = torch.stack(outputs[:-1]) if len(outputs) > 1 and (keep or stack.masks is not None) else None
        dropped = None if stack.masks is None or inner is None else inner * stack.masks
        if not keep:
            return Trace(output, h_n, c_n, inner, dropped)
        return Trace(output, h_n, c_n, inner, dropped, torch.stack(cells), torch.stack(gates))


def backward(
    stack: Stack,
    trace: Trace,
    d_output: Tensor | None,
    d_h_n: Tensor | None,
    d_c_n: Tensor | None,
    wanted: Sequence[bool],
) -> Gradients:
    """The gradients of `forward`, by hand.

    Args:
        stack: the call.
        trace: what any backend's `forward` left for it; it is not written to.
        d_output: gradient of the output, in its shape; None for zeros.
        d_h_n: [L D, B, R]; None for zeros.
        d_c_n: [L D, B, H]; None for zeros.
        wanted: which of `stack.tensors()` to give a gradient for.
    """
    directions, layers = stack.directions, stack.layers
    out = stack.projected or stack.hidden
    d_h0, d_c0 = torch.zeros_like(trace.h_n), torch.zeros_like(trace.c_n)
    d_gates: list[Tensor] = [trace.output] * (layers * directions)
    d_hr: list[Tensor | None] = [None] * (layers * directions)
    above = torch.zeros_like(flat(trace.output)) if d_output is None else flat(d_output)
    for layer in reversed(range(layers)):
        for direction in range(directions):
            place = layer * directions + direction
            columns = slice(direction * out, direction * out + out)
            d_gates[place], d_h0[place], d_c0[place], d_hr[place] = _place_backward(
                stack, trace, place, above[:, columns], d_h_n, d_c_n
            )
        above = products.d_below(stack, d_gates, layer) if layer else products.d_read(stack, d_gates, 0)
    d_weights = products.d_weights(stack, trace, d_gates, wanted)
    for place, gradient in enumerate(d_hr):
        d_weights[5 * place + 4] = gradient if wanted[8 + 5 * place] else None
    return Gradients(
        above.reshape(stack.x.shape) if wanted[0] else None,
        d_h0 if wanted[1] and stack.h0 is not None else None,
        d_c0 if wanted[2] and stack.c0 is not None else None,
        tuple(d_weights),
    )


def _place_backward(
    stack: Stack, trace: Trace, place: int, above: Tensor, d_h_n: Tensor | None, d_c_n: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Gradients of a place's gates [N, 4H] before their activations, of h0, c0 and w_hr."""
    _, w_hh, _, _, w_hr = stack.place(place)
    assert w_hh is not None
    sizes = rows_of(stack)
    reverse = place % stack.directions == 1
    gates, cells = kept(trace.gates)[place].split(sizes), kept(trace.cells)[place].split(sizes)
    dh = torch.zeros_like(trace.h_n[place]) if d_h_n is None else d_h_n[place]
    dc = torch.zeros_like(trace.c_n[place]) if d_c_n is None else d_c_n[place]
    d_gates: list[Tensor] = [dh] * len(sizes)
    d_w_hr = None if w_hr is None else torch.zeros_like(w_hr)
    before = previous(kept(trace.cells)[place], None if stack.c0 is None else stack.c0[place], sizes, reverse).split(
        sizes
    )
    dys = above.split(sizes)
    for t in _in_time(list(range(len(sizes))), not reverse):
        rows, c_prev = sizes[t], before[t]
        i, f, g, o = gates[t].chunk(4, dim=-1)
        tanh_c = cells[t].tanh()
        down = dh[:rows] + dys[t]
        if w_hr is not None and d_w_hr is not None:
            d_w_hr = d_w_hr + down.t() @ (o * tanh_c)
            down = down @ w_hr
        state = dc[:rows] + down * o * (1 - tanh_c * tanh_c)
        d_gates[t] = torch.cat(
            (
                state * g * i * (1 - i),
                state * c_prev * f * (1 - f),
                state * i * (1 - g * g),
                down * tanh_c * o * (1 - o),
            ),
            dim=-1,
        )
        dc = torch.cat((state * f, dc[rows:]))
        dh = torch.cat((d_gates[t] @ w_hh, dh[rows:]))
    return torch.cat(d_gates), dh, dc, d_w_hr


def _layers(stack: Stack) -> tuple[list[Tensor], Tensor, Tensor, list[Tensor], list[Tensor]]:
    """Every layer's output [N, D R], h_n, c_n, and of every place the cell states [N, H] and gates [N, 4H]."""
    x, sizes = flat(stack.x), rows_of(stack)
    outputs: list[Tensor] = []
    h_n, c_n, cells, gates = [], [], [], []
    for layer in range(stack.layers):
        if layer:
            x = outputs[-1] if stack.masks is None else outputs[-1] * stack.masks[layer - 1]
        ways = []
        for direction in range(stack.directions):
            place = layer * stack.directions + direction
            state = None if stack.h0 is None or stack.c0 is None else (stack.h0[place], stack.c0[place])
            steps, (h, c) = _place(x, stack.place(place), state, sizes, direction == 1)
            ways.append(torch.cat([step[0] for step in steps]))
            cells.append(torch.cat([step[1] for step in steps]))
            gates.append(torch.cat([step[2] for step in steps]))
            h_n.append(h)
            c_n.append(c)
        outputs.append(ways[0] if len(ways) == 1 else torch.cat(ways, dim=-1))
    return outputs, torch.stack(h_n), torch.stack(c_n), cells, gates


def _place(
    x: Tensor, weights: Sequence[Tensor | None], state: State | None, sizes: list[int], reverse: bool
) -> tuple[list[tuple[Tensor, Tensor, Tensor]], State]:
    """One layer in one direction: (h, c, gates after their activations) of each step in time's order, and the last state."""
    w_ih, w_hh, b_ih, b_hh, w_hr = weights
    assert w_ih is not None
    assert w_hh is not None
    bias = b_hh if b_ih is None else b_ih if b_hh is None else b_ih + b_hh * 1  # a gradient of its own for each
    gates_x = torch.nn.functional.linear(x, w_ih, bias)
    batch = sizes[0]
    uniform = sizes[-1] == batch
    if state is None and not (uniform and len(sizes) > 1):  # with one step its product is all that w_hh takes part in
        state = gates_x.new_zeros(batch, w_hh.shape[1]), gates_x.new_zeros(batch, w_hh.shape[0] // 4)
    h, c = (None, None) if state is None else (state[0][: sizes[-1]], state[1][: sizes[-1]]) if reverse else state
    steps, finished = [], []
    for gates in _in_time(list(gates_x.split(sizes)), reverse):
        rows = len(gates)
        if h is not None and c is not None:
            before = len(h)
            if rows < before:  # forwards: the shortest sequences have ended
                finished.append((h[rows:], c[rows:]))
                h, c = h[:rows], c[:rows]
            elif rows > before and state is not None:  # backwards: shorter sequences begin
                h, c = torch.cat((h, state[0][before:rows])), torch.cat((c, state[1][before:rows]))
            gates = gates + h @ w_hh.t()
        i, f, g, o = gates.chunk(4, dim=-1)
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        c = i * g if c is None else f * c + i * g
        h = o * c.tanh()
        if w_hr is not None:
            h = h @ w_hr.t()
        steps.append((h, c, torch.cat((i, f, g, o), dim=-1)))
    assert h is not None
    assert c is not None
    finished.append((h, c))
    finished.reverse()
    last = torch.cat([h for h, _ in finished]), torch.cat([c for _, c in finished])
    return _in_time(steps, reverse), last


def _in_time(values: list[Any], reverse: bool) -> list[Any]:
    return values[::-1] if reverse else values


BACKEND = Backend("reference", lambda _: None, lambda: None, forward, backward)
