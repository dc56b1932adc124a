"""The CUDA kernels, built for the processor: the same source, with threads, barriers and the warps' products emulated."""

import dataclasses

import pytest
import torch

from fastgan.nn import FusedLSTM
from fastgan.ops.lstm import autograd, cuda_gpu, lstm, reference, table_for
from fastgan.ops.lstm.second import second as by_hand
from fastgan.ops.lstm.stack import Gradients
from fastgan.ops.registry import Problem
from tests.ops.lstm import emulated
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
from tests.ops.lstm.emulated import A100, H100, MACHINES, SMALL_BLOCKS, SMALL_BLOCKS_APART

pytestmark = [
    pytest.mark.skipif(emulated.why_not() is not None, reason=f"{emulated.why_not()}"),
    pytest.mark.usefixtures("device", "exact_products", "memory_full_of_nan"),
]

F32, F64 = torch.float32, torch.float64
DROPPED = Case(4, 5, 3, 16, layers=3, states=True, dropout=True)
PACKED = Case(6, 5, 3, 32, layers=2, states=True, dropout=True, lengths=(6, 6, 4, 2, 1))
BOTH_WAYS = Case(5, 4, 9, 24, directions=2, layers=2, dropout=True, lengths=(5, 5, 3, 2))
SPANS = Case(2, 3, 9, 200)  # a row of w_hh has 800 bytes, a column 3,200
CASES = [
    Case(1, 1, 1, 4),
    Case(1, 3, 1, 20, states=True, layers=2),
    Case(6, 3, 1, 32, layers=2),
    Case(5, 2, 4, 8, biases=0, states=True),
    Case(3, 17, 40, 40, biases=1),
    Case(1, 2, 3, 8, lengths=(1, 1), states=True),
    Case(7, 1, 9, 16, layers=9),
    Case(3, 70, 2, 12),
    DROPPED,
    PACKED,
    BOTH_WAYS,
    SPANS,
]


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_worse_than_torch(device, case, machine):
    device.emulate(*machine, 1)
    if cuda_gpu.why_not(
        Problem(case.steps, case.batch, case.inputs, case.hidden, 0, F32, "cpu", False, case.directions)
    ):
        pytest.skip("more than this device holds")
    assert_fair(run_ours(case, "cuda"), run_torch(case), run_ours(case, "reference", F64))


def test_most_cases_fit_every_device(device):
    refused = []
    for name, machine in MACHINES.items():
        device.emulate(*machine, 0)
        problems = [Problem(c.steps, c.batch, c.inputs, c.hidden, 0, F32, "cpu", False, c.directions) for c in CASES]
        refused += [
            (name, str(case)) for case, problem in zip(CASES, problems, strict=True) if cuda_gpu.why_not(problem)
        ]
    assert {case for _, case in refused} <= {str(SPANS)}  # 7 spans in a column are more than 2 or 3 warps


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("case", [Case(6, 3, 1, 32, layers=2), DROPPED, PACKED, BOTH_WAYS, Case(2, 3, 9, 264)], ids=str)
def test_short_numbers(case, dtype):
    def run(seed):  # on the processor the op would widen them first
        stack = case.stack(grad=True, seed=seed)
        return collect(autograd.run(cuda_gpu.BACKEND, stack), leaves_of(stack))

    case = dataclasses.replace(case, dtype=dtype)
    fair, truth = run_ours(case, "reference"), run_ours(case, "reference", F64)
    assert_fair(over_draws(case, run), fair, truth)


def test_a_layer_over_sixty_four_blocks(device):
    device.emulate(132, 9, 0, 0, H100[-1], 1)  # eight units of a block forth; back nine spans of a column
    stack = dataclasses.replace(Case(2, 2, 9, 520), dtype=torch.bfloat16).stack()
    trace, want = cuda_gpu.forward(stack), reference.forward(stack)
    everything = [name != "masks" for name in names_of(stack)]
    seeds = seeds_for(want[:3])
    found, fair = (run(stack, want, *seeds, everything) for run in (cuda_gpu.backward, reference.backward))
    for one, other in zip((*trace[:3], *flatten(found)), (*want[:3], *flatten(fair)), strict=True):
        assert one is other is None or error(one, other.double()) < 0.02


def test_tf32_is_as_long_as_it_says():
    case = Case(3, 4, 20, 64, layers=2)
    truth, exact = run_ours(case, "reference", F64), run_ours(case, "cuda")
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=True):
        short = run_ours(case, "cuda")
    assert 2e-6 < error(short["h_n"], truth["h_n"]) < 64**0.5 * 2**-11
    assert error(exact["h_n"], truth["h_n"]) < 1e-6


