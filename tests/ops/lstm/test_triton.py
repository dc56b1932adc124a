"""The Triton kernels: on a GPU where there is one, else in Triton's interpreter, which runs the same programs."""

import dataclasses

import pytest
import torch

from fastgan.ops.lstm import autograd, lstm, reference, triton_gpu
from fastgan.ops.lstm.second import second as by_hand
from fastgan.ops.lstm.stack import Gradients
from fastgan.ops.registry import Problem
from tests.ops.lstm.cases import (
    Case,
    assert_any_backward_reads_any_forward,
    assert_fair,
    collect,
    error,
    flatten,
    leaves_of,
    names_of,
    over_draws,
    run_ours,
    run_torch,
    seeds_for,
)

REASON = triton_gpu.why_not_here()
DEVICE = "cpu" if triton_gpu.interpreted() else "cuda"
F32, F64 = torch.float32, torch.float64
pytestmark = pytest.mark.skipif(REASON is not None, reason=f"{REASON}")

DROPPED = Case(4, 5, 3, 17, layers=3, directions=2, states=True, dropout=True)
PACKED = Case(6, 5, 3, 33, layers=2, states=True, dropout=True, lengths=(6, 6, 4, 2, 1))
BOTH_WAYS = Case(5, 4, 9, 20, directions=2, layers=2, lengths=(5, 5, 3, 2))
CASES = [
    Case(1, 1, 1, 1),
    Case(1, 3, 1, 17, states=True, layers=2),
    Case(6, 3, 1, 128, layers=2),
    Case(5, 2, 4, 8, biases=0, states=True),
    Case(3, 17, 70, 70, biases=1),
    Case(9, 1, 5, 31),
    Case(1, 2, 3, 8, lengths=(1, 1), states=True),
    DROPPED,
    PACKED,
    BOTH_WAYS,
]


@pytest.fixture(autouse=True)
def exact_products():
    """Products of float32 are as exact as they can be: a GPU's default is shorter."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


@pytest.fixture(autouse=True)
def memory_full_of_nan():
    """Torch fills new memory with NaN, so that an element nobody wrote shows."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(before)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_worse_than_torch(case):
    assert_fair(run_ours(case, "triton", device=DEVICE), run_torch(case), run_ours(case, "reference", F64))


@pytest.mark.parametrize("case", [Case(2, 70, 2, 5), Case(2, 65, 3, 40, states=True)], ids=str)
def test_tiles_of_large_batches(case, monkeypatch):
    large = triton_gpu.tile_of(128, 4096, torch.bfloat16)
    assert large != triton_gpu.tile_of(128, 1, torch.bfloat16)
    monkeypatch.setattr(triton_gpu, "tile_of", lambda *_, **__: large)
    # Gradients of weights are torch's own products over all rows, so they are as exact as those of the definition.
    fair, truth = run_ours(case, "reference"), run_ours(case, "reference", F64)
    assert_fair(run_ours(case, "triton", device=DEVICE), fair, truth)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("case", [Case(6, 3, 1, 33, layers=2), DROPPED, PACKED], ids=str)
def test_short_numbers(case, dtype):
    def run(seed):  # on the processor the op would widen them first
        stack = case.stack(grad=True, seed=seed, device=DEVICE)
        return collect(autograd.run(triton_gpu.BACKEND, stack), leaves_of(stack))

    case = dataclasses.replace(case, dtype=dtype)
    fair, truth = run_ours(case, "reference"), run_ours(case, "reference", F64)
    assert_fair(over_draws(case, run), fair, truth)


@pytest.mark.parametrize("case", [DROPPED, PACKED, BOTH_WAYS, Case(3, 2, 1, 8)], ids=str)
def test_any_backward_reads_what_any_forward_left(case):
    stack = case.stack(device=DEVICE)
    assert_any_backward_reads_any_forward(triton_gpu.BACKEND, stack)


