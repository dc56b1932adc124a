"""One layer in one direction around any backend: the products over all steps, and gradients written once.

The products with the input and for the weights' gradients need no order in time, so each is one matrix product here;
a backend runs only what is sequential.
"""

from typing import Any

import torch
from torch import Tensor

from fastgan.ops.lstm import reference
from fastgan.ops.lstm.reference import Saved
from fastgan.ops.registry import Backend

Inputs = tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor | None, Tensor | None]  # x w_ih w_hh bias h0 c0


def layer(backend: Backend, inputs: Inputs, *, reverse: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Run one layer; saves nothing when no gradient can be asked for.

    Args:
        backend: who computes.
        inputs: x [T, B, I], w_ih [4H, I], w_hh [4H, H], bias [4H] or None, h0 [B, H] or None, c0 [B, H] or None.
        reverse: run from the last step to the first.

    Returns:
        h [T, B, H], the last h [B, H] (a view of it), the last c [B, H].
    """
    if torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in inputs):
        h, c_n = _Layer.apply(backend, reverse, *inputs)
    else:
        h, c_n = _run(backend, inputs, reverse, keep=False)[1:]
    return h, h[0 if reverse else -1], c_n


def _run(backend: Backend, inputs: Inputs, reverse: bool, keep: bool) -> tuple[Saved, Tensor, Tensor]:
    x, w_ih, w_hh, bias, h0, c0 = inputs
    gates_x = _input_gates(x, w_ih, bias)
    saved = backend.forward(gates_x, w_hh, h0, c0, reverse=reverse, keep=keep)
    return saved, saved.h, saved.c[0 if reverse else -1]


def _input_gates(x: Tensor, w_ih: Tensor, bias: Tensor | None) -> Tensor:
    """The input's part of all gates, [T, B, 4H], in memory of its own."""
    steps, rows, values = x.shape
    w_t = w_ih.t()
    flat = x.reshape(steps * rows, values)
    if bias is None:
        gates = torch.mm(flat, w_t)
    elif values == 1:  # one value a step is no product, and far faster without the set-up of one
        gates = torch.addcmul(bias, flat, w_t)
    else:
        gates = torch.addmm(bias, flat, w_t)
    return gates.view(steps, rows, w_t.shape[1])


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, backend: Backend, reverse: bool, *inputs: Any) -> tuple[Tensor, Tensor]:
        saved, h, c_n = _run(backend, inputs, reverse, keep=True)
        ctx.backend, ctx.reverse = backend, reverse
        ctx.save_for_backward(*inputs, *saved)
        ctx.set_materialize_grads(False)
        return h, c_n.clone()

    @staticmethod
    def backward(ctx: Any, dh: Tensor | None, dc_n: Tensor | None) -> tuple[Tensor | None, ...]:
        if dh is None and dc_n is None:
            return (None,) * 8
        tensors = ctx.saved_tensors
        inputs: Inputs = tensors[:6]
        if torch.is_grad_enabled():  # asked for gradients that can be differentiated themselves
            return None, None, *_differentiable(inputs, ctx.needs_input_grad[2:], dh, dc_n, ctx.reverse)
        x, w_ih, w_hh, _, h0, c0 = inputs
        saved = Saved(*tensors[6:])
        gradients = ctx.backend.backward(dh, dc_n, saved, w_hh, c0, reverse=ctx.reverse)
        _, _, for_x, for_w_ih, for_w_hh, for_bias, for_h0, for_c0 = ctx.needs_input_grad
        steps, rows, values = x.shape
        flat = gradients.gates.view(steps * rows, -1)  # [T * B, 4H]
        return (
            None,
            None,
            torch.mm(flat, w_ih).view(steps, rows, values) if for_x else None,
            torch.mm(flat.t(), x.reshape(steps * rows, values)) if for_w_ih else None,
            _recurrent_weight(gradients.gates, saved.h, h0, w_hh, ctx.reverse) if for_w_hh else None,
            flat.sum(0) if for_bias else None,
            gradients.h0 if for_h0 else None,
            gradients.c0 if for_c0 else None,
        )


def _recurrent_weight(dgates: Tensor, h: Tensor, h0: Tensor | None, w_hh: Tensor, reverse: bool) -> Tensor:
    """The gradient of w_hh: every step's gates against the hidden state before it."""
    first = -1 if reverse else 0
    later, earlier = (dgates[:-1], h[1:]) if reverse else (dgates[1:], h[:-1])
    if len(later) == 0:
        return torch.zeros_like(w_hh) if h0 is None else torch.mm(dgates[first].t(), h0)
    product = torch.mm(later.reshape(-1, later.shape[-1]).t(), earlier.reshape(-1, earlier.shape[-1]))
    return product if h0 is None else product.addmm_(dgates[first].t(), h0)


def _differentiable(
    inputs: Inputs, needed: tuple[bool, ...], dh: Tensor | None, dc_n: Tensor | None, reverse: bool
) -> list[Tensor | None]:
    """Gradients with a graph of their own: the definition is run again and torch differentiates it."""
    # Each input becomes a node of its own, so that a gradient through one (h0 computed from x, say) is not counted
    # in another's.
    fresh = [None if tensor is None else tensor.view_as(tensor) for tensor in inputs]
    x, w_ih, w_hh, bias, h0, c0 = fresh
    assert x is not None
    assert w_ih is not None
    assert w_hh is not None
    h, _, c_n = reference.layer(x, w_ih, w_hh, bias, h0, c0, reverse=reverse)
    outputs, gradients = zip(*[(out, d) for out, d in ((h, dh), (c_n, dc_n)) if d is not None], strict=True)
    wanted = [tensor for tensor, want in zip(fresh, needed, strict=True) if want and tensor is not None]
    found = iter(torch.autograd.grad(outputs, wanted, gradients, create_graph=True, allow_unused=True))
    return [next(found) if want and tensor is not None else None for tensor, want in zip(fresh, needed, strict=True)]