@pytest.mark.parametrize("machine", [H100, SMALL_BLOCKS_APART], ids=str)
@pytest.mark.parametrize("case", [DROPPED, PACKED, BOTH_WAYS, Case(3, 2, 1, 8)], ids=str)
def test_any_backward_reads_what_any_forward_left(device, case, machine):
    device.emulate(*machine, 2)
    stack = case.stack()
    assert_any_backward_reads_any_forward(cuda_gpu.BACKEND, stack)


def test_only_what_is_wanted():
    stack = PACKED.stack()
    trace = cuda_gpu.forward(stack)
    wanted = [name in ("c0", "w_hh[0]", "b_hh[1]") for name in names_of(stack)]
    found = flatten(cuda_gpu.backward(stack, trace, *trace[:3], wanted))
    names = [name for name in names_of(stack) if name != "masks"]
    assert [name for name, value in zip(names, found, strict=True) if value is not None] == ["c0", "w_hh[0]", "b_hh[1]"]


def test_nothing_is_kept_when_nothing_follows():
    stack = DROPPED.stack()
    kept, bare = cuda_gpu.forward(stack), cuda_gpu.forward(stack, keep=False)
    assert bare.cells is bare.gates is None
    assert torch.equal(kept.output, bare.output)
    assert torch.equal(kept.c_n, bare.c_n)


def test_a_gradient_penalty():
    def penalty(backend, dtype):
        stack = Case(3, 3, 2, 16, layers=2).stack(dtype, grad=True)
        output, _, _ = lstm(stack, backend=backend)
        (slope,) = torch.autograd.grad(output.sum(), stack.x, create_graph=True)
        return torch.autograd.grad((slope.norm(dim=(0, 2)) - 1).square().mean(), list(leaves_of(stack).values()))

    truth, fair = penalty("reference", F64), penalty("reference", F32)
    for one, other, want in zip(penalty("cuda", F32), fair, truth, strict=True):
        assert error(one, want) <= 2 * error(other, want) + 8 * torch.finfo(F32).eps


def test_compiled_whole():
    module = FusedLSTM(3, 8, num_layers=2, backend="cuda")
    x = torch.randn(4, 2, 3, requires_grad=True)
    found, want = (run(x)[0] for run in (torch.compile(module, fullgraph=True, backend="aot_eager"), module))
    assert torch.equal(found, want)
    gradients = [torch.autograd.grad(output.square().sum(), (x, *module.parameters())) for output in (found, want)]
    for one, other in zip(*gradients, strict=True):
        assert torch.equal(one, other)


def test_few_sequences_share_the_weights_and_many_have_programs_or_warps_of_their_own(device):
    def first(batch: int, dtype: torch.dtype = F32, **more: object) -> str:
        return table_for(Problem(6, batch, 1, 128, 0, dtype, "cpu", **more))[1].name

    assert [first(batch) for batch in (1, 4096, 4097, 65_536)] == ["cuda", "cuda", "triton", "triton"]
    assert [first(batch, torch.bfloat16) for batch in (1, 4097, 65_536)] == ["cuda", "cuda", "cuda"]
    assert [first(65_536, torch.half, **{name: 2}) for name in ("packed", "directions")] == ["triton", "triton"]


