"""How time and memory grow with clips, window, batch and hidden size: a step of the fit stage, one size changed at a time.

Each case runs in a process of its own, with a corpus that is a file of noise, not decoded from anything: 100 clips of 30 s, n = 6,
batch 32 and H = 128 unless the case says otherwise. The floor is a large matrix product in the same turns. Memory is what the
process had at most by the end of 20 steps, above what it had after one step of the smallest case. The loss of the first step is
compared to torch.nn.LSTM in float64. pytest-benchmark's own table shows how long the processes took.

    python -m pytest benchmarks/bench_scaling.py --benchmark-only -s
"""

import copy
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import turns
from benchmarks.cases import TRAINING
from benchmarks.cases import Case as Sizes
from benchmarks.contest import MATMUL, Call, matmul
from benchmarks.peers import Network
from benchmarks.rows import HOME, Row, measured
from fastgan.audio.corpus import Corpus
from fastgan.audio.store import Clip, Index
from fastgan.gan.game import Game
from fastgan.gan.stages import FitStage

LENGTH, RATE = 661_500, 22_050
STRIDES = 5  # before memory is read


@dataclass(frozen=True)
class Case:
    """Sizes of a run; the paper's unless changed."""

    clips: int = 100
    window: int = 6
    batch: int = 32
    hidden: int = 128

    def __str__(self) -> str:
        return f"{self.clips} clips, n{self.window}, B{self.batch}, H{self.hidden}"


GROWING = {
    "clips": (10, 100, 1000),
    "window": (6, 32, 128, 512),
    "batch": (3, 32, 512, 4096),
    "hidden": (32, 128, 256, 512),
}
CASES = [*dict.fromkeys(replace(Case(), **{name: size}) for name, sizes in GROWING.items() for size in sizes)]


def grow(path: Path, clips: int) -> None:
    """Make a file of noise hold so many clips: 1,000 take 1.3 GB, and seconds."""
    noise = np.random.default_rng(0).integers(-20_000, 20_000, LENGTH).astype(np.int16)
    with open(path, "ab") as stream:
        for _ in range(stream.tell() // noise.nbytes, clips):
            stream.write(noise.data)


def open_corpus(path: Path, clips: int) -> Corpus:
    """The first clips of a file of noise."""
    samples = np.memmap(path, np.int16, "r", shape=(clips * LENGTH,))
    listed = [Clip(f"{number}.wav", "noise", number * LENGTH, LENGTH, "") for number in range(clips)]
    return Corpus(samples, Index(RATE, len(samples), listed))


def start(case: Case, corpus: Corpus) -> tuple[FitStage, Call]:
    """A stage and a call that does its next stride of steps and gives the sum of their losses."""
    game = Game.build(hidden=case.hidden, encoder=False, seed=0, device=torch.device("cpu"), dtype=torch.float32)
    clips = corpus.index.clips
    sides = [clip for number, clip in enumerate(clips) if number % 7], clips[::7]
    stage = FitStage(game, corpus, sides, window=case.window, batch=case.batch, seed=0)
    game.optimise(stage.trains, 1e-3)
    firsts = count(step=stage.stride)
    return stage, lambda: stage.advance(next(firsts), stage.stride)["loss"]


def most_memory() -> int:
    """Bytes that this process has had at most. Not getrusage: it counts what the process was before it became this program."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def play(path: Path, case: Case, threads: int) -> dict[str, object]:
    """Check, then measure, in a process that does nothing else: memory in bytes, seconds by contender."""
    torch.set_num_threads(threads)
    start(Case(clips=10, batch=3, hidden=32), open_corpus(path, 10))[1]()  # loads what is loaded late
    before = most_memory()
    stage, stride = start(case, open_corpus(path, case.clips))
    untrained = copy.deepcopy(stage.game.generator)
    first = stage.advance(0, 1)["loss"]
    losses = [stride() for _ in range(STRIDES)]
    memory = most_memory() - before
    with torch.no_grad():
        window, target = stage.split(stage.train.stride(0, 1)[0])
        truth = (Network.like(untrained, torch.float64).last(window.double()) - target).square().mean()
    torch.testing.assert_close(first, truth, rtol=1e-5, atol=0)
    assert torch.isfinite(torch.stack(losses)).all()
    times = turns.take_turns({"fastgan": stride, "matmul": matmul(torch.float32)})
    times["fastgan"] = [seconds / stage.stride for seconds in times["fastgan"]]  # a step
    return {"memory": memory, "times": times}


def finished(case: Case, threads: int, times: turns.Times, memory: int) -> Row:
    """The row of a case, which is printed too."""
    work = Sizes(case.window, case.batch, 1, case.hidden, 2).operations(TRAINING)
    part = measured(times, "fastgan", work=work, floor="matmul", unit="operations", floor_work=2 * MATMUL**3)
    each, share = part["seconds"]["fastgan"] / case.batch, part["floor"]["share"]
    threaded = f"{threads} thread{'s' * (threads > 1)}"
    print(f"\n{case}, {threaded}: {each * 1e6:.1f} us a window, {share:.0%} of matmul, {memory / 1e6:.0f} MB")
    row = {"table": "scaling", "case": str(case), "workload": "fit", "threads": threads, **part}
    return row | {"windows": case.batch, "memory": memory}


@pytest.fixture(scope="module")
def noise():
    """Where the file of noise is; it is too large to lie about afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "noise.i16"


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize(
    "case", [pytest.param(c, id=str(c), marks=() if c == Case() else pytest.mark.long) for c in CASES]
)
def test_fit(benchmark, noise, case, threads, keep):
    if not Path("/proc/self/status").exists():
        pytest.skip("this system does not say how much memory a process has had")
    grow(noise, case.clips)
    order = json.dumps({"path": str(noise), "case": asdict(case), "threads": threads, "brief": turns.brief})
    command = [sys.executable, "-m", "benchmarks.bench_scaling", order]
    how = {"cwd": HOME.parent, "capture_output": True, "text": True}
    done = benchmark.pedantic(subprocess.run, (command,), how, rounds=1)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    keep(finished(case, threads, found["times"], found["memory"]))


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    turns.brief = asked["brief"]
    print(json.dumps(play(Path(asked["path"]), Case(**asked["case"]), asked["threads"])))
