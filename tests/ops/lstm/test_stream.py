"""Passes for many sequences, built for the processor: the same source on an emulated device, as in test_cuda.py."""

import dataclasses

import pytest
import torch

from fastgan.ops.lstm import autograd, cuda_gpu, reference, stream_gpu
from fastgan.ops.lstm.stack import check
from tests.ops.lstm import emulated
from tests.ops.lstm.cases import (
    Case,
    assert_fair,
    collect,
    error,
    flatten,
    leaves_of,
    names_of,
    over_draws,
    run_ours,
    seeds_for,
)
from tests.ops.lstm.emulated import A100, H100

pytestmark = [
    pytest.mark.skipif(emulated.why_not() is not None, reason=f"{emulated.why_not()}"),
    pytest.mark.usefixtures("device", "exact_products", "memory_full_of_nan"),
]

BF16, F16, F64 = torch.bfloat16, torch.float16, torch.float64
FEWEST = stream_gpu.FEWEST
FEW_PROCESSORS = (1, 16, 0, 0, 227 * 1024)  # eight warps share what goes by, four of them a phase later
DROPPED = Case(4, 5, 3, 16, layers=3, states=True, dropout=True)
CASES = [
    Case(1, 1, 1, 8),
    Case(6, 37, 1, 128, layers=2),
    Case(3, 40, 16, 72, layers=2, states=True),  # 72 units are filled up to 128
    Case(3, 2, 64, 8),  # more inputs than units
    Case(2, 18, 120, 128, states=True),
    Case(3, 2, 8, 40, biases=1),
    Case(3, 2, 2, 40, biases=0),
    Case(2, 70, 16, 40, layers=2, states=True),
    Case(2, 70, 1, 40, layers=2),
    DROPPED,
]


@pytest.fixture(autouse=True)
def however_few(monkeypatch):
    monkeypatch.setattr(stream_gpu, "FEWEST", 1)


def short(case, dtype=BF16):
    stack = check(dataclasses.replace(case, dtype=dtype).stack())
    assert stream_gpu.takes(stack)
    return stack


@pytest.mark.parametrize(
    ("case", "machine", "dtype"),
    [
        *((case, H100, BF16) for case in CASES),
        *((case, FEW_PROCESSORS, F16) for case in CASES),
        (CASES[1], A100, BF16),
        (CASES[2], FEW_PROCESSORS, BF16),
    ],
    ids=str,
)
def test_no_worse_than_the_definition_in_the_same_numbers(device, case, machine, dtype):
    def run(seed):
        stack = check(case.stack(grad=True, seed=seed))
        assert stream_gpu.takes(stack)
        return collect(autograd.run(cuda_gpu.BACKEND, stack), leaves_of(stack))

    device.emulate(*machine, 1)
    case = dataclasses.replace(case, dtype=dtype)
    fair, truth = run_ours(case, "reference"), run_ours(case, "reference", F64)
    assert_fair(over_draws(case, run), fair, truth)


def test_any_backward_reads_what_any_forward_left(monkeypatch):
    stack = short(DROPPED)
    ours = cuda_gpu.forward(stack)
    monkeypatch.setattr(stream_gpu, "FEWEST", 10**9)
    theirs = cuda_gpu.forward(stack)
    everything = [name != "masks" for name in names_of(stack)]
    seeds = seeds_for(ours[:3])
    found = []
    for fewest in (1, 10**9):
        monkeypatch.setattr(stream_gpu, "FEWEST", fewest)
        found += [flatten(cuda_gpu.backward(stack, trace, *seeds, everything)) for trace in (ours, theirs)]
    want = flatten(reference.backward(stack, theirs, *seeds, everything))
    for others in found:
        for one, other in zip(others, want, strict=True):
            assert one is other is None or error(one, other.double()) < 0.02


@pytest.mark.parametrize("case", [DROPPED, Case(2, 70, 1, 40, layers=2)], ids=str)
def test_same_bits_whoever_runs_first(device, case):
    stack, found = short(case), []
    everything = [name != "masks" for name in names_of(stack)]
    for seed in range(4):
        device.emulate(*FEW_PROCESSORS, seed)
        trace = cuda_gpu.forward(stack)
        gradients = cuda_gpu.backward(stack, trace, *seeds_for(trace[:3]), everything)
        found.append([one for one in (*trace, *flatten(gradients)) if one is not None])
    for others in found[1:]:
        for one, other in zip(found[0], others, strict=True):
            assert torch.equal(one, other)


