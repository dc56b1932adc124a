"""torch.nn.LSTM and FusedLSTM with the same weights: the same answers first, then the clock."""

import statistics
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from benchmarks import finer
from benchmarks.cases import INFERENCE, PENALTY, TRAINING, WORKLOADS, Case
from benchmarks.rows import Row
from benchmarks.turns import SECONDS, TURNS, Times, middle, ratio, take_turns
from fastgan import FusedLSTM

Call = Callable[[], object]
Result = tuple[Tensor, tuple[Tensor, Tensor]]  # output, h_n, c_n
Answers = dict[str, Tensor]
Truth = Answers | dict[str, np.ndarray]

MATMUL = 1024  # rows and columns of the product that stands for the machine's peak
ROUNDINGS = 4.0  # by which an answer may be off, relative to its largest value, however exact torch is
DRAWS = 8  # of weights and input that are compared when a case is small: with a handful of numbers, one may be luck
FEW_OPERATIONS = 1e7


class Player:
    """An LSTM, its input and what it does with it.

    Args:
        case: the sizes.
        dtype: of all numbers; they are drawn in float32, so that every dtype gets the same.
        ours: FusedLSTM, else torch.nn.LSTM.
        padded: whether the sequences of a packed case run as one padded batch.
        seed: of weights and input.
    """

    def __init__(self, case: Case, dtype: torch.dtype, ours: bool, *, padded: bool = False, seed: int = 0):
        random = torch.Generator().manual_seed(seed)

        def draw(*shape: int) -> Tensor:
            return torch.randn(shape, generator=random)

        sizes = case.inputs, case.hidden, case.layers
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.module: nn.Module = nn.LSTM(*sizes, bidirectional=case.directions == 2)
        if ours:
            weights = self.module.state_dict()
            self.module = FusedLSTM(*sizes, bidirectional=case.directions == 2, backend="cpu")
            self.module.load_state_dict(weights)
        self.module.to(dtype)
        self.weights = list(self.module.parameters())
        lengths = torch.randint(1, case.steps + 1, (case.batch,), generator=random)
        steps = int(lengths.max()) if case.packed else case.steps
        x = draw(steps, case.batch, case.inputs).to(dtype)
        self.leaves = {"x": x}
        if case.states:
            places = case.layers * case.directions
            self.leaves |= {name: draw(places, case.batch, case.hidden).to(dtype) for name in ("h_0", "c_0")}
        self.hx = (self.leaves["h_0"], self.leaves["c_0"]) if case.states else None
        self.deep = case.deep
        self.input: Tensor | PackedSequence = x
        self.rows = steps * case.batch
        if case.packed and not padded:
            self.input = pack_padded_sequence(x, lengths, enforce_sorted=False)
            self.rows = int(lengths.sum())
        shape = (*self.data(self.input).shape[:-1], case.hidden * case.directions)
        self.cotangent = draw(*shape).to(dtype)

    @staticmethod
    def data(sequence: Tensor | PackedSequence) -> Tensor:
        """The values of a sequence, packed or not."""
        return sequence.data if isinstance(sequence, PackedSequence) else sequence

    def prepare(self, workload: str) -> Callable[[], Result]:
        """Mark whose gradients are wanted; gives the call that is timed."""
        wanted = workload == PENALTY or (workload == TRAINING and self.deep)
        for leaf in self.leaves.values():
            leaf.requires_grad_(wanted)
        return {INFERENCE: self.infer, TRAINING: self.train, PENALTY: self.penalise}[workload]

    def infer(self) -> Result:
        """Forward without gradients."""
        with torch.no_grad():
            output, states = self.module(self.input, self.hx)
        return self.data(output), states

    def train(self) -> Result:
        """Forward, and backward from a fixed random gradient of the output."""
        self.forget()
        output, states = self.module(self.input, self.hx)
        self.data(output).backward(self.cotangent)
        return self.data(output), states

    def penalise(self) -> Result:
        """A gradient penalty: how steep each sequence's summed output is, drawn towards 1."""
        self.forget()
        x = self.leaves["x"]
        output, states = self.module(x, self.hx)
        (slope,) = torch.autograd.grad(output.sum(), x, create_graph=True)
        (slope.norm(dim=(0, 2)) - 1).square().mean().backward()
        return output, states

    def truth(self, workload: str) -> dict[str, np.ndarray]:
        """The same in numbers finer than float64, for plain cases."""
        if not finer.POSSIBLE:
            pytest.skip(finer.IMPOSSIBLE)
        cotangent = self.cotangent if workload == TRAINING else None
        return finer.lstm(dict(self.module.named_parameters()), self.leaves["x"], cotangent, input_gradient=self.deep)

    def forget(self) -> None:
        """Drop all gradients, as `zero_grad` does."""
        for tensor in (*self.weights, *self.leaves.values()):
            tensor.grad = None

    def answers(self, workload: str) -> Answers:
        """Everything that comes out: output, last states, and every gradient."""
        output, (h_n, c_n) = self.prepare(workload)()
        found = {"output": output.detach(), "h_n": h_n.detach(), "c_n": c_n.detach()}
        for name, tensor in (*self.module.named_parameters(), *self.leaves.items()):
            if tensor.grad is not None:
                found[f"gradient of {name}"] = tensor.grad.clone()
        self.forget()
        return found


