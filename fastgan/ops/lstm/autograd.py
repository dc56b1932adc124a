"""Gradients around any backend, of first and second order, for calls that torch runs at once."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from fastgan.ops.lstm import reference
from fastgan.ops.lstm.second import second as by_hand
from fastgan.ops.lstm.stack import Gradients, Layout, Stack, Trace, kept_trace
from fastgan.ops.registry import Backend

Outputs = tuple[Tensor, Tensor, Tensor]
Form = tuple[int, tuple[int, ...], Layout | None]  # of a stack, all that is no tensor: directions, batch_sizes, layout


def run(backend: Backend, stack: Stack) -> Outputs:
    """Run a stack of layers; saves nothing when no gradient can be asked for.

    Returns:
        output, h_n, c_n as `reference.run` gives them.
    """
    tensors = stack.tensors()
    if torch.is_grad_enabled() and any([tensor is not None and tensor.requires_grad for tensor in tensors]):  # noqa: C419
        return _Forward.apply(backend, stack, *tensors)
    return backend.forward(stack, False)[:3]


class _Forward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, backend: Backend, stack: Stack, *tensors: Any) -> Outputs:
        trace = backend.forward(stack, True)
        ctx.backend, ctx.form = backend, (stack.directions, stack.batch_sizes, stack.layout)
        output, _, _, *rest = trace
        ctx.save_for_backward(*tensors, output, *rest)
        ctx.set_materialize_grads(False)
        return trace[:3]

    @staticmethod
    def backward(ctx: Any, d_output: Tensor | None, d_h_n: Tensor | None, d_c_n: Tensor | None) -> tuple[Any, ...]:
        wanted = ctx.needs_input_grad[2:]
        if d_output is None and d_h_n is None and d_c_n is None:
            return (None,) * (2 + len(wanted))
        saved = ctx.saved_tensors
        stack = _stack(saved[:-5], ctx.form)
        given = [None if one is None else one.resolve_neg() for one in (d_output, d_h_n, d_c_n)]
        if batched(*given):
            return None, None, *first_by_definition(stack, given, wanted)
        trace = kept_trace(stack, *saved[-5:])
        if not torch.is_grad_enabled():
            found = ctx.backend.backward(stack, trace, *given, wanted)
            return None, None, found.x, found.h0, found.c0, None, *_apart(found.weights)
        # Asked for gradients that can be differentiated themselves. The trace is what the tensors give, so no gradient
        # goes through it.
        left = [None if one is None else one.detach() for one in trace]
        found = _Backward.apply(ctx.backend, ctx.form, wanted, *given, *saved[:-5], *left)
        return None, None, *found


class _Backward(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, backend: Backend, form: Form, wanted: Sequence[bool], *tensors: Any
    ) -> tuple[Tensor | None, ...]:
        stack = _stack(tensors[3:-7], form)
        found = backend.backward(stack, Trace(*tensors[-7:]), *tensors[:3], wanted)
        ctx.backend, ctx.form, ctx.wanted = backend, form, wanted
        ctx.save_for_backward(*tensors)
        ctx.set_materialize_grads(False)
        return found.x, found.h0, found.c0, None, *_apart(found.weights)

    @staticmethod
    def backward(ctx: Any, *u: Tensor | None) -> tuple[Any, ...]:
        needed = ctx.needs_input_grad[3:-7]
        saved = ctx.saved_tensors
        d_outputs, tensors = saved[:3], saved[3:-7]
        stack = _stack(tensors, ctx.form)
        trace = kept_trace(stack, saved[-7], *saved[-4:])
        if all(one is None for one in u):
            return (None,) * len(ctx.needs_input_grad)
        if torch.is_grad_enabled() or batched(*u):
            found = by_definition(stack, d_outputs, ctx.wanted, u, needed)
        else:
            weighed = Gradients(u[0], u[1], u[2], u[4:])
            s, given = second(ctx.backend, stack, trace, d_outputs, weighed, needed[3:])
            found = [*s, given.x, given.h0, given.c0, None, *_apart(given.weights)]
            found = [value if want else None for value, want in zip(found, needed, strict=True)]
        return None, None, None, *found, *[None] * 7


def second(
    backend: Backend,
    stack: Stack,
    trace: Trace,
    d_outputs: Sequence[Tensor | None],
    u: Gradients,
    needed: Sequence[bool],
) -> tuple[tuple[Tensor, Tensor, Tensor], Gradients]:
    """The gradients of u times the gradients: by the backend's own second order, or in plain torch.

    Args:
        backend: who computes.
        stack: the call.
        trace: what any backend's `forward` left for it.
        d_outputs: gradients of output, h_n, c_n; None for zeros.
        u: what they are weighed with; None for zeros and for gradients that were not wanted.
        needed: which of `stack.tensors()` to give gradients for.

    Returns:
        Those for the three of `d_outputs`, and those for the call's tensors.
    """
    if backend.second is not None and not stack.projected:
        return backend.second(stack, trace, *d_outputs, u, needed)
    d_output, d_h_n, d_c_n = d_outputs
    return by_hand(stack, trace, d_output, d_h_n, d_c_n, u, needed)


def batched(*gradients: Tensor | None) -> bool:
    """Whether these are many gradients at once, as `torch.autograd.grad(..., is_grads_batched=True)` gives them."""
    legacy = torch._C._functorch.is_legacy_batchedtensor
    return any(gradient is not None and legacy(gradient) for gradient in gradients)


def first_by_definition(
    stack: Stack, d_outputs: Sequence[Tensor | None], wanted: Sequence[bool]
) -> list[Tensor | None]:
    """The gradients of a call, by torch from the definition: right to any order.

    Args:
        stack: the call.
        d_outputs: gradients of output, h_n, c_n; None for zeros.
        wanted: which of `stack.tensors()` to give gradients for.
    """
    further = torch.is_grad_enabled()
    with torch.enable_grad():
        fresh = [None if tensor is None else tensor.view_as(tensor) for tensor in stack.tensors()]
        outputs = reference.run(stack.with_tensors(fresh))
        weighed = [(out, seed) for out, seed in zip(outputs, d_outputs, strict=True) if seed is not None]
        found = iter(
            torch.autograd.grad(
                [out for out, _ in weighed],
                [tensor for tensor, want in zip(fresh, wanted, strict=True) if tensor is not None and want],
                [seed for _, seed in weighed],
                create_graph=further,
                allow_unused=True,
            )
        )
    return [next(found) if want else None for want in wanted]


def by_definition(
    stack: Stack,
    d_outputs: Sequence[Tensor | None],
    wanted: Sequence[bool],
    u: Sequence[Tensor | None],
    needed: Sequence[bool],
) -> list[Tensor | None]:
    """The gradients of u times the gradients, by torch from the definition: right to any order.

    Args:
        stack: the call.
        d_outputs: gradients of output, h_n, c_n; None for zeros.
        wanted: which of `stack.tensors()` the gradients were taken for.
        u: what they are weighed with, one for each of `stack.tensors()`; None for zeros.
        needed: which of `d_outputs` and `stack.tensors()` to give gradients for.
    """
    further = torch.is_grad_enabled()
    with torch.enable_grad():
        # Each tensor becomes a node of its own, so that a gradient through one (h0 computed from x, say) is not
        # counted in another's.
        fresh = [None if tensor is None else tensor.view_as(tensor) for tensor in stack.tensors()]
        seeds = [None if seed is None else seed.view_as(seed) for seed in d_outputs]
        fresh = [_differentiable(tensor, needed[3 + k] or wanted[k]) for k, tensor in enumerate(fresh)]
        seeds = [_differentiable(seed, needed[k]) for k, seed in enumerate(seeds)]
        outputs = reference.run(stack.with_tensors(fresh))
        weighed = [(out, seed) for out, seed in zip(outputs, seeds, strict=True) if seed is not None]
        chosen = [
            (tensor, one)
            for tensor, want, one in zip(fresh, wanted, u, strict=True)
            if tensor is not None and want and one is not None
        ]
        gradients = torch.autograd.grad(
            [out for out, _ in weighed],
            [tensor for tensor, _ in chosen],
            [seed for _, seed in weighed],
            create_graph=True,
            allow_unused=True,
        )
        pairs = [(gradient, one) for gradient, (_, one) in zip(gradients, chosen, strict=True) if gradient is not None]
        sources = [tensor if want else None for tensor, want in zip([*seeds, *fresh], needed, strict=True)]
        targets = [tensor for tensor in sources if tensor is not None]
        if not targets or not any(gradient.requires_grad for gradient, _ in pairs):
            return [None] * len(sources)
        pairs = [(gradient, one) for gradient, one in pairs if gradient.requires_grad]
        found = iter(
            torch.autograd.grad(
                [gradient for gradient, _ in pairs],
                targets,
                [one for _, one in pairs],
                create_graph=further,
                allow_unused=True,
            )
        )
    return [None if tensor is None else next(found) for tensor in sources]


def _differentiable(tensor: Tensor | None, want: bool) -> Tensor | None:
    if tensor is None or not want or tensor.requires_grad:
        return tensor
    return tensor.detach().requires_grad_()


def _stack(tensors: Sequence[Tensor | None], form: Form) -> Stack:
    x, h0, c0, masks, *weights = tensors
    assert x is not None
    return Stack(x, h0, c0, masks, tuple(weights), *form)


def _apart(weights: Sequence[Tensor | None]) -> list[Tensor | None]:
    """Gradients of weights: both biases have one, but each is to have memory of its own, which a caller may change."""
    seen: set[int] = set()
    return [own(weight, seen) for weight in weights]


def own(tensor: Tensor | None, seen: set[int]) -> Tensor | None:
    """A tensor that has not been given before: itself, or a copy."""
    if tensor is None:
        return None
    if id(tensor) in seen:
        return tensor.clone()
    seen.add(id(tensor))
    return tensor
