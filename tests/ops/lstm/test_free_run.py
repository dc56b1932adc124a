"""A stack that reads its own values, natively, against the definition in plain torch."""

import math
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from fastgan.ops import native
from fastgan.ops.lstm.free_run import Native, free_run
from fastgan.ops.lstm.stepwise import Layer, Net, Stepwise

needs_native = pytest.mark.skipif(native.why_not() is not None, reason=str(native.why_not()))


class Case(NamedTuple):
    """Values D, units H, layers L, windows n (0: carried), clips B."""

    values: int
    hidden: int
    layers: int
    windows: int
    clips: int
    biases: int = 1

    def __str__(self) -> str:
        return "-".join(map(str, self))


# One row and full tiles, thin and deep inputs, part and several vectors, sums in several parts, one block and several.
CASES = [
    *(Case(1, 128, 2, windows, clips) for windows in (0, 1, 2, 6, 15) for clips in (1, 3)),
    *(Case(16, hidden, 2, 6, 3) for hidden in (1, 5, 16, 130)),
    *(Case(1, hidden, 1, windows, 1) for hidden in (1, 5, 16, 130) for windows in (0, 1, 6)),
    *(Case(64, 16, 3, windows, 17) for windows in (0, 1, 2, 6, 15)),
    *(Case(5, 130, 3, windows, 2) for windows in (0, 2)),
    *(Case(1, 5, 2, 6, 40, biases) for biases in (0, 2)),
    Case(3, 16, 1, 0, 230),
    Case(2, 5, 2, 120, 3),
]


def net_of(case: Case, dtype: torch.dtype, seed: int = 0) -> Net:
    """Weights three times as steep as those of new networks, which stand still after a few values."""
    random = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> Tensor:
        bound = 3 / math.sqrt(case.hidden)
        return ((torch.rand(*shape, generator=random, dtype=torch.float64) * 2 - 1) * bound).to(dtype)

    gates, layers = 4 * case.hidden, list[Layer]()
    for layer in range(case.layers):
        first, second = (drawn(gates) if case.biases > which else None for which in (0, 1))
        layers.append((drawn(gates, case.hidden if layer else case.values), drawn(gates, case.hidden), first, second))
    return Net(layers, drawn(case.values, case.hidden), drawn(case.values) if case.biases else None)


def starts(case: Case, dtype: torch.dtype) -> Tensor:
    random = torch.Generator().manual_seed(1)
    return torch.randn(case.clips, max(case.windows, 3), case.values, generator=random, dtype=torch.float64).to(dtype)


def wide(net: Net) -> Net:
    """The same in float64."""
    layers = [tuple(None if part is None else part.double() for part in layer) for layer in net.layers]
    return Net(layers, net.dense.double(), None if net.dense_bias is None else net.dense_bias.double())  # type: ignore[arg-type]


@needs_native
@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_is_the_definition(case: Case) -> None:
    steps = 300 if case.hidden * case.clips * max(case.windows, 1) < 1000 else 40
    net, start = net_of(case, torch.float64), starts(case, torch.float64)
    truth = Stepwise(net, case.clips, case.windows).run(steps, start)
    ours = Native(net, case.clips, case.windows).run(steps, start)
    assert truth[:, :10].std() > 1e-5, "values that stand still from the start would hide a fault"
    torch.testing.assert_close(ours, truth, rtol=1e-12, atol=1e-12)


@needs_native
@pytest.mark.parametrize("case", CASES, ids=str)
def test_float32_is_as_exact_as_the_definition(case: Case) -> None:
    net, start = net_of(case, torch.float32), starts(case, torch.float32)
    truth = Stepwise(wide(net), case.clips, case.windows).run(5, start.double())
    plain = Stepwise(net, case.clips, case.windows).run(5, start)
    ours = Native(net, case.clips, case.windows).run(5, start)
    allowed = 2 * (plain - truth).abs().max() + 16 * torch.finfo(torch.float32).eps * truth.abs().max()
    assert (ours - truth).abs().max() <= allowed


@needs_native
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_bits_depend_on_nothing_else(case: Case, dtype: torch.dtype) -> None:
    """Neither on how a run is cut into calls, nor on threads, nor on the clips beside it."""
    net, start, steps = net_of(case, dtype), starts(case, dtype), 60
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        whole = Native(net, case.clips, case.windows).run(steps, start)
        alone = Native(net, 1, case.windows).run(steps, start[-1:])
        torch.set_num_threads(3)
        run = Native(net, case.clips, case.windows)
        pieces = [run.run(1, start[:, :1]), run.run(3, start[:, 1:]), *(run.run(count) for count in (1, 2, 37, 17))]
        assert {1, 3} <= run._took.keys()
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(torch.cat(pieces[1:], dim=1), whole)
    assert torch.equal(alone[0], whole[-1])


