"""Gradients by finite differences, gradients of gradients, and what autograd may be asked for."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from fastgan.ops.lstm import cpp_cpu, lstm, reference
from fastgan.ops.lstm.autograd import by_definition
from fastgan.ops.lstm.second import second
from fastgan.ops.lstm.stack import Gradients
from tests.ops.lstm.cases import (
    ABLE,
    OUTPUTS,
    Case,
    assert_fair,
    leaves_of,
    names_of,
    needs_cpu,
    over_draws,
    seeds_for,
    with_leaves,
)

F64 = torch.float64
TINY = [
    Case(1, 2, 1, 2, F64),
    Case(1, 1, 2, 2, F64, biases=0, states=True),
    Case(3, 2, 2, 2, F64, biases=1),
    Case(2, 2, 1, 2, F64, layers=2, directions=2, states=True, dropout=True),
    Case(3, 2, 2, 2, F64, layers=2, lengths=(3, 1), states=True),
    Case(3, 3, 1, 2, F64, directions=2, lengths=(3, 2, 2), states=True),
    Case(2, 2, 2, 3, F64, projected=2, layers=2, states=True, dropout=True),
    Case(2, 2, 1, 3, F64, projected=1, directions=2, biases=1, lengths=(2, 1)),
]
RICH = Case(4, 3, 2, 5, F64, layers=2, directions=2, states=True, dropout=True)
PACKED = Case(4, 3, 2, 5, F64, layers=2, states=True, dropout=True, lengths=(4, 2, 2))
PROJECTED = Case(4, 3, 2, 5, F64, layers=2, projected=3, states=True, lengths=(4, 3, 1))


@pytest.mark.parametrize("case", TINY, ids=str)
@pytest.mark.parametrize("backend", ABLE)
def test_first_and_second_order(backend, case):
    stack = case.stack(grad=True)

    def call(*leaves: Tensor) -> tuple[Tensor, ...]:
        return lstm(with_leaves(stack, leaves), backend=backend)

    leaves = tuple(leaves_of(stack).values())
    assert torch.autograd.gradcheck(call, leaves)
    assert torch.autograd.gradgradcheck(call, leaves, fast_mode=backend == "reference")  # which torch differentiates


@pytest.mark.parametrize("backend", ABLE)
def test_many_gradients_at_once(backend):
    stack = TINY[3].stack(grad=True)
    leaves = tuple(leaves_of(stack).values())
    options = {"check_batched_grad": True, "fast_mode": True}
    assert torch.autograd.gradcheck(lambda *given: lstm(with_leaves(stack, given), backend=backend), leaves, **options)
    assert torch.autograd.gradgradcheck(
        lambda *given: lstm(with_leaves(stack, given), backend=backend), leaves, **options
    )


SECOND = [pytest.param(second, case, id=f"by hand-{case}") for case in (*TINY, RICH, PACKED, PROJECTED)]
SECOND += [
    pytest.param(cpp_cpu.second, case, id=f"cpu-{case}", marks=needs_cpu)
    for case in (*TINY, RICH, PACKED)
    if not case.projected
]


@pytest.mark.parametrize(("compute", "case"), SECOND)
def test_second_order_of_a_trace(compute, case):
    """Every gradient of a weighted sum of all gradients, against torch's derivation from the definition."""
    stack = case.stack()
    trace = reference.forward(stack, True)
    wanted = [
        tensor is not None and name != "masks" for name, tensor in zip(names_of(stack), stack.tensors(), strict=True)
    ]
    generator = torch.Generator().manual_seed(2)
    u = [
        torch.randn(tensor.shape, generator=generator, dtype=F64) if want else None
        for tensor, want in zip(stack.tensors(), wanted, strict=True)
    ]
    for d_outputs in (seeds_for(trace[:3]), [seeds_for(trace[:3])[0], None, None]):
        seeds = [torch.zeros_like(out) if one is None else one for out, one in zip(trace, d_outputs, strict=False)]
        for chosen in (u, [one if name == "x" else None for name, one in zip(names_of(stack), u, strict=True)]):
            expected = by_definition(stack, seeds, wanted, chosen, [True, True, True, *wanted])
            weighed = Gradients(chosen[0], chosen[1], chosen[2], tuple(chosen[4:]))
            s, found = compute(stack, trace, *d_outputs, weighed, wanted)
            got = [*s, found.x, found.h0, found.c0, None, *found.weights]
            for name, one, other in zip([*OUTPUTS, *names_of(stack)], got, expected, strict=True):
                if one is None:
                    assert other is None, name
                else:
                    other = torch.zeros_like(one) if other is None else other
                    torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12, msg=name)


