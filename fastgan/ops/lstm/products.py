"""What a backward pass computes in one product over all rows, once the gradients of the gates are known."""

import functools
from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor

from fastgan.ops.lstm.stack import Gradients, Stack, Trace, flat, rows_of


def d_read(stack: Stack, d_gates: Sequence[Tensor] | Tensor, layer: int) -> Tensor:
    """The gradient of what a layer has read, [N, K], before any mask.

    Args:
        stack: the call.
        d_gates: [L D, N, 4H], gradients of the gates before their activations.
        layer: which.
    """
    first = layer * stack.directions
    total = d_gates[first] @ kept(stack.place(first)[0])
    for place in range(first + 1, first + stack.directions):
        total = total + d_gates[place] @ kept(stack.place(place)[0])
    return total


def d_weights(
    stack: Stack, trace: Trace, d_gates: Sequence[Tensor] | Tensor, wanted: Sequence[bool]
) -> list[Tensor | None]:
    """The gradients of w_ih, w_hh and both biases of every place; None for those not wanted and for w_hr.

    Args:
        stack: the call.
        trace: what its forward pass left.
        d_gates: [L D, N, 4H].
        wanted: which of `stack.tensors()` to give a gradient for.
    """
    found: list[Tensor | None] = []
    for place in range(len(stack.weights) // 5):
        want_ih, want_hh, *want_bias = (
            want and weight is not None
            for want, weight in zip(wanted[4 + 5 * place : 8 + 5 * place], stack.place(place), strict=False)
        )
        gates = d_gates[place]
        bias = _sums(gates) if any(want_bias) else None
        found += [
            gates.t() @ read(stack, trace, place // stack.directions) if want_ih else None,
            _with_states(stack, trace, gates, place) if want_hh else None,
            bias if want_bias[0] else None,
            bias if want_bias[1] else None,
            None,
        ]
    return found


def _with_states(stack: Stack, trace: Trace, gates: Tensor, place: int) -> Tensor:
    """The gradient of w_hh: gradients of gates times the states before them."""
    batch = stack.batch
    if stack.h0 is not None or stack.batch_sizes:
        return gates.t() @ h_before(stack, trace, place)
    states = _states(stack, trace, place)  # nothing is before the first step, and zeros have no product
    forth = place % stack.directions == 0
    return gates[batch:].t() @ states[:-batch] if forth else gates[:-batch].t() @ states[batch:]


def _sums(gates: Tensor) -> Tensor:
    """Of the columns; on a GPU as a product with ones, whose kernels read as fast as the memory gives, which those of sums do not."""
    return (gates.t() @ gates.new_ones(len(gates), 1)).view(-1) if gates.is_cuda else gates.sum(0)


def d_below(stack: Stack, d_gates: Sequence[Tensor] | Tensor, layer: int) -> Tensor:
    """The gradient of what the layer below one gives, [N, D R]: what this one has read, through its mask."""
    down = d_read(stack, d_gates, layer)
    return down if stack.masks is None else down * stack.masks[layer - 1]


def gradients(
    stack: Stack, trace: Trace, d_gates: Tensor, d_h0: Tensor | None, d_c0: Tensor | None, wanted: Sequence[bool]
) -> Gradients:
    """What a backward pass gives, once its way through the steps is done.

    Args:
        stack: the call.
        trace: what its forward pass left.
        d_gates: [L D, N, 4H].
        d_h0: [L D, B, R], or None.
        d_c0: [L D, B, H], or None.
        wanted: which of `stack.tensors()` to give a gradient for.
    """
    x = d_read(stack, d_gates, 0).view(stack.x.shape) if wanted[0] else None
    weights = tuple(d_weights(stack, trace, d_gates, wanted))
    return Gradients(x, d_h0 if wanted[1] else None, d_c0 if wanted[2] else None, weights)


def read(stack: Stack, trace: Trace, layer: int) -> Tensor:
    """What a layer has read, [N, K]."""
    return flat(stack.x) if layer == 0 else kept(trace.inner if stack.masks is None else trace.dropped)[layer - 1]


def h_before(stack: Stack, trace: Trace, place: int) -> Tensor:
    """The hidden states of a place before each step, [N, R]."""
    h0 = None if stack.h0 is None else stack.h0[place]
    return previous(_states(stack, trace, place), h0, rows_of(stack), place % stack.directions == 1)


def _states(stack: Stack, trace: Trace, place: int) -> Tensor:
    """The hidden states of a place after each step, [N, R]."""
    layer, direction = divmod(place, stack.directions)
    out = stack.projected or stack.hidden
    output = flat(trace.output) if layer + 1 == stack.layers else kept(trace.inner)[layer]
    return output[:, direction * out : direction * out + out]


def previous(values: Tensor, first: Tensor | None, sizes: list[int], reverse: bool) -> Tensor:
    """What stands one step before each row of a state [N, K]; `first` [B, K] before the first step, None for zeros."""
    batch = sizes[0]
    start = values.new_zeros(batch, values.shape[1]) if first is None else first
    if sizes[-1] == batch:
        return torch.cat((values[batch:], start) if reverse else (start, values[: len(values) - batch]))
    return torch.cat((values, start)).index_select(0, _places_before(tuple(sizes), reverse, values.device))


@functools.lru_cache(maxsize=64)
def _places_before(sizes: tuple[int, ...], reverse: bool, device: torch.device) -> Tensor:
    """For each row the one a step before; rows of sequences that begin find theirs behind the N rows."""
    offsets = [0, *accumulate(sizes)]
    steps = []
    for t, rows in enumerate(sizes):
        earlier = t + 1 if reverse else t - 1
        older = min(rows, sizes[earlier]) if 0 <= earlier < len(sizes) else 0
        steps += [torch.arange(older) + (offsets[earlier] if older else 0), torch.arange(older, rows) + offsets[-1]]
    with torch.inference_mode(False):
        return torch.cat(steps).to(device)


def kept(tensor: Tensor | None) -> Tensor:
    """A part of a trace that a backward pass cannot do without."""
    assert tensor is not None, "the forward pass kept nothing"
    return tensor