@pytest.mark.parametrize("without_triton", [False, True])
def test_second_order(monkeypatch, without_triton):
    if without_triton:
        monkeypatch.setattr(cuda_gpu.triton_gpu, "why_not_here", lambda: "not installed")
    stack = Case(3, 2, 3, 8, layers=2, states=True).stack()
    trace = cuda_gpu.forward(stack)
    everything = [name != "masks" for name in names_of(stack)]
    u = Gradients(stack.x * 0.5, stack.h0, stack.c0, tuple(stack.weights))
    for one, other in zip(
        *(run(stack, trace, *seeds_for(trace[:3]), u, everything)[0] for run in (cuda_gpu.second, by_hand)), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("machine", [H100, SMALL_BLOCKS, SMALL_BLOCKS_APART], ids=str)
@pytest.mark.parametrize("case", [Case(5, 9, 3, 24, layers=2), PACKED], ids=str)
def test_same_bits_whoever_runs_first(device, case, machine):
    stack, found = case.stack(), []
    everything = [name != "masks" for name in names_of(stack)]
    for seed in range(4):
        device.emulate(*machine, seed)
        trace = cuda_gpu.forward(stack)
        gradients = cuda_gpu.backward(stack, trace, *seeds_for(trace[:3]), everything)
        found.append([one for one in (*trace, *flatten(gradients)) if one is not None])
    for others in found[1:]:
        for one, other in zip(found[0], others, strict=True):
            assert torch.equal(one, other)


def test_a_sequence_has_the_same_bits_alone():
    stack = Case(4, 19, 3, 24, layers=2).stack()
    alone = stack.with_tensors([stack.x[:, 9:10], *stack.tensors()[1:]])._replace(layout=None)
    assert torch.equal(cuda_gpu.forward(stack).output[:, 9:10], cuda_gpu.forward(alone).output)


def test_infinities_and_not_a_number_pass_through():
    x = torch.tensor([float("nan"), float("inf"), -float("inf"), 1.0]).view(1, 4, 1)
    stack = Case(1, 4, 1, 4, biases=0).stack()
    found, want = (run(stack._replace(x=x)).output for run in (cuda_gpu.forward, reference.forward))
    torch.testing.assert_close(found, want, equal_nan=True, rtol=1e-5, atol=1e-6)


def test_tensors_on_odd_addresses_are_moved():
    stack = Case(3, 2, 3, 8, states=True).stack()
    odd = [
        None if one is None else torch.empty(one.numel() + 1)[1:].view(one.shape).copy_(one) for one in stack.tensors()
    ]
    assert any(one is not None and one.data_ptr() % 16 for one in odd)
    for one, other in zip(cuda_gpu.forward(stack.with_tensors(odd)), cuda_gpu.forward(stack), strict=True):
        assert one is other is None or torch.equal(one, other)


def test_layers_go_together_where_their_group_is_a_cluster(device):
    def together(hidden, layers, kind, machine, directions=1, batch=32):
        device.emulate(*machine, 0)
        numbers = (6, batch, 1, hidden, layers, directions, 6 * batch, 0)
        return [device.layers_together(kind, 0, numbers, backward) for backward in (False, True)]

    for kind in ("bfloat16", "tf32"):
        assert together(128, 2, kind, H100) == [2, 2]  # the paper's networks: one launch each way
        assert together(128, 2, kind, A100) == [2, 2]
    assert together(512, 2, "bfloat16", H100, batch=64) == [1, 1]  # one layer fits a cluster, two do not
    assert together(128, 2, "bfloat16", H100, directions=2) == [1, 1]
    assert together(1024, 1, "float16", H100, batch=128) == [1, 1]
    assert together(1024, 1, "float16", H100, batch=5000)[0] == 0  # all blocks have to run at once
    assert together(1024, 1, "tf32", H100)[1] == 0
    assert together(128, 2, "bfloat16", H100, batch=100_000) == [2, 2]  # clusters take turns


def test_it_says_what_it_cannot_do(device):
    said = cuda_gpu.why_not(Problem(6, 3, 1, 130, 4, F64, "mps"))
    for part in ("tensors on mps (it takes cpu)", "float64 (it takes", "projected states"):
        assert part in said
    assert cuda_gpu.why_not(Problem(6, 3, 1, 128, 0, F32, "cpu")) is None
    assert "130 hidden units (it takes multiples of 4)" in cuda_gpu.why_not(Problem(6, 3, 1, 130, 0, F32, "cpu"))
    assert "132 hidden units (it takes multiples of 8)" in cuda_gpu.why_not(Problem(6, 3, 1, 132, 0, torch.half, "cpu"))
    assert "an empty batch" in cuda_gpu.why_not(Problem(6, 0, 1, 128, 0, F32, "cpu"))
    assert "more than the registers" in cuda_gpu.why_not(Problem(6, 3, 1, 2048, 0, F32, "cpu"))
    with pytest.raises(RuntimeError, match="cannot run this: 6 hidden units"):
        lstm(Case(2, 2, 1, 6).stack(), backend="cuda")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"weights": [0, 0, 0, 0]}, "w_hh is null"),
        ({"numbers": (0, 1, 1, 8, 1, 1, 1, 0)}, "sizes have to be above 0"),
        ({"layers": (0, 2)}, "no such layers"),
        ({"kind": "float64"}, "no kind of numbers float64"),
        ({"x": (32, 8, 0, 0, 0)}, "sums does not begin at a multiple of 16 bytes"),
    ],
)
def test_the_library_checks_what_it_gets(device, change, says):
    given = {"kind": "float32", "device": 0, "stream": 0, "numbers": (1, 1, 1, 8, 1, 1, 1, 0), "layers": (0, 1)}
    given |= {"weights": [16, 16, 0, 0], "x": (16, 0, 0, 0, 0), "trace": [16, 16, 16, 0, 0, 0, 0], "flags": 16} | change
    with pytest.raises(ValueError, match=says):
        device.forward(*(one for name in given for one in (given[name] if name == "x" else [given[name]])))