@pytest.mark.parametrize("case", [RICH, PACKED, PROJECTED, TINY[0]], ids=str)
@pytest.mark.parametrize("backend", ABLE)
def test_third_order(backend, case):
    def gradients(name: str) -> list[Tensor]:
        stack = case.stack(grad=True)
        leaves = list(leaves_of(stack).values())
        found = lstm(stack, backend=name)
        seeds: list[Tensor] = seeds_for(found)
        for order in range(3):
            found = torch.autograd.grad(found, leaves, seeds, create_graph=order < 2)
            seeds = seeds_for(found, order)
        return list(found)

    for name, one, other in zip(leaves_of(case.stack()), gradients(backend), gradients("reference"), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-11, msg=name)


def penalty_gradients(backend: str, dtype: torch.dtype, case: Case) -> dict[str, Tensor]:
    """The gradients of a gradient penalty, (|d output / d x| - 1)^2."""

    def run(seed: int) -> dict[str, Tensor]:
        stack = case.stack(dtype, grad=True, seed=seed)
        output, _, c_n = lstm(stack, backend=backend)
        (slope,) = torch.autograd.grad(output.square().sum() + c_n.sum(), stack.x, create_graph=True)
        loss = (slope.flatten(1).norm(dim=1) - 1).square().sum()
        leaves = leaves_of(stack)
        return dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))

    return over_draws(case, run)


@pytest.mark.parametrize(
    "case", [Case(6, 3, 2, 17, layers=2), Case(6, 32, 1, 40, states=True), Case(5, 9, 3, 33, directions=2)], ids=str
)
@pytest.mark.parametrize("backend", ABLE)
def test_gradient_penalty_in_float32(backend, case):
    truth = penalty_gradients("reference", F64, case)
    fair = penalty_gradients("reference", torch.float32, case)
    assert_fair(penalty_gradients(backend, torch.float32, case), fair, truth)


