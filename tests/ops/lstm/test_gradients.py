"""Gradients by finite differences, gradients of gradients, and what autograd may be asked for."""

import pytest
import torch
from torch import Tensor

from fastgan.ops.lstm import BACKENDS, lstm_layer

REASONS = {row.name: row.why_not_here() for row in BACKENDS if row.name in ("cpu", "reference")}
ABLE = [
    pytest.param(name, marks=pytest.mark.skipif(reason is not None, reason=f"{reason}"))
    for name, reason in REASONS.items()
]
SIZES = [(1, 2, 1, 3), (3, 2, 2, 3)]


def tensors(steps, batch, inputs, hidden, dtype=torch.float64, states=True) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(steps, batch, inputs), (4 * hidden, inputs), (4 * hidden, hidden), (4 * hidden,)]
    shapes += [(batch, hidden)] * 2 if states else []
    return [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype).requires_grad_() for shape in shapes]


@pytest.mark.parametrize("reverse", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("states", [False, True], ids=["zeros", "states"])
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("backend", ABLE)
def test_first_and_second_order(backend, size, states, reverse):
    values = tensors(*size, states=states)

    def layer(*arguments):
        return lstm_layer(*arguments, reverse=reverse, backend=backend)

    assert torch.autograd.gradcheck(layer, values)
    assert torch.autograd.gradgradcheck(layer, values)


def test_projected_and_packed():
    generator = torch.Generator().manual_seed(0)
    shapes = [(6, 2), (12, 2), (12, 2), (12,), (3, 2), (3, 3), (2, 3)]
    values = [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes]
    for reverse in (False, True):

        def layer(*arguments, reverse=reverse):
            return lstm_layer(*arguments, batch_sizes=[3, 2, 1], reverse=reverse)

        assert torch.autograd.gradcheck(layer, values)
        assert torch.autograd.gradgradcheck(layer, values)


def penalty_gradients(backend: str, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """The weights' gradients of a gradient penalty, (|d output / d x| - 1)^2."""
    x, w_ih, w_hh, *rest = tensors(6, 3, 2, 17)
    w_hh = w_hh / 17**0.5  # as a net has it: with larger weights the sequence is chaotic and no dtype is right
    values = [value.detach().to(dtype).requires_grad_() for value in (x, w_ih, w_hh, *rest)]
    h, _, c_n = lstm_layer(*values, backend=backend)
    (slope,) = torch.autograd.grad(h.square().sum() + c_n.sum(), values[0], create_graph=True)
    loss = (slope.flatten(1).norm(dim=1) - 1).square().sum()
    return torch.autograd.grad(loss, values)


@pytest.mark.parametrize("backend", ABLE)
def test_gradient_penalty_in_float32(backend):
    truth = penalty_gradients("reference", torch.float64)
    fair = penalty_gradients("reference", torch.float32)
    for got, want, plain in zip(penalty_gradients(backend, torch.float32), truth, fair, strict=True):
        scale = want.abs().max()
        budget = 2 * (plain - want).abs().max() / scale + 4 * torch.finfo(torch.float32).eps
        assert (got - want).abs().max() / scale <= budget


@pytest.mark.parametrize("backend", ABLE)
def test_an_input_computed_from_another_is_not_counted_twice(backend):
    def gradients(name):
        x, w_ih, w_hh, bias = tensors(3, 2, 4, 4, states=False)
        h0 = x[0] * 2
        h, _, _ = lstm_layer(x, w_ih, w_hh, bias, h0, h0.tanh(), backend=name)
        first = torch.autograd.grad(h.square().sum(), [x, w_hh], create_graph=True)
        return [*first, *torch.autograd.grad(sum(g.square().sum() for g in first), [x, w_hh])]

    for got, want in zip(gradients(backend), gradients("reference"), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("backend", ABLE)
def test_a_graph_changes_nothing_in_the_first_order(backend):
    values = tensors(4, 3, 2, 5)
    loss = sum(result.square().sum() for result in lstm_layer(*values, backend=backend))
    plain = torch.autograd.grad(loss, values, retain_graph=True)
    again = torch.autograd.grad(loss, values, retain_graph=True)
    graphed = torch.autograd.grad(loss, values, create_graph=True)
    for one, two, three in zip(plain, again, graphed, strict=True):
        assert torch.equal(one, two)
        torch.testing.assert_close(one, three.detach(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("backend", ABLE)
@pytest.mark.parametrize("wanted", range(6))
def test_each_gradient_alone(backend, wanted):
    values = tensors(4, 3, 2, 5)
    loss = lstm_layer(*values, backend=backend)[0].square().sum()
    everything = torch.autograd.grad(loss, values)
    alone = [value.detach().requires_grad_(place == wanted) for place, value in enumerate(values)]
    lstm_layer(*alone, backend=backend)[0].square().sum().backward()
    for place, value in enumerate(alone):
        assert (value.grad is not None) == (place == wanted)
    torch.testing.assert_close(alone[wanted].grad, everything[wanted], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("backend", ABLE)
@pytest.mark.parametrize("output", range(3), ids=["h", "h_n", "c_n"])
def test_each_output_alone(backend, output):
    values = tensors(4, 3, 2, 5)
    got = torch.autograd.grad(lstm_layer(*values, backend=backend)[output].square().sum(), values)
    want = torch.autograd.grad(lstm_layer(*values, backend="reference")[output].square().sum(), values)
    for one, other in zip(got, want, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("backend", ABLE)
def test_one_step_from_zeros_gives_the_recurrent_weight_a_gradient_of_zeros(backend):
    values = tensors(1, 2, 3, 4, states=False)
    lstm_layer(*values, backend=backend)[0].sum().backward()
    assert torch.equal(values[2].grad, torch.zeros_like(values[2]))


@pytest.mark.skipif(REASONS["cpu"] is not None, reason=f"{REASONS['cpu']}")
def test_an_output_changed_in_place_is_noticed():
    values = tensors(4, 3, 2, 5)
    h, _, _ = lstm_layer(*values, backend="cpu")
    loss = h.sum()
    with torch.no_grad():
        h.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
