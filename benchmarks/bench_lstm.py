"""Claim: FusedLSTM on a CPU against torch.nn.LSTM, forward and backward and for inference alone.

Both run in one process and take turns, so that whatever else the machine does falls on both. The answers are compared
before anything is timed. `extra_info` of each row has the baseline's seconds and the median of the turns' ratios
(above 1: FusedLSTM is faster); the table's own times are those of FusedLSTM.

    python -m pytest benchmarks/bench_lstm.py --benchmark-columns=median,iqr,rounds -s
"""

import statistics
from dataclasses import dataclass

import pytest
import torch
from turns import TURNS, ratio, take_turns

from fastgan import FusedLSTM
from fastgan.ops.lstm import backends


@dataclass(frozen=True)
class Case:
    """Sizes of one LSTM and its input."""

    steps: int
    batch: int
    inputs: int
    hidden: int
    layers: int

    def __str__(self) -> str:
        return f"T{self.steps}B{self.batch}I{self.inputs}H{self.hidden}L{self.layers}"


CASES = [Case(6, 3, 1, 128, 2), Case(6, 32, 1, 128, 2), Case(6, 512, 1, 128, 2), Case(64, 32, 64, 256, 2)]
NO_CPU = dict(backends())["cpu"]


def work(module: torch.nn.Module, x: torch.Tensor, kind: str) -> torch.Tensor:
    if kind == "inference":
        with torch.no_grad():
            return module(x)[0]
    output = module(x)[0]
    output.sum().backward()
    return output


def check(ours: torch.nn.Module, theirs: torch.nn.Module, x: torch.Tensor, kind: str) -> None:
    torch.testing.assert_close(work(ours, x, kind), work(theirs, x, kind), rtol=1e-4, atol=1e-5)
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        if kind == "training":
            scale = other.grad.abs().max().item()
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-5 * scale)
        one.grad = other.grad = None


@pytest.fixture(params=[1, 2], ids=lambda count: f"{count}threads")
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.skipif(NO_CPU is not None, reason=f"{NO_CPU}")
@pytest.mark.parametrize("kind", ["training", "inference"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_lstm(benchmark, case, kind, threads):
    torch.manual_seed(0)
    theirs = torch.nn.LSTM(case.inputs, case.hidden, case.layers)
    ours = FusedLSTM(case.inputs, case.hidden, case.layers, backend="cpu")
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(case.steps, case.batch, case.inputs)
    check(ours, theirs, x, kind)

    calls = {"torch": lambda: work(theirs, x, kind), "fastgan": lambda: work(ours, x, kind)}
    times = take_turns(calls)
    middle, low, high = ratio(times, "torch", "fastgan")
    benchmark.extra_info.update(
        baseline="torch.nn.LSTM",
        threads=threads,
        instruction_set=instruction_set(),
        torch_seconds=statistics.median(times["torch"]),
        fastgan_seconds=statistics.median(times["fastgan"]),
        ratio=middle,
        ratio_20_80=[low, high],
    )
    print(f"\n{case} {kind}, {threads} threads: {middle:.2f} x torch ({low:.2f} to {high:.2f})")
    benchmark.pedantic(calls["fastgan"], rounds=TURNS)


def instruction_set() -> str:
    from fastgan.ops import native

    library = native.library()
    assert library is not None
    return str(library.instruction_set())