def answers(case: Case, workload: str, dtype: torch.dtype, ours: bool) -> list[Answers]:
    """What comes out for each draw of weights and input."""
    return [Player(case, dtype, ours, seed=seed).answers(workload) for seed in range(draws(case))]


def draws(case: Case) -> int:
    """How many draws of weights and input are compared."""
    return DRAWS if case.operations(TRAINING) < FEW_OPERATIONS else 1


@lru_cache(maxsize=1)  # the same for every number of threads
def truth_and_error(case: Case, workload: str) -> tuple[list[Truth], dict[str, float]]:
    """What numbers finer than the case's give, and how far from that torch is."""
    dtype = getattr(torch, case.dtype)
    if dtype == torch.float64:
        truth: list[Truth] = [Player(case, dtype, ours=False, seed=seed).truth(workload) for seed in range(draws(case))]
    else:
        truth = list(answers(case, workload, torch.float64, ours=False))
    return truth, errors(answers(case, workload, dtype, ours=False), truth)


def errors(found: list[Answers], truth: Sequence[Truth], sums: list[Answers] | None = None) -> dict[str, float]:
    """How far each answer is from the truth at most, relative to the truth's largest value; over all draws together.

    Args:
        found: the answers, for each draw.
        truth: what they should be.
        sums: whose largest value counts instead, for the answers that it has.

    Raises:
        AssertionError: an answer is missing, one too many, or of another shape.
    """
    off: dict[str, list[float]] = {name: [] for name in truth[0]}
    size: dict[str, list[float]] = {name: [] for name in truth[0]}
    for one, other, large in zip(found, truth, sums or [{}] * len(truth), strict=True):
        assert one.keys() == other.keys(), f"there are {', '.join(one)}; wanted are {', '.join(other)}"
        for name, value in one.items():
            assert value.shape == other[name].shape, f"{name}: {tuple(value.shape)}, not {tuple(other[name].shape)}"
            off[name].append(abs(finer.wide(value) - finer.wide(other[name])).max())
            size[name].append(abs(finer.wide(large.get(name, other[name]))).max())
    worst = {name: float(np.max(values)) for name, values in off.items()}  # not a number stays one
    return {name: worst[name] / (float(np.max(size[name])) or 1.0) for name in worst}


def within(found: dict[str, float], own: dict[str, float], floor: float) -> str:
    """Which of our errors are more than twice torch's own plus the floor, in words; empty when none is."""
    budget = {name: 2 * error + floor for name, error in own.items()}
    return "; ".join(
        f"{name} is off by {error:.2e}, may be by {budget[name]:.2e}"
        for name, error in found.items()
        if not error <= budget[name]
    )


def check(case: Case, workload: str) -> None:
    """See that our answers are as good as torch's: at most twice its own error from the truth, plus `ROUNDINGS`.

    Raises:
        AssertionError: names the answers and by how much they are off.
    """
    dtype = getattr(torch, case.dtype)
    truth, own = truth_and_error(case, workload)
    wrong = within(errors(answers(case, workload, dtype, ours=True), truth), own, ROUNDINGS * torch.finfo(dtype).eps)
    assert not wrong, f"{case}, {workload}: {wrong}"


def compete(
    case: Case, workload: str, threads: int, *, turns: int = TURNS, seconds: float = SECONDS
) -> tuple[Row, Call]:
    """Check, then time.

    Args:
        case: the sizes.
        workload: "inference", "training" or "penalty".
        threads: how many torch has been told to use; goes into the row.
        turns: at most.
        seconds: of a turn, at least.

    Returns:
        The row, and our call for whoever wants to time it once more.

    Raises:
        AssertionError: our answers are wrong.
    """
    dtype = getattr(torch, case.dtype)
    check(case, workload)
    theirs, ours = Player(case, dtype, ours=False), Player(case, dtype, ours=True)
    calls: dict[str, Call] = {
        "torch": theirs.prepare(workload),
        "fastgan": ours.prepare(workload),
        "matmul": matmul(dtype),
    }
    if case.packed:
        calls["torch, padded"] = Player(case, dtype, ours=False, padded=True).prepare(workload)
        calls["fastgan, padded"] = Player(case, dtype, ours=True, padded=True).prepare(workload)
    times = take_turns(calls, turns, seconds)
    parts = {name: middle(values) for name, values in times.items()}
    row: Row = {
        "case": str(case),
        "workload": workload,
        "threads": threads,
        "turns": len(times["torch"]),
        "seconds": {name: part[0] for name, part in parts.items()},
        "spread": {name: list(part[1:]) for name, part in parts.items()},
        "ratio": list(ratio(times, "torch", "fastgan")),
    }
    if workload in WORKLOADS:
        row["operations"] = case.operations(workload, ours.rows)
        row["share"] = {name: share(times, name, row["operations"]) for name in ("torch", "fastgan")}
    return row, calls["fastgan"]


def matmul(dtype: torch.dtype) -> Call:
    """A square product, the fastest thing the machine does with numbers."""
    one, other, out = (torch.randn(MATMUL, MATMUL, dtype=dtype) for _ in range(3))
    return lambda: torch.mm(one, other, out=out)


def share(times: Times, name: str, operations: float) -> float:
    """Which part of the square product's operations per second a contender reached; median of the turns."""
    quotient = operations / (2 * MATMUL**3)
    return statistics.median(quotient * peak / own for peak, own in zip(times["matmul"], times[name], strict=True))
