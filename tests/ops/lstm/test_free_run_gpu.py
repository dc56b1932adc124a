"""A stack that reads its own values by the CUDA kernel, built for the processor, against the definition in plain torch."""

import pytest
import torch

from fastgan.ops.lstm.free_run import free_run, kind_of_run
from fastgan.ops.lstm.free_run_gpu import OnGpu, why_not
from fastgan.ops.lstm.stepwise import Stepwise
from tests.ops.lstm import emulated
from tests.ops.lstm.emulated import A100, H100, MACHINES
from tests.ops.lstm.test_free_run import Case, net_of, starts, wide

pytestmark = [
    pytest.mark.skipif(emulated.why_not() is not None, reason=f"{emulated.why_not()}"),
    pytest.mark.usefixtures("device", "exact_products", "memory_full_of_nan"),
]

# One layer and several, windows of one step and more than a column of products, clips in one group and in several.
CASES = [
    *(Case(1, 16, 2, windows, clips) for windows in (0, 1, 6) for clips in (1, 5)),
    *(Case(1, 8, 1, windows, 3) for windows in (0, 2)),
    Case(2, 24, 1, 3, 7, biases=0),
    Case(3, 40, 3, 2, 2, biases=2),
    Case(8, 4, 2, 2, 2),
    Case(1, 4, 2, 11, 2),
    Case(1, 4, 2, 6, 17),
]


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_is_as_exact_as_the_definition(device, case, machine):
    device.emulate(*machine, CASES.index(case))  # threads take turns in another order each time
    net, start, steps = net_of(case, torch.float32), starts(case, torch.float32), 7
    assert why_not(net, case.clips, case.windows) is None
    truth = Stepwise(wide(net), case.clips, case.windows).run(steps, start.double())
    plain = Stepwise(net, case.clips, case.windows).run(steps, start)
    ours = OnGpu(net, case.clips, case.windows).run(steps, start)
    assert truth.std() > 1e-3, "values that stand still would hide a fault"
    allowed = 2 * (plain - truth).abs().max() + 16 * torch.finfo(torch.float32).eps * truth.abs().max()
    assert (ours - truth).abs().max() <= allowed


@pytest.mark.parametrize("machine", [H100, A100], ids=["clusters", "flags"])
def test_networks_of_the_papers_size(device, machine):
    device.emulate(*machine, 3)
    case = Case(1, 128, 2, 6, 1)
    net, start = net_of(case, torch.float32), starts(case, torch.float32)
    found = OnGpu(net, 1, 6).run(3, start)
    torch.testing.assert_close(found, Stepwise(net, 1, 6).run(3, start), rtol=1e-5, atol=1e-6)
    assert found.std() > 1e-3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("windows", [0, 6])
def test_short_numbers(dtype, windows):
    case = Case(1, 32, 2, windows, 3)
    net, start = net_of(case, dtype), starts(case, dtype)
    truth = Stepwise(wide(net), 3, windows).run(4, start.double())
    plain = Stepwise(net, 3, windows).run(4, start).double()
    ours = OnGpu(net, 3, windows).run(4, start)
    assert ours.dtype == dtype
    assert (ours - truth).abs().max() <= 2 * (plain - truth).abs().max() + torch.finfo(dtype).eps


@pytest.mark.parametrize("machine", [H100, A100], ids=["clusters", "flags"])
@pytest.mark.parametrize("case", [CASES[1], CASES[4], CASES[8]], ids=str)
def test_a_run_may_be_cut_into_calls(device, case, machine):
    device.emulate(*machine, 2)
    net, start = net_of(case, torch.float32), starts(case, torch.float32)
    whole = OnGpu(net, case.clips, case.windows).run(12, start)
    run = OnGpu(net, case.clips, case.windows)
    pieces = [run.run(1, start[:, :1]), run.run(2, start[:, 1:]), *(run.run(count) for count in (1, 7, 2))]
    assert torch.equal(torch.cat(pieces[1:], dim=1), whole)


def test_nan_stays_in_its_clip_and_leaves_with_its_window():
    case = Case(1, 16, 2, 4, 3)
    net, start = net_of(case, torch.float32), starts(case, torch.float32)
    clean = OnGpu(net, 3, 4).run(8, start)
    start[1, 0] = float("nan")
    made = OnGpu(net, 3, 4).run(8, start)
    assert made[1].isnan().all()  # the first prediction is NaN, and is read in turn
    assert torch.equal(made[[0, 2]], clean[[0, 2]])
    run = OnGpu(net, 3, 4)
    run.run(1, start)
    assert torch.equal(run.run(8, clean[:, :4]), OnGpu(net, 3, 4).run(8, clean[:, :4]))


def test_later_changes_of_the_weights_do_not_reach_a_run():
    case = Case(1, 8, 2, 3, 1)
    net, start = net_of(case, torch.float32), starts(case, torch.float32)
    want, run = OnGpu(net, 1, 3).run(5, start), OnGpu(net, 1, 3)
    for tensor in (*net.layers[0][:2], net.dense):
        tensor.fill_(float("nan"))
    assert torch.equal(run.run(5, start), want)


def test_who_runs_on_a_gpu(device):
    net, odd = net_of(Case(1, 8, 2, 6, 1), torch.float32), net_of(Case(1, 6, 2, 6, 1), torch.float32)
    assert kind_of_run(net, clips=1, windows=6, backend="cuda") is OnGpu
    assert isinstance(free_run(net, clips=1, windows=6, backend="cuda"), OnGpu)
    for backend in ("triton", "reference"):
        assert kind_of_run(net, clips=1, windows=6, backend=backend) is Stepwise
    short = net_of(Case(1, 8, 2, 6, 1), torch.bfloat16)  # which the processor's kernels do not take
    assert kind_of_run(short, clips=1, windows=6) is OnGpu
    assert kind_of_run(odd, clips=1, windows=6) is not OnGpu
    with pytest.raises(RuntimeError, match="6 hidden units"):
        free_run(odd, clips=1, windows=6, backend="cuda")
    assert "9 layers" in str(why_not(net_of(Case(1, 8, 9, 6, 1), torch.float32), 1, 6))
    assert "values of 9 numbers" in str(why_not(net_of(Case(9, 8, 2, 6, 1), torch.float32), 1, 6))
    device.emulate(*H100, 0)
    assert "2 layers for 1000 windows of 1 clips" in str(why_not(net, 1, 1000))  # which have to stay together
    assert why_not(net_of(Case(1, 128, 2, 6, 1), torch.float32), 100_000, 6) is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"numbers": (1, 1, 8, 1, 6, 2, 3)}, "shown are 0 or above"),
        ({"numbers": (1, 9, 8, 1, 6, 2, 1)}, "at most 8 numbers"),
        ({"numbers": (1, 1, 8, 2, 6, 2**30, 1)}, "more steps than a call counts"),
        ({"x": 0}, "x is null"),
        ({"states": 8}, "states does not begin at a multiple of 16 bytes"),
        ({"weights": [16, 16, 0]}, "four addresses"),
    ],
)
def test_the_library_checks_what_it_gets(device, change, says):
    given = {"kind": "float32", "device": 0, "stream": 0, "numbers": (1, 1, 8, 1, 6, 2, 1), "done": 0}
    given |= {
        "weights": [16, 16, 0, 0],
        "dense": 16,
        "bias": 0,
        "x": 16,
        "states": 16,
        "cells": 16,
        "next": 16,
        "out": 16,
    }
    with pytest.raises(ValueError, match=says):
        device.free_run(*(given | {"flags": 16} | change).values())