def test_a_sequence_has_the_same_bits_alone():
    stack = short(Case(4, 39, 3, 24, layers=2))
    alone = stack.with_tensors([stack.x[:, 19:20], *stack.tensors()[1:]])._replace(layout=None)
    assert torch.equal(cuda_gpu.forward(stack).output[:, 19:20], cuda_gpu.forward(check(alone)).output)


def test_nothing_is_kept_when_nothing_follows():
    stack = short(DROPPED)
    kept, bare = cuda_gpu.forward(stack), cuda_gpu.forward(stack, keep=False)
    assert bare.cells is bare.gates is None
    assert torch.equal(kept.output, bare.output)
    assert torch.equal(kept.c_n, bare.c_n)


def test_only_what_is_wanted():
    stack = short(DROPPED)
    trace = cuda_gpu.forward(stack)
    wanted = [name in ("w_hh[0]", "b_hh[1]") for name in names_of(stack)]
    found = flatten(cuda_gpu.backward(stack, trace, *trace[:3], wanted))
    names = [name for name in names_of(stack) if name != "masks"]
    assert [name for name, value in zip(names, found, strict=True) if value is not None] == ["w_hh[0]", "b_hh[1]"]


@pytest.mark.parametrize("dtype", [BF16, F16], ids=str)
def test_infinities_and_not_a_number_pass_through(dtype):
    x = torch.tensor([float("nan"), float("inf"), -float("inf"), 1.0], dtype=dtype).view(1, 4, 1)
    stack = short(Case(1, 4, 1, 8, biases=0), dtype)._replace(x=x)
    found, want = (run(stack).output for run in (cuda_gpu.forward, reference.forward))
    torch.testing.assert_close(found, want, equal_nan=True, rtol=2e-2, atol=1e-3)


def test_who_goes_this_way(device, monkeypatch):
    monkeypatch.setattr(stream_gpu, "FEWEST", FEWEST)

    def streams(case, dtype=BF16):
        return stream_gpu.takes(check(dataclasses.replace(case, dtype=dtype).stack()))

    many = FEWEST
    assert streams(Case(1, many, 1, 128))
    assert streams(Case(1, many, 128, 128, layers=2), F16)
    refused = [
        Case(1, many - 1, 1, 128),
        Case(1, many, 1, 136),
        Case(1, many, 136, 128),
        Case(1, many, 9, 128),
        Case(1, many, 1, 16, directions=2),
        Case(2, many, 1, 16, lengths=(2,) * (many - 1) + (1,)),
    ]
    assert not any(streams(case) for case in refused)
    assert not streams(Case(1, many, 1, 128), torch.float32)
    device.emulate(132, 16, 16, 7, 100 * 1024, 0)
    assert not streams(Case(1, many, 1, 128))  # no room for its slabs


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("stream_forward", ((1, 0, 1, 8), [16] * 4, *[16] * 11), "sizes have to be above 0"),
        ("stream_forward", ((1, 1, 1, 8), [16, 0, 0, 0], *[16] * 11), "w_hh is null"),
        ("stream_forward", ((1, 1, 1, 8), [16] * 4, 16, 16, 0, 0, 8, *[16] * 6), "mask does not begin at a multiple"),
        ("stream_forward", ((1, 1, 1, 8), [16] * 4, 16, 16, 0, 0, 0, 16, 0, 16, 0, 16, 16), "gates is null"),
        ("stream_backward", ((1, 1, 8, 8), 0, *[16] * 10), "w_hh is null"),
        ("stream_backward", ((1, 1, 8, 8), *[16] * 9, 16, 0), "d_c0 is null"),
    ],
)
def test_the_library_checks_what_it_gets(device, name, arguments, says):
    with pytest.raises(ValueError, match=says):
        getattr(device, name)("bfloat16", 0, 0, *arguments)


def test_layers_too_large_are_refused_by_the_library_too(device):
    with pytest.raises(RuntimeError, match="no room"):
        device.stream_forward("bfloat16", 0, 0, (1, 1, 1, 136), [16] * 4, *[16] * 11)
