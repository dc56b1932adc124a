"""Claim: 30 s of sound (661,500 samples) from a generator of the paper's size come faster than by torch.nn.LSTM.

Two ways (`fastgan.gan.sample`): sequences from noise, and one value after the other by feedback. Plain are a loop over batches
of windows, and a loop that shows the window of the last 6 values to torch.nn.LSTM for each next one. The int16 samples of both
are compared first: rounding may move one by 1.

Feedback costs the same for every value, so a part of the 30 s is timed and scaled up; a row says how many samples were timed.

Floors. From noise all windows are there at once, so what bounds them is arithmetic: the matrix products at the speed of a large
one. By feedback each value waits for the one before, and needs every weight of the net once: 0.8 MB of them for 2.4 MFLOP, three
operations a byte, so what bounds it is how fast weights come from the caches. The floor is a dot product of as many numbers with
themselves, the least that can be done to each. Copying main memory would be no bound: it is slower than the caches.

    python -m pytest benchmarks/bench_generate.py --benchmark-only -s
"""

from collections.abc import Callable
from unittest import mock

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks import turns
from benchmarks.cases import INFERENCE, Case
from benchmarks.contest import MATMUL, matmul
from benchmarks.peers import Network
from benchmarks.rows import Row, measured
from benchmarks.turns import Times, take_turns
from fastgan.gan import sample
from fastgan.gan.game import Game

WINDOW, HIDDEN, RATE = 6, 128, 22_050
SECONDS, LENGTH = 30.0, 661_500
BATCH = 8192  # sequences at a time of the plain loop
PART, FEW = 4_410, 220  # values that are timed by feedback, and with --brief

Noise = Callable[[int], Tensor]


def to_samples(values: Tensor) -> np.ndarray:
    """Numbers within [-1, 1] as int16."""
    return np.clip(np.rint(values.numpy() * 32_768), -32_768, 32_767).astype(np.int16)


@torch.inference_mode()
def plain_noise(generator: Network, length: int, draw: Noise) -> np.ndarray:
    """Sequences from noise, as many as needed, a batch at a time."""
    made, missing = [], -(-length // WINDOW)
    while missing > 0:
        made.append(generator(draw(min(BATCH, missing))).flatten())
        missing -= BATCH
    return to_samples(torch.cat(made)[:length])


@torch.inference_mode()
def plain_feedback(generator: Network, length: int, start: Tensor) -> np.ndarray:
    """The next value of the last window, over and over."""
    window, values = start[None], []
    for _ in range(length):
        values.append(generator.last(window))
        window = torch.cat((window[:, 1:], values[-1][:, None]), dim=1)
    return to_samples(torch.cat(values).flatten())


def lent(drawn: list[Tensor]) -> Noise:
    """Noise that was drawn before, in the order in which it was."""
    rows = iter(torch.cat(drawn).split(1))
    return lambda count: torch.cat([next(rows) for _ in range(count)])


def same(ours: np.ndarray, theirs: np.ndarray) -> None:
    """See that samples are the same but for rounding."""
    assert ours.shape == theirs.shape
    assert np.abs(ours.astype(int) - theirs).max() <= 1
    assert len(np.unique(ours)) > 10, "sound that hardly moves would hide a fault"


def finished(way: str, times: Times, timed: int, threads: int, floor: dict[str, object]) -> Row:
    """The row of 30 s, which is printed too; `timed` samples took `times`."""
    scaled = {
        name: [value * LENGTH / timed if name in ("fastgan", "torch") else value for value in values]
        for name, values in times.items()
    }
    part = measured(scaled, "fastgan", ["torch"], **floor)  # type: ignore[arg-type]
    row = {"table": "generate", "case": f"{SECONDS:.0f} s", "workload": way, "threads": threads, **part}
    row |= {"sound": SECONDS, "timed": timed}
    print(f"\n{way}, {threads} thread{'s' * (threads > 1)}: {timed:,} samples timed, for {SECONDS:.0f} s of sound")
    for name in ("fastgan", "torch"):
        seconds = part["seconds"][name]
        print(f"  {name:<8} {seconds:7.2f} s, {SECONDS / seconds:6.2f} times real time")
    middle, low, high = part["faster"]["torch"]
    print(f"  {middle:.2f} x torch ({low:.2f} to {high:.2f}), {part['floor']['share']:.1%} of {part['floor']['of']}")
    return row


@pytest.fixture(scope="module")
def game():
    """Untrained networks, four times as steep: what a new one feeds back stands still after ten values."""
    game = Game.build(hidden=HIDDEN, encoder=False, seed=0, device=torch.device("cpu"), dtype=torch.float32)
    with torch.no_grad():
        for weight in game.generator.parameters():
            weight *= 4
    return game


@pytest.mark.usefixtures("native")
def test_from_noise(benchmark, game, threads, keep):
    plain, few = Network.like(game.generator), 1001
    drawn, draw = [], sample.noise

    def kept(*arguments: object) -> Tensor:
        drawn.append(draw(*arguments))
        return drawn[-1]

    with mock.patch.object(sample, "noise", kept):
        ours = sample.from_noise(game, few, window=WINDOW, seed=0)
    same(ours, plain_noise(plain, few, lent(drawn)))
    length = LENGTH // 30 if turns.brief else LENGTH
    calls = {
        "fastgan": lambda: sample.from_noise(game, length, window=WINDOW, seed=0),
        "torch": lambda: plain_noise(plain, length, lambda count: torch.randn(count, WINDOW, 1)),
        "matmul": matmul(torch.float32),
    }
    times = take_turns(calls)
    work = Case(WINDOW, LENGTH // WINDOW, 1, HIDDEN, 2).operations(INFERENCE)
    floor = {"work": work, "floor": "matmul", "unit": "operations", "floor_work": 2 * MATMUL**3}
    keep(finished("from noise", times, length, threads, floor))
    benchmark.pedantic(calls["fastgan"], rounds=1)


@pytest.mark.usefixtures("native")
def test_by_feedback(benchmark, game, threads, keep):
    plain, start = Network.like(game.generator), torch.linspace(-0.5, 0.5, WINDOW)[:, None]
    same(sample.by_feedback(game, 100, start=start), plain_feedback(plain, 100, start))
    length = FEW if turns.brief else PART
    weights = torch.cat([weight.detach().flatten() for weight in game.generator.parameters()])
    calls = {
        "fastgan": lambda: sample.by_feedback(game, length, start=start),
        "torch": lambda: plain_feedback(plain, length, start),
        "weights read": lambda: torch.dot(weights, weights),
    }
    times = take_turns(calls)
    floor = {"floor": "weights read", "unit": "bytes", "floor_work": weights.nbytes}
    keep(finished("by feedback", times, length, threads, {"work": weights.nbytes * LENGTH} | floor))
    benchmark.pedantic(calls["fastgan"], rounds=1)
