"""The same calls as operators of torch's dispatcher, for whoever watches or rewrites operations.

Those are torch.compile and export, torch.func.vmap, dispatch modes and tensor subclasses. Each operator is one opaque node, so
nothing is unrolled over time. They can be differentiated twice; torch refuses a third time.

Lists stand for what may be left out: `states` is [h0, c0] or empty, `masks` [masks] or empty, `weights` holds what is not
None, as `layout` says: biases of each place (0, 1 or 2) and whether it is projected (0 or 1).
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from fastgan.ops.lstm import autograd
from fastgan.ops.lstm.stack import Gradients, Stack, Trace, layout_of
from fastgan.ops.registry import Backend


class Chooser(Protocol):
    """Finds the backend for a call."""

    def __call__(self, stack: Stack, name: str) -> Backend:
        """The one of this name, or for "auto" the first that can."""
        ...


_choose: Chooser


def use(chooser: Chooser) -> None:
    """Say who chooses backends; the table of them lies above this file."""
    global _choose
    _choose = chooser


def run(stack: Stack, backend: str) -> tuple[Tensor, Tensor, Tensor]:
    """A stack of layers, as one operator.

    Returns:
        output, h_n, c_n as `reference.run` gives them.
    """
    # Inside a transform a tensor does not tell whether the one that it wraps wants a gradient.
    wanted = any(tensor is not None and tensor.requires_grad for tensor in stack.tensors())
    keep = torch.is_grad_enabled() and (wanted or torch._C._are_functorch_transforms_active())
    *lists, layout = pack(stack)
    output, h_n, c_n, *_ = torch.ops.fastgan.lstm(*lists, layout, stack.directions, stack.batch_sizes, keep, backend)
    return output, h_n, c_n


def pack(stack: Stack) -> tuple[Tensor, list[Tensor], list[Tensor], list[Tensor], list[int]]:
    """A call as the operators take it: x, states, masks, weights, layout."""
    layout = [sum(part is not None for part in stack.weights[2:4]), int(stack.weights[4] is not None)]
    return (
        stack.x,
        [state for state in (stack.h0, stack.c0) if state is not None],
        [] if stack.masks is None else [stack.masks],
        [weight for weight in stack.weights if weight is not None],
        layout,
    )


def unpack(
    x: Tensor,
    states: Sequence[Tensor],
    masks: Sequence[Tensor],
    weights: Sequence[Tensor],
    layout: Sequence[int],
    directions: int,
    batch_sizes: Sequence[int],
) -> Stack:
    """The inverse of `pack`."""
    h0, c0 = states or (None, None)
    full = spread(list(weights), layout)
    return Stack(x, h0, c0, masks[0] if masks else None, tuple(full), directions, tuple(batch_sizes))


def spread(values: list[Any], layout: Sequence[int]) -> list[Any]:
    """What the given weights have, five for each place, None for those left out."""
    biases, projected = layout
    each = 2 + biases + projected
    full: list[Any] = []
    for k in range(0, len(values), each):
        part = values[k : k + each]
        full += [*part[:2], *part[2 : 2 + biases], *[None] * (2 - biases), part[-1] if projected else None]
    return full


def gather(full: Sequence[Any], layout: Sequence[int]) -> list[Any]:
    """The inverse of `spread`."""
    biases, projected = layout
    parts = [0, 1, *range(2, 2 + biases), *[4] * projected]
    return [full[k + part] for k in range(0, len(full), 5) for part in parts]


@torch.library.custom_op("fastgan::lstm", mutates_args=())
def lstm(
    x: Tensor,
    states: Sequence[Tensor],
    masks: Sequence[Tensor],
    weights: Sequence[Tensor],
    layout: Sequence[int],
    directions: int,
    batch_sizes: Sequence[int],
    keep: bool,
    backend: str,
) -> list[Tensor]:
    """A forward pass: the seven tensors of a `Trace`, empty where it has None."""
    stack = unpack(x, states, masks, weights, layout, directions, batch_sizes)
    trace = _choose(stack, backend).forward(stack, keep)
    return [x.new_empty(0) if tensor is None else tensor for tensor in trace]


@lstm.register_fake
def _(x, states, masks, weights, layout, directions, batch_sizes, keep, backend):  # type: ignore[no-untyped-def]
    stack = unpack(x, states, masks, weights, layout, directions, batch_sizes)
    shapes = layout_of(stack).shapes
    inner = stack.layers > 1 and (keep or bool(masks))
    there = (True, True, True, inner, bool(masks) and inner, keep, keep)
    return [x.new_empty(shape if real else (0,)) for shape, real in zip(shapes, there, strict=True)]


@torch.library.custom_op("fastgan::lstm_backward", mutates_args=())
def lstm_backward(
    x: Tensor,
    states: Sequence[Tensor],
    masks: Sequence[Tensor],
    weights: Sequence[Tensor],
    layout: Sequence[int],
    directions: int,
    batch_sizes: Sequence[int],
    trace: Sequence[Tensor],
    d_outputs: Sequence[Tensor],
    wanted: Sequence[bool],
    backend: str,
) -> list[Tensor]:
    """The gradients of x, states and weights of those that are `wanted`, empty for the others; d_outputs has all three."""
    stack = unpack(x, states, masks, weights, layout, directions, batch_sizes)
    found = _choose(stack, backend).backward(stack, _trace(trace), *d_outputs, _spread_wanted(wanted, stack, layout))
    return [
        value if want else x.new_empty(0) for value, want in zip(_listed(found, stack, layout, x), wanted, strict=True)
    ]


@lstm_backward.register_fake
def _(x, states, masks, weights, layout, directions, batch_sizes, trace, d_outputs, wanted, backend):  # type: ignore[no-untyped-def]
    return [
        torch.empty_like(tensor, memory_format=torch.contiguous_format) if want else x.new_empty(0)
        for tensor, want in zip((x, *states, *weights), wanted, strict=True)
    ]


@torch.library.custom_op("fastgan::lstm_second", mutates_args=())
def lstm_second(
    x: Tensor,
    states: Sequence[Tensor],
    masks: Sequence[Tensor],
    weights: Sequence[Tensor],
    layout: Sequence[int],
    directions: int,
    batch_sizes: Sequence[int],
    trace: Sequence[Tensor],
    d_outputs: Sequence[Tensor],
    wanted: Sequence[bool],
    u: Sequence[Tensor],
    backend: str,
) -> list[Tensor]:
    """The gradients of u times what `lstm_backward` gives: of its three d_outputs, of x, states and weights."""
    stack = unpack(x, states, masks, weights, layout, directions, batch_sizes)
    u_x, *rest = [one if want else None for one, want in zip(u, wanted, strict=True)]
    u_h0, u_c0 = rest[: len(states)] or (None, None)
    full_u = Gradients(u_x, u_h0, u_c0, tuple(spread(rest[len(states) :], layout)))
    everything = _spread_wanted([True] * len(wanted), stack, layout)
    s, found = autograd.second(_choose(stack, backend), stack, _trace(trace), d_outputs, full_u, everything)
    return [*s, *_listed(found, stack, layout, x)]


@lstm_second.register_fake
def _(x, states, masks, weights, layout, directions, batch_sizes, trace, d_outputs, wanted, u, backend):  # type: ignore[no-untyped-def]
    return [
        torch.empty_like(tensor, memory_format=torch.contiguous_format) for tensor in (*d_outputs, x, *states, *weights)
    ]


def _setup(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    x, states, masks, weights, *ctx.rest, _, ctx.backend = inputs
    ctx.counts = len(states), len(masks), len(weights)
    ctx.save_for_backward(x, *states, *masks, *weights, output[0], *output[3:])
    ctx.set_materialize_grads(False)  # most of the outputs are the trace, which gets no gradients


def _lstm_gradients(ctx: Any, d_all: list[Tensor]) -> tuple[Any, ...]:
    (x, states, masks, weights), trace = _restore(ctx.saved_tensors, ctx.counts)
    need = ctx.needs_input_grad
    wanted = [need[0], *need[1], *need[3]]
    shapes = layout_of(unpack(x, states, masks, weights, *ctx.rest)).shapes
    output, *rest = (tensor.detach() for tensor in trace)
    trace = [output, x.new_empty(shapes.h_n), x.new_empty(shapes.c_n), *rest]  # see `stack.kept_trace`
    d_outputs = [
        torch.zeros_like(out) if given is None else given for out, given in zip(trace[:3], d_all[:3], strict=True)
    ]
    found = torch.ops.fastgan.lstm_backward(x, states, masks, weights, *ctx.rest, trace, d_outputs, wanted, ctx.backend)
    found = [value if want else None for value, want in zip(found, wanted, strict=True)]
    first = 1 + len(states)
    return found[0], found[1:first], [None] * len(masks), found[first:], *_nothing(ctx.rest), None, None


def _setup_backward(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    x, states, masks, weights, *ctx.rest, trace, d_outputs, ctx.wanted, ctx.backend = inputs
    ctx.counts = len(states), len(masks), len(weights)
    ctx.save_for_backward(x, *states, *masks, *weights, *trace, *d_outputs)
    ctx.set_materialize_grads(True)


def _backward_gradients(ctx: Any, u: list[Tensor]) -> tuple[Any, ...]:
    (x, states, masks, weights), rest = _restore(ctx.saved_tensors, ctx.counts)
    trace, d_outputs = rest[:-3], rest[-3:]
    s_output, s_h_n, s_c_n, s_x, *found = torch.ops.fastgan.lstm_second(
        x, states, masks, weights, *ctx.rest, trace, d_outputs, ctx.wanted, u, ctx.backend
    )
    first = len(states)
    s_states, s_weights = found[:first], found[first:]
    seeds = [s_output, s_h_n, s_c_n]
    no_masks, no_trace = [None] * len(masks), [None] * len(trace)
    return s_x, s_states, no_masks, s_weights, *_nothing(ctx.rest), no_trace, seeds, None, None


lstm.register_autograd(_lstm_gradients, setup_context=_setup)
lstm_backward.register_autograd(_backward_gradients, setup_context=_setup_backward)


def _nothing(values: Sequence[Any]) -> list[Any]:
    """The gradients of arguments that are numbers: none, but torch takes an empty list for one of tensors."""
    return [[] if isinstance(value, (list, tuple)) and not value else None for value in values]


def _restore(saved: Sequence[Tensor], counts: tuple[int, int, int]) -> tuple[tuple[Any, ...], list[Tensor]]:
    """x, states, masks, weights, and what was saved behind them."""
    x, *rest = saved
    groups = []
    for count in counts:
        groups.append(rest[:count])
        rest = rest[count:]
    return (x, *groups), rest


def _trace(tensors: Sequence[Tensor]) -> Trace:
    dense = [tensor.contiguous() for tensor in tensors]  # kernels take them as they lie
    return Trace(*dense[:3], *(None if tensor.numel() == 0 else tensor for tensor in dense[3:]))


def _spread_wanted(wanted: Sequence[bool], stack: Stack, layout: Sequence[int]) -> list[bool]:
    """For each of `stack.tensors()`, from x, the states that are there, and the weights that are there."""
    states = 0 if stack.h0 is None else 2
    x, *rest = wanted
    weights = [bool(want) for want in spread(list(rest[states:]), layout)]
    return [x, *(rest[:states] or [False, False]), False, *weights]


def _listed(found: Gradients, stack: Stack, layout: Sequence[int], x: Tensor) -> list[Tensor]:
    """Gradients of x, states and weights as an operator gives them: none twice, none None."""
    states = [] if stack.h0 is None else [found.h0, found.c0]
    seen: set[int] = set()
    values = [autograd.own(value, seen) for value in (found.x, *states, *gather(found.weights, layout))]
    return [x.new_empty(0) if value is None else value for value in values]


def _each(op: Callable[..., list[Tensor]]) -> Callable[..., tuple[list[Tensor], list[int]]]:
    """A vmap rule that runs an operator for each element of the mapped dimension."""

    def rule(info: Any, in_dims: tuple[Any, ...], *arguments: Any) -> tuple[list[Tensor], list[int]]:
        def element(value: Any, dim: Any, k: int) -> Any:
            if isinstance(value, (list, tuple)) and isinstance(dim, (list, tuple)):
                return [element(one, where, k) for one, where in zip(value, dim, strict=True)]
            return value if dim is None else value.select(dim, k)

        runs = [
            op(*(element(value, dim, k) for value, dim in zip(arguments, in_dims, strict=True)))
            for k in range(info.batch_size)
        ]
        return [torch.stack(values) for values in zip(*runs, strict=True)], [0] * len(runs[0])

    return rule


for _name in ("lstm", "lstm_backward", "lstm_second"):
    torch.library.register_vmap(f"fastgan::{_name}", _each(getattr(torch.ops.fastgan, _name)))
