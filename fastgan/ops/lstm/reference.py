"""The definition of one LSTM layer in one direction: plain torch, any dtype and device, twice differentiable.

Gates are in torch's order i, f, g, o. With x [T, B, I] the time steps follow each other in x as they are computed, or
backwards with `reverse`; every tensor keeps time's own order. A state of None stands for zeros, whose products are
skipped. Every backend takes the arguments of `forward` and `backward` below and gives back what they give.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fastgan.ops.registry import Backend

Step = tuple[Tensor, Tensor, tuple[Tensor, ...]]  # h [B, R], c [B, H], gates after their activations 4 x [B, H]


class Saved(NamedTuple):
    """What a forward pass leaves for any backward pass.

    Attributes:
        h: [T, B, H], the hidden state after each step.
        c: [T, B, H], the cell state after each step; [1, B, H], the last one alone, when nothing was to be kept.
        gates: [T, B, 4H], the gates after their activations; None when nothing was to be kept.
    """

    h: Tensor
    c: Tensor
    gates: Tensor | None


class Gradients(NamedTuple):
    """What a backward pass gives.

    Attributes:
        gates: [T, B, 4H], with respect to the gates before their activations.
        h0: [B, H], or None when the pass began from zeros.
        c0: [B, H], or None when the pass began from zeros.
    """

    gates: Tensor
    h0: Tensor | None
    c0: Tensor | None


def layer(
    x: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    bias: Tensor | None,
    h0: Tensor | None,
    c0: Tensor | None,
    w_hr: Tensor | None = None,
    *,
    batch_sizes: Sequence[int] | None = None,
    reverse: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """One layer in one direction, with everything an LSTM can have; arguments and result as in `fastgan.ops.lstm`."""
    gates_x = torch.nn.functional.linear(x, w_ih, bias)
    if batch_sizes is not None:
        return _packed(gates_x, w_hh, h0, c0, w_hr, batch_sizes, reverse)
    steps = list(_steps(gates_x, w_hh, h0, c0, w_hr, reverse))
    h_n, c_n, _ = steps[-1]
    return torch.stack(_in_time([h for h, _, _ in steps], reverse)), h_n, c_n


def forward(
    gates_x: Tensor, w_hh: Tensor, h0: Tensor | None, c0: Tensor | None, *, reverse: bool = False, keep: bool = True
) -> Saved:
    """The recurrence over gates that already hold the input's part.

    Args:
        gates_x: [T, B, 4H], x W_ih^T + bias; a backend may overwrite it.
        w_hh: [4H, H].
        h0: [B, H], or None for zeros.
        c0: [B, H], or None for zeros; None exactly when h0 is.
        reverse: run from the last step to the first.
        keep: whether a backward pass will follow.

    Returns:
        What the pass leaves behind; every tensor in time's order.
    """
    steps = _in_time(list(_steps(gates_x, w_hh, h0, c0, None, reverse)), reverse)
    h, c = torch.stack([h for h, _, _ in steps]), torch.stack([c for _, c, _ in steps])
    if not keep:
        return Saved(h, c[:1] if reverse else c[-1:], None)
    return Saved(h, c, torch.stack([torch.cat(gates, dim=-1) for _, _, gates in steps]))


def backward(
    dh: Tensor | None,
    dc_n: Tensor | None,
    saved: Saved,
    w_hh: Tensor,
    c0: Tensor | None,
    *,
    reverse: bool = False,
) -> Gradients:
    """The gradients of `forward`, by hand.

    Args:
        dh: [T, B, H], the gradient of `saved.h`; None for zeros.
        dc_n: [B, H], the gradient of the last cell state; None for zeros.
        saved: what any backend's `forward` left; it is not written to.
        w_hh: [4H, H].
        c0: [B, H], or None when the pass began from zeros.
        reverse: as in `forward`.

    Returns:
        Gradients; those of the weights are products that need nothing but these.
    """
    h, c, gates = saved
    assert gates is not None
    order = _in_time(list(range(len(h))), reverse)
    dh_next = torch.zeros_like(h[0])
    dc = torch.zeros_like(c[0]) if dc_n is None else dc_n
    dgates: list[Tensor] = [dh_next] * len(order)
    for place in reversed(range(len(order))):
        t = order[place]
        i, f, g, o = gates[t].chunk(4, dim=-1)
        c_prev = c[order[place - 1]] if place else c0
        tanh_c = c[t].tanh()
        dh_t = dh_next if dh is None else dh[t] + dh_next
        dc = dc + dh_t * o * (1 - tanh_c * tanh_c)
        df = torch.zeros_like(f) if c_prev is None else dc * c_prev * f * (1 - f)
        dgates[t] = torch.cat(
            (dc * g * i * (1 - i), df, dc * i * (1 - g * g), dh_t * tanh_c * o * (1 - o)),
            dim=-1,
        )
        dc = dc * f
        dh_next = dgates[t] @ w_hh
    if c0 is None:
        return Gradients(torch.stack(dgates), None, None)
    return Gradients(torch.stack(dgates), dh_next, dc)


def _cell(gates: Tensor, c: Tensor | None) -> Step:
    """One step from the gates [B, 4H] before their activations and c [B, H]."""
    i, f, g, o = gates.chunk(4, dim=-1)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    c = i * g if c is None else f * c + i * g
    return o * c.tanh(), c, (i, f, g, o)


def _steps(
    gates_x: Tensor, w_hh: Tensor, h0: Tensor | None, c0: Tensor | None, w_hr: Tensor | None, reverse: bool
) -> Iterator[Step]:
    h, c = h0, c0
    if h is None and len(gates_x) == 1:  # the only product there is: without it w_hh would get no gradient
        h = gates_x.new_zeros(gates_x.shape[1], w_hh.shape[1])
    for gates in _in_time(list(gates_x.unbind(0)), reverse):
        h, c, activated = _cell(gates if h is None else gates + h @ w_hh.t(), c)
        if w_hr is not None:
            h = h @ w_hr.t()
        yield h, c, activated


def _packed(
    gates_x: Tensor,
    w_hh: Tensor,
    h0: Tensor | None,
    c0: Tensor | None,
    w_hr: Tensor | None,
    batch_sizes: Sequence[int],
    reverse: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Sequences of different lengths, longest first: step t holds the first batch_sizes[t] of them."""
    batch, hidden = batch_sizes[0], w_hh.shape[0] // 4
    if h0 is None or c0 is None:
        h0, c0 = gates_x.new_zeros(batch, w_hh.shape[1]), gates_x.new_zeros(batch, hidden)
    start = batch_sizes[-1] if reverse else batch
    h, c = h0[:start], c0[:start]
    hs, finished = [], []
    for gates in _in_time(list(gates_x.split(list(batch_sizes))), reverse):
        rows, before = len(gates), len(h)
        if rows < before:  # forwards: the shortest sequences have ended
            finished.append((h[rows:], c[rows:]))
            h, c = h[:rows], c[:rows]
        elif rows > before:  # backwards: shorter sequences begin
            h, c = torch.cat((h, h0[before:rows])), torch.cat((c, c0[before:rows]))
        h, c, _ = _cell(gates + h @ w_hh.t(), c)
        if w_hr is not None:
            h = h @ w_hr.t()
        hs.append(h)
    finished.append((h, c))
    finished.reverse()
    return (
        torch.cat(_in_time(hs, reverse)),
        torch.cat([h for h, _ in finished]),
        torch.cat([c for _, c in finished]),
    )


def _in_time(values: list[Any], reverse: bool) -> list[Any]:
    return values[::-1] if reverse else values


BACKEND = Backend("reference", lambda _: None, lambda: None, forward, backward)
