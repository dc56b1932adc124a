"""Claim: 30 s of sound (661,500 samples) from a generator of the paper's size come faster than by torch.nn.LSTM.

Three ways (`fastgan.gan.sample`): sequences from noise; one value after the other by feedback; the same with the state carried on.
Plain are a loop over batches of windows, a loop that shows the window of the last 6 values to torch.nn.LSTM for each next one, and
one that shows it each value with the state of the step before. The int16 samples of all are compared first: rounding may move one
by 1. By feedback and carried also 16 clips at once, against the same 16 one by one.

Feedback costs the same for every value, so a part of the 30 s is timed and scaled up; a row says how many samples were timed.

Floors. From noise all windows are there at once, so what bounds them is arithmetic: the matrix products at the speed of a large
one. By feedback a value takes a step of 6 rows, one for each window under way: 2.1 MFLOP, 1.4 TFLOP for 30 s, against 0.8 MB of
weights, so arithmetic again, 7.7 s at 180 GFLOP/s; 16 clips at once have 96 rows and the same work for each, so little is to be
gained by them. With the state carried on a value takes one row, 0.4 MFLOP, and needs every weight once: what bounds it is how fast
0.8 MB come from the caches, and beside it stands a dot product of as many numbers with themselves. That is no bound: torch's takes
20 microseconds on the processor of RESULTS.md, longer than a whole value here, so a share may pass 100 %.
16 clips at once share that reading; what is left is their arithmetic, 2.2 microseconds a value at 180 GFLOP/s. So they cannot be
faster than one by one by more than one clip is slower than that. Copying main memory would be no bound: it is slower than the caches.

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
COMPARED = 100  # values
MANY, ONE_BY_ONE = 16, "one by one"  # clips at once, and against whom

Noise = Callable[[int], Tensor]


def to_samples(values: Tensor) -> np.ndarray:
    """Numbers within [-1, 1] as int16."""
    return np.clip(np.rint(values.cpu().numpy() * 32_768), -32_768, 32_767).astype(np.int16)


@torch.inference_mode()
def plain_noise(generator: Network, length: int, draw: Noise) -> np.ndarray:
    """Sequences from noise, as many as needed, a batch at a time."""
    made, missing = [], -(-length // WINDOW)
    while missing > 0:
        made.append(generator(draw(min(BATCH, missing))).flatten())
        missing -= BATCH
    return to_samples(torch.cat(made)[:length])


@torch.inference_mode()
def plain_feedback(generator: Network, length: int, starts: Tensor) -> np.ndarray:
    """The next value of the last window, over and over: [B, n, 1] to [B, length]."""
    window, values = starts, []
    for _ in range(length):
        values.append(generator.last(window))
        window = torch.cat((window[:, 1:], values[-1][:, None]), dim=1)
    return to_samples(torch.cat(values, dim=1))


@torch.inference_mode()
def plain_carried(generator: Network, length: int, starts: Tensor) -> np.ndarray:
    """Each value shown with the state of the step before: [B, n, 1] to [B, length]."""
    shown, state, values = starts, None, []
    for _ in range(length):
        out, state = generator.lstm(shown, state)
        shown = generator.dense(out[:, -1:])
        values.append(shown[..., 0])
    return to_samples(torch.cat(values, dim=1))


@torch.inference_mode()
def ours_fed_back(game: Game, length: int, starts: Tensor, carried: bool) -> np.ndarray:
    """All clips at once: [B, n, 1] to [B, length]."""
    return to_samples(torch.cat([*sample.fed_back(game, starts, length, carried=carried)], dim=1)[..., 0])


def lent(drawn: list[Tensor]) -> Noise:
    """Noise that was drawn before, in the order in which it was."""
    rows = iter(torch.cat(drawn).split(1))
    return lambda count: torch.cat([next(rows) for _ in range(count)])


def same(ours: np.ndarray, theirs: np.ndarray) -> None:
    """See that samples are the same but for rounding."""
    assert ours.shape == theirs.shape
    assert np.abs(ours.astype(int) - theirs).max() <= 1
    assert len(np.unique(ours)) > 10, "sound that hardly moves would hide a fault"


def finished(way: str, times: Times, timed: int, threads: int, floor: dict[str, object], clips: int = 1) -> Row:
    """The row of 30 s of each clip, which is printed too; `timed` samples of each took `times`."""
    makers = [name for name in ("fastgan", "torch", ONE_BY_ONE) if name in times]
    scaled = {
        name: [value * LENGTH / timed if name in makers else value for value in values]
        for name, values in times.items()
    }
    part = measured(scaled, "fastgan", makers[1:], **floor)  # type: ignore[arg-type]
    row = {"table": "generate", "case": f"{SECONDS:.0f} s", "workload": way, "threads": threads, **part}
    row |= {"sound": SECONDS * clips, "timed": timed}
    told = f"{timed:,} samples timed, for {SECONDS:.0f} s of sound{f' of {clips} clips' * (clips > 1)}"
    print(f"\n{way}, {threads} thread{'s' * (threads > 1)}: {told}")
    for name in makers:
        seconds = part["seconds"][name]
        print(f"  {name:<10} {seconds:7.2f} s, {SECONDS * clips / seconds:6.2f} times real time")
    for name, (middle, low, high) in part["faster"].items():
        print(f"  {middle:.2f} x {name} ({low:.2f} to {high:.2f})")
    print(f"  {part['floor']['share']:.1%} of {part['floor']['of']}")
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
        ours = sample.joined(sample.from_noise(game, few, window=WINDOW, seed=0))
    same(ours, plain_noise(plain, few, lent(drawn)))
    length = LENGTH // 30 if turns.brief else LENGTH
    calls = {
        "fastgan": lambda: sample.joined(sample.from_noise(game, length, window=WINDOW, seed=0)),
        "torch": lambda: plain_noise(plain, length, lambda count: torch.randn(count, WINDOW, 1)),
        "matmul": matmul(torch.float32),
    }
    times = take_turns(calls)
    work = Case(WINDOW, LENGTH // WINDOW, 1, HIDDEN, 2).operations(INFERENCE)
    floor = {"work": work, "floor": "matmul", "unit": "operations", "floor_work": 2 * MATMUL**3}
    keep(finished("from noise", times, length, threads, floor))
    benchmark.pedantic(calls["fastgan"], rounds=1)


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize("clips", [1, MANY])
@pytest.mark.parametrize("carried", [False, True], ids=["feedback", "carried"])
def test_fed_back(benchmark, game, threads, keep, carried, clips):
    plain, by_torch = Network.like(game.generator), plain_carried if carried else plain_feedback
    starts = torch.rand(clips, WINDOW, 1, generator=torch.Generator().manual_seed(0)) - 0.5
    same(ours_fed_back(game, COMPARED, starts, carried), by_torch(plain, COMPARED, starts))
    length = FEW if turns.brief else PART // (4 if clips > 1 else 1)
    weights = torch.cat([weight.detach().flatten() for weight in game.generator.parameters()])
    calls = {
        "fastgan": lambda: ours_fed_back(game, length, starts, carried),
        "torch": lambda: by_torch(plain, length, starts),
    }
    if clips > 1:
        calls[ONE_BY_ONE] = lambda: [ours_fed_back(game, length, start[None], carried) for start in starts]
    floor: dict[str, object]
    if carried and clips == 1:
        calls["weights read"] = lambda: torch.dot(weights, weights)
        floor = {
            "floor": "weights read",
            "unit": "bytes",
            "floor_work": weights.nbytes,
            "work": weights.nbytes * LENGTH,
        }
    else:
        calls["matmul"] = matmul(torch.float32)
        case = Case(1 if carried else WINDOW, LENGTH * clips, 1, HIDDEN, 2)
        skipped = 0 if carried else 2 * 2 * 4 * HIDDEN * HIDDEN * LENGTH * clips  # the first step of windows: no states
        work = case.operations(INFERENCE) - skipped
        floor = {"floor": "matmul", "unit": "operations", "floor_work": 2 * MATMUL**3, "work": work}
    way = ("carried" if carried else "by feedback") + (f", {clips} at once" if clips > 1 else "")
    keep(finished(way, take_turns(calls), length, threads, floor, clips))
    benchmark.pedantic(calls["fastgan"], rounds=1)