def test_only_what_is_wanted():
    stack = PACKED.stack(device=DEVICE)
    trace = triton_gpu.forward(stack)
    wanted = [name in ("c0", "w_hh[0]", "b_hh[1]") for name in names_of(stack)]
    found = flatten(triton_gpu.backward(stack, trace, *trace[:3], wanted))
    names = [name for name in names_of(stack) if name != "masks"]
    assert [name for name, value in zip(names, found, strict=True) if value is not None] == ["c0", "w_hh[0]", "b_hh[1]"]


@pytest.mark.parametrize("case", [DROPPED, PACKED, BOTH_WAYS, Case(3, 2, 1, 70), Case(1, 1, 1, 3)], ids=str)
def test_second_order(case):
    def run(second, stack):
        trace = reference.forward(stack)
        everything = [name != "masks" for name in names_of(stack)]
        weights = (None if value is None else value * 0.3 for value in stack.weights)
        u = Gradients(stack.x * 0.5, stack.h0, stack.c0, tuple(weights))
        s, found = second(stack, trace, *seeds_for(trace[:3]), u, everything)
        return [None if value is None else value.cpu() for value in (*s, *flatten(found))]

    truth = run(by_hand, case.stack(F64))
    fair = run(by_hand, case.stack())
    for one, other, want in zip(run(triton_gpu.second, case.stack(device=DEVICE)), fair, truth, strict=True):
        assert (one is None) == (want is None)
        if want is not None:
            assert error(one, want) <= 2 * error(other, want) + 8 * torch.finfo(F32).eps


def test_a_gradient_penalty():
    def penalty(backend, dtype, device):
        stack = Case(4, 3, 2, 17, layers=2).stack(dtype, grad=True, device=device)
        output, _, _ = lstm(stack, backend=backend)
        (slope,) = torch.autograd.grad(output.sum(), stack.x, create_graph=True)
        gradients = torch.autograd.grad((slope.norm(dim=(0, 2)) - 1).square().mean(), list(leaves_of(stack).values()))
        return [gradient.cpu() for gradient in gradients]

    truth, fair = penalty("reference", F64, "cpu"), penalty("reference", F32, "cpu")
    for one, other, want in zip(penalty("triton", F32, DEVICE), fair, truth, strict=True):
        assert error(one, want) <= 2 * error(other, want) + 8 * torch.finfo(F32).eps


def test_same_bits_again_and_alone():
    stack = Case(4, 9, 3, 33, layers=2).stack(device=DEVICE)
    first, second = triton_gpu.forward(stack), triton_gpu.forward(stack)
    for one, other in zip(first, second, strict=True):
        assert one is other is None or torch.equal(one, other)
    alone = triton_gpu.forward(stack.with_tensors([stack.x[:, 4:5], *stack.tensors()[1:]])._replace(layout=None))
    assert torch.equal(first.output[:, 4:5], alone.output)


def test_infinities_and_not_a_number_pass_through():
    x = torch.tensor([float("nan"), float("inf"), -float("inf"), 1.0], device=DEVICE).view(1, 4, 1)
    stack = Case(1, 4, 1, 2, biases=0).stack(device=DEVICE)
    found, want = (run(stack._replace(x=x)).output for run in (triton_gpu.forward, reference.forward))
    torch.testing.assert_close(found, want, equal_nan=True, rtol=1e-5, atol=1e-6)


def test_it_says_what_it_cannot_do():
    problem = Problem(6, 3, 1, 128, 4, F64, "mps")
    said = triton_gpu.why_not(problem)
    for part in ("tensors on mps", "float64 (it takes float32, bfloat16, float16)", "projected states"):
        assert part in said
    assert triton_gpu.why_not(Problem(6, 3, 1, 128, 0, F32, DEVICE)) is None
    assert "an empty batch" in triton_gpu.why_not(Problem(6, 0, 1, 128, 0, F32, DEVICE))