@pytest.mark.parametrize("backend", ABLE)
def test_an_input_computed_from_another_is_not_counted_twice(backend):
    def gradients(name: str) -> list[Tensor]:
        stack = Case(3, 2, 4, 4, F64).stack(grad=True)
        x, w_hh = stack.x, stack.first("w_hh")
        h0 = x[:1] * 2
        output, _, _ = lstm(stack._replace(h0=h0, c0=h0.tanh()), backend=name)
        first = torch.autograd.grad(output.square().sum(), [x, w_hh], create_graph=True)
        second = torch.autograd.grad(sum(g.square().sum() for g in first), [x, w_hh], create_graph=True)
        return [*first, *second, *torch.autograd.grad(sum(g.square().sum() for g in second), [x, w_hh])]

    for got, want in zip(gradients(backend), gradients("reference"), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("backend", ABLE)
def test_one_tensor_in_many_places(backend):
    """Weights that are tied, as whole layers may be."""

    def gradients(name: str) -> tuple[Tensor, ...]:
        stack = Case(3, 2, 4, 4, F64).stack(grad=True)
        tied = stack._replace(weights=stack.weights * 3)
        loss = lstm(tied, backend=name)[0].square().sum()
        weights = [stack.first("w_ih"), stack.first("w_hh"), stack.weights[2]]
        first = torch.autograd.grad(loss, weights, create_graph=True)
        return (*first, *torch.autograd.grad(sum(g.square().sum() for g in first), weights))

    for got, want in zip(gradients(backend), gradients("reference"), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("case", [RICH, PACKED, PROJECTED], ids=str)
@pytest.mark.parametrize("backend", ABLE)
def test_a_graph_changes_nothing_in_the_first_order(backend, case):
    stack = case.stack(grad=True)
    values = list(leaves_of(stack).values())
    loss = sum(result.square().sum() for result in lstm(stack, backend=backend))
    plain = torch.autograd.grad(loss, values, retain_graph=True)
    again = torch.autograd.grad(loss, values, retain_graph=True)
    graphed = torch.autograd.grad(loss, values, create_graph=True)
    for one, two, three in zip(plain, again, graphed, strict=True):
        assert torch.equal(one, two)
        torch.testing.assert_close(one, three.detach(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", [name for name in leaves_of(PROJECTED.stack()) if not name.endswith("[1]")])
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("backend", ABLE)
def test_each_gradient_alone(backend, name, order):

    def gradients(wanted: list[str]) -> dict[str, Tensor]:
        stack = PROJECTED.stack()
        leaves = leaves_of(stack)
        for one in wanted:
            leaves[one].requires_grad_()
        found = lstm(stack, backend=backend)
        for k in range(order):
            found = torch.autograd.grad(
                found, [leaves[one] for one in wanted], seeds_for(found), create_graph=k + 1 < order
            )
            found = [found[wanted.index(name)]] if k + 1 < order else found
        return dict(zip(wanted, found, strict=True))

    everything, alone = gradients(list(leaves_of(PROJECTED.stack()))), gradients([name])
    torch.testing.assert_close(alone[name], everything[name], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("backend", ABLE)
@pytest.mark.parametrize("output", range(3), ids=OUTPUTS)
def test_each_output_alone(backend, output):
    def gradients(name: str) -> list[Tensor]:
        stack = RICH.stack(grad=True)
        leaves = list(leaves_of(stack).values())
        loss = lstm(stack, backend=name)[output].square().sum()
        first = torch.autograd.grad(loss, leaves, create_graph=True)
        return [*first, *torch.autograd.grad(sum(g.square().sum() for g in first), leaves)]

    for one, other in zip(gradients(backend), gradients("reference"), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("backend", ABLE)
def test_one_step_from_zeros_gives_the_recurrent_weight_a_gradient_of_zeros(backend):
    stack = Case(1, 2, 3, 4, F64).stack(grad=True)
    lstm(stack, backend=backend)[0].sum().backward()
    w_hh = stack.first("w_hh")
    assert torch.equal(w_hh.grad, torch.zeros_like(w_hh))


@needs_cpu
def test_an_output_changed_in_place_is_noticed():
    output, _, _ = lstm(RICH.stack(grad=True), backend="cpu")
    loss = output.sum()
    with torch.no_grad():
        output.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize("backend", ABLE)
@pytest.mark.parametrize("case", [RICH, PACKED], ids=str)
def test_last_states_may_be_changed_in_place(backend, case):
    """As is done where some sequences begin anew: their states are set to zero before the next call."""

    def gradients(apart: bool) -> tuple[Tensor, ...]:
        stack = case.stack(grad=True)
        output, h, c = lstm(stack, backend=backend)
        if apart:
            h, c = h.clone(), c.clone()
        h[:, 0], c[:, 0] = 0, 0
        again = lstm(stack._replace(h0=h, c0=c), backend=backend)
        loss = output.sum() + sum(one.square().sum() for one in again)
        first = torch.autograd.grad(loss, list(leaves_of(stack).values()), create_graph=True)
        return (*first, *torch.autograd.grad(sum(one.square().sum() for one in first), list(leaves_of(stack).values())))

    for one, other in zip(gradients(False), gradients(True), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("backend", ABLE)
def test_gradients_of_both_biases_are_tensors_of_their_own(backend):
    """Whoever scales one, as clipping does, must not scale the other."""
    stack = RICH.stack(grad=True)
    leaves = leaves_of(stack)
    first = torch.autograd.grad(
        lstm(stack, backend=backend)[0].square().sum(), list(leaves.values()), create_graph=True
    )
    second = torch.autograd.grad(sum(one.square().sum() for one in first), list(leaves.values()))
    plain = torch.autograd.grad(lstm(stack, backend=backend)[0].square().sum(), list(leaves.values()))
    for found in (first, second, plain):
        assert len({one.data_ptr() for one in found}) == len(found)


@pytest.mark.parametrize("backend", ABLE)
def test_saved_tensors_may_come_back_in_another_layout(backend):
    def gradients(unpack: Callable[[Tensor], Tensor]) -> list[Tensor]:
        stack = RICH.stack(grad=True)
        with torch.autograd.graph.saved_tensors_hooks(lambda one: one, unpack):
            loss = lstm(stack, backend=backend)[0].square().sum()
            first = torch.autograd.grad(loss, list(leaves_of(stack).values()), create_graph=True)
            second = torch.autograd.grad(sum(one.square().sum() for one in first), list(leaves_of(stack).values()))
        return [*first, *second]

    turned = gradients(lambda one: one.mT.contiguous().mT if one.dim() > 1 else one)
    for one, other in zip(turned, gradients(lambda one: one), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("backend", ABLE)
def test_negated_views_are_what_they_say(backend):
    """Imaginary parts of conjugates are views of memory that holds the negative."""
    stack = RICH.stack(grad=True)
    negated = stack.with_tensors([None if one is None else torch._neg_view(-one) for one in stack.tensors()])
    assert negated.x.is_neg()
    seeds = seeds_for(lstm(stack))
    results = []
    for call, signs in ((stack, seeds), (negated, [torch._neg_view(-seed) for seed in seeds])):
        outputs = lstm(call, backend=backend)
        results.append([*outputs, *torch.autograd.grad(outputs, list(leaves_of(stack).values()), signs)])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@needs_cpu
def test_a_weight_changed_in_place_is_noticed():
    stack = RICH.stack(grad=True)
    loss = lstm(stack, backend="cpu")[0].sum()
    with torch.no_grad():
        stack.first("w_hh").mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