@needs_native
@pytest.mark.parametrize("windows", [0, 6])
@pytest.mark.parametrize("name", native.library().instruction_sets() if native.library() else [])
def test_every_instruction_set(name: str, windows: int) -> None:
    case, library = Case(2, 21, 2, windows, 5), native.library()
    assert library is not None
    net, start = net_of(case, torch.float64), starts(case, torch.float64)
    chosen = library.instruction_set()
    try:
        library.use_instruction_set(name)
        run = Native(net, case.clips, windows)
        library.use_instruction_set("auto")  # a run goes on with the set that its weights are packed for
        ours = torch.cat((run.run(50, start), run.run(50)), dim=1)
    finally:
        library.use_instruction_set(chosen)
    truth = Stepwise(net, case.clips, windows).run(100, start)
    torch.testing.assert_close(ours, truth, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", [Stepwise, pytest.param(Native, marks=needs_native)])
def test_nan_stays_in_its_clip_and_leaves_with_its_window(kind: type[Stepwise] | type[Native]) -> None:
    case = Case(1, 20, 2, 4, 3)
    net, start = net_of(case, torch.float64), starts(case, torch.float64)
    clean = kind(net, 3, 4).run(20, start)
    start[1, 0] = float("nan")
    made = kind(net, 3, 4).run(20, start)
    assert made[1].isnan().all()  # the first prediction is NaN, and is read in turn
    torch.testing.assert_close(made[[0, 2]], clean[[0, 2]], rtol=0, atol=0)
    run = kind(net, 3, 4)
    run.run(1, start)
    torch.testing.assert_close(run.run(20, clean[:, :4]), kind(net, 3, 4).run(20, clean[:, :4]), rtol=0, atol=0)


@needs_native
def test_a_new_run_knows_nothing_of_memory_that_was_used() -> None:
    case = Case(1, 64, 2, 6, 2)
    net, start = net_of(case, torch.float32), starts(case, torch.float32)
    first = Native(net, 2, 6).run(50, start)
    Native(Net(net.layers, net.dense * np.inf, net.dense_bias), 2, 6).run(50, start)
    assert torch.equal(Native(net, 2, 6).run(50, start), first)


@needs_native
def test_later_changes_of_the_weights_do_not_reach_a_run() -> None:
    case = Case(1, 20, 2, 6, 1)
    net, start = net_of(case, torch.float64), starts(case, torch.float64)
    want = Native(net, 1, 6).run(20, start)
    run = Native(net, 1, 6)
    for tensor in (*net.layers[0][:2], net.dense):
        tensor.fill_(float("nan"))
    assert torch.equal(run.run(20, start), want)


def test_who_runs_what() -> None:
    net = net_of(Case(1, 4, 2, 6, 1), torch.float32)
    short = net_of(Case(1, 4, 2, 6, 1), torch.bfloat16)
    assert isinstance(free_run(net, clips=1, windows=6, backend="reference"), Stepwise)
    assert isinstance(free_run(short, clips=1, windows=6), Stepwise)
    assert free_run(short, clips=2, windows=6).run(3, torch.zeros(2, 6, 1, dtype=torch.bfloat16)).shape == (2, 3, 1)
    with pytest.raises(RuntimeError, match="bfloat16"):
        free_run(short, clips=1, windows=6, backend="cpu")
    assert isinstance(free_run(net, clips=1, windows=6), Stepwise if native.why_not() else Native)


def test_what_does_not_fit_is_refused() -> None:
    net = net_of(Case(1, 4, 2, 6, 1), torch.float32)
    with pytest.raises(ValueError, match="clips is 0"):
        free_run(net, clips=0, windows=6)
    with pytest.raises(ValueError, match=r"layer 1 has weights \(16, 1\)"):
        free_run(net._replace(layers=[net.layers[0], net.layers[0]]), clips=1, windows=6)


@needs_native
def test_sizes_are_checked_before_memory_is_touched() -> None:
    net = net_of(Case(1, 4, 2, 6, 1), torch.float32)
    run = Native(net, 1, 6)
    with pytest.raises(ValueError, match="steps has to be above 0"):
        run.run(0)
    with pytest.raises(ValueError, match="shown from 0 to steps"):
        run._run.run(2, 3, net.dense.data_ptr(), net.dense.data_ptr(), 1)
    with pytest.raises(ValueError, match="x is null"):
        run._run.run(2, 1, 0, net.dense.data_ptr(), 1)
