"""Gradients of all weights in one launch, against the products that they stand for, and those against autograd."""

import pytest
import torch

from fastgan.ops.lstm import products, reference, triton_gpu, weights_gpu
from fastgan.ops.lstm.stack import layout_of
from tests.ops.lstm.cases import Case

DEVICE = "cpu" if triton_gpu.interpreted() else "cuda"
ALIKE = [
    Case(1, 1, 1, 1),
    Case(3, 2, 9, 33, layers=3),
    Case(6, 32, 1, 128, layers=2, biases=1),
    Case(4, 5, 70, 8, states=True, biases=0),
    Case(5, 3, 2, 17, layers=2, states=True, dropout=True),
]
needs_triton = pytest.mark.skipif(triton_gpu.why_not_here() is not None, reason=f"{triton_gpu.why_not_here()}")


def found(case: Case, how, dtype: torch.dtype, wanted: bool = True) -> list[torch.Tensor | None]:
    """The gradients of the weights from the same traces and gradients of gates."""
    stack = case.stack(dtype, device=DEVICE)
    trace = reference.forward(stack)
    random = torch.Generator().manual_seed(2)
    d_gates = torch.randn(layout_of(stack).shapes.gates, generator=random).to(DEVICE, dtype)
    return list(how(stack, trace, d_gates, None, None, [False] * 4 + [wanted] * len(stack.weights)).weights)


@needs_triton
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("case", ALIKE, ids=str)
def test_one_launch_gives_what_products_give(case, dtype, monkeypatch):
    wanted = found(case, products.gradients, torch.float64)
    monkeypatch.setattr(products, "gradients", None)  # it is not what runs
    for one, other in zip(found(case, weights_gpu.gradients, dtype), wanted, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            assert (one.double() - other).abs().max() <= 8 * torch.finfo(dtype).eps * other.abs().max()


@needs_triton
@pytest.mark.parametrize(
    "case",
    [Case(3, 2, 2, 8, directions=2), Case(3, 2, 2, 8, lengths=(3, 1)), Case(300, 2, 1, 4)],
    ids=("both ways", "packed", "many rows"),
)
def test_other_calls_are_products(case, monkeypatch):
    monkeypatch.setattr(weights_gpu, "kernels", None)
    assert all(one is not None for one in found(case, weights_gpu.gradients, torch.float32)[:4])


@needs_triton
def test_what_nobody_wants_is_not_computed(monkeypatch):
    monkeypatch.setattr(weights_gpu, "kernels", None)
    assert set(found(ALIKE[0], weights_gpu.gradients, torch.float32, wanted=False)) == {None}


@pytest.mark.parametrize("states", [False, True])
@pytest.mark.parametrize("lengths", [(), (4, 4, 1)])
@pytest.mark.parametrize("steps", [1, 4])
def test_products_are_those_of_the_states_before(steps, lengths, states):
    """In both directions: the gradient of w_hh has nothing from states that are zeros, and all from those that are given."""
    case = Case(steps, 3, 2, 5, layers=2, directions=2, states=states, lengths=tuple(min(steps, n) for n in lengths))
    stack = case.stack(torch.float64)
    trace = reference.forward(stack)
    d_gates = torch.randn(layout_of(stack).shapes.gates, dtype=torch.float64)
    weights = products.gradients(stack, trace, d_gates, None, None, [False] * 4 + [True] * len(stack.weights)).weights
    for place, gates in enumerate(d_gates):
        wanted = gates.t() @ products.h_before(stack, trace, place)
        torch.testing.assert_close(weights[5 * place + 1], wanted)
        torch.testing.assert_close(weights[5 * place + 2], gates.sum(0))
