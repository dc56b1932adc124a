"""Seconds of a paper epoch on a GPU: `python -m benchmarks.epoch_gpu`, a part of benchmarks/gpu.sh.

Contenders, all on windows of a corpus that lies on the GPU: our strides, captured in CUDA graphs, in float32 and bfloat16; torch's LSTM
step by step, with Adam as it ships; and the same step in a CUDA graph with torch's fused, capturable Adam. Losses of the first steps
are compared before anything is timed, float32 with exact products, and bfloat16 within its own precision. Seconds of an epoch are scaled
up from the steps that are timed, without the held-out windows. Needs torch and Triton, no packages for sound.
"""

import argparse
import os
import statistics
import sys
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.optim import Adam

from benchmarks import rows
from benchmarks.lstm_gpu import facts
from benchmarks.paper import CLIPS, FIT, GAME, HIDDEN, LENGTH, PASSES, TRAIN, WINDOW, operations
from benchmarks.peers import ADVERSARIAL_WEIGHT, LR, MSE_WEIGHT, Plain
from benchmarks.turns import middle, ratio, take_turns
from fastgan.gan.game import Game
from fastgan.gan.replay import Replay
from fastgan.gan.seeds import noise
from fastgan.gan.strides import Learner, fit, play, stride_of
from fastgan.nn.by_hand import ByHand
from fastgan.ops.windows import Windows, point, why_not

BATCHES = (32, 4096, 65_536)
CHECKED = 3  # steps whose losses are compared
CLOSE = {"float32": 1e-4, "bfloat16": 2e-2}  # relative: sums of float32 in another order; eight bits of a bfloat16
MATMUL = 8192


class Feed:
    """Batches of windows on the device, in the trainer's order.

    Args:
        workload: "fit" or "game".
        batch: windows in a step.
        device: where.
    """

    def __init__(self, workload: str, batch: int, device: torch.device):
        segment = WINDOW + (workload == FIT)
        samples = torch.randint(-20_000, 20_000, (CLIPS * LENGTH,), dtype=torch.int16, device=device)
        counts = torch.full((CLIPS,), (LENGTH - segment) // WINDOW + 1).cumsum(0)
        first = torch.arange(CLIPS) * LENGTH
        self.windows = Windows.place_on(device, samples, first, counts, segment=segment, hop=WINDOW)
        self.order, self.batch, self.device, self.place = self.windows.order(0, 1), batch, device, 0

    def rows(self, steps: int) -> Tensor:
        """The next batches, [steps, batch, segment]."""
        count = steps * self.batch
        self.place = self.place if self.place + count <= self.windows.total else 0
        out = torch.empty(count, self.windows.segment, device=self.device)
        self.windows.take(point(self.order, self.place, 1), out)
        self.place += count
        return out.view(steps, self.batch, -1)


class Ours:
    """The trainer's strides, fed as its stages are."""

    def __init__(self, workload: str, batch: int, device: torch.device, numbers: str):
        self.game = Game.build(hidden=HIDDEN, encoder=False, seed=0, device=device, dtype=torch.float32)
        self.game.optimise(("generator", "discriminator"), LR)
        compute = torch.bfloat16 if numbers == "bfloat16" else None
        self.generator = Learner(ByHand(self.game.generator, compute), self.game.optimisers["generator"])
        self.discriminator = Learner(ByHand(self.game.discriminator, compute), self.game.optimisers["discriminator"])
        weights = {"mse_weight": MSE_WEIGHT, "adversarial_weight": ADVERSARIAL_WEIGHT}
        work = (
            partial(fit, self.generator)
            if workload == FIT
            else partial(play, self.generator, self.discriminator, **weights)
        )
        self.replay, self.workload = Replay(work, device), workload
        self.steps, self.done = stride_of(self.game, WINDOW, batch, workload), 0

    def learn(self, rows: Tensor) -> dict[str, Tensor]:
        """A stride on batches [K, B, segment]; sums of losses."""
        sequences = rows[..., None].transpose(1, 2).contiguous()
        given = (sequences,) if self.workload == FIT else (sequences, self.noise(sequences))
        self.done += len(rows)
        return self.replay(*given)

    def noise(self, like: Tensor) -> Tensor:
        """Of the stride that comes."""
        return noise(tuple(like.shape), 0, self.done, like.device, like.dtype)


class Torch(Plain):
    """torch's LSTM on the device, its own Adam; with `graph` a step is captured, Adam fused."""

    def __init__(self, workload: str, batch: int, ours: Ours, graph: bool):
        device = ours.game.device
        weights = {key: value.numpy() for key, value in ours.game.tensors().items() if "adam" not in key}
        adam = partial(Adam, fused=True, capturable=True) if graph else Adam
        with torch.device(device):
            super().__init__(workload, batch, weights, adam=adam)  # type: ignore[arg-type]
        self.static = [torch.zeros(batch, WINDOW, 1, device=device)]
        self.static.append(torch.zeros(batch, *((1,) if workload == FIT else (WINDOW, 1)), device=device))
        self.graph = graph and device.type == "cuda"
        self.captured: torch.cuda.CUDAGraph | None = None

    def learn(self, one: Tensor, other: Tensor) -> dict[str, Tensor]:
        """A step on windows and targets, or on real sequences and noise, [B, ...]; its losses."""
        if not self.graph:
            return self.step(one, other)
        for mine, given in zip(self.static, (one, other), strict=True):
            mine.copy_(given)
        if self.captured is None:
            self.captured = torch.cuda.CUDAGraph()
            return self.step(*self.static)  # fills what Adam and the allocator keep
        if not hasattr(self, "found"):
            torch.cuda.synchronize()
            with torch.cuda.graph(self.captured):
                self.found = self.step(*self.static)
        self.captured.replay()
        return self.found


def split(workload: str, rows: Tensor) -> tuple[Tensor, Tensor]:
    """What a step of torch's takes, from windows [B, segment]."""
    values = rows[..., None]
    return (values[:, :-1], values[:, -1]) if workload == FIT else (values, torch.randn_like(values))


def check(workload: str, batch: int, device: torch.device) -> None:
    """See that our losses are torch's, on the same batches.

    Raises:
        AssertionError: names what is off.
    """
    name = "loss" if workload == FIT else "d_loss"
    for numbers, close in CLOSE.items():
        ours = Ours(workload, batch, device, numbers)
        theirs = Torch(workload, batch, ours, graph=False)
        for rows_of_step in Feed(workload, batch, device).rows(CHECKED):
            one, other = split(workload, rows_of_step)
            if workload == GAME:
                other = ours.noise(rows_of_step[None, ..., None].transpose(1, 2))[0].transpose(0, 1)
            with torch.backends.cudnn.flags(allow_tf32=False):
                found, wanted = float(ours.learn(rows_of_step[None])[name]), float(theirs.learn(one, other)[name])
            assert abs(found - wanted) <= close * abs(wanted), f"{workload}, {batch}, {numbers}: {found}, not {wanted}"


def measure(workload: str, batch: int, device: torch.device, *, size: int = MATMUL) -> rows.Row:
    """Check, then time: a row. Shares are of the speed of a bfloat16 product of `size` rows and columns."""
    check(workload, batch, device)
    feed = Feed(workload, batch, device)
    calls: dict[str, Callable[[], object]] = {}
    steps: dict[str, int] = {}
    for numbers in CLOSE:
        ours = Ours(workload, batch, device, numbers)
        steps[f"fastgan, {numbers}"] = ours.steps
        calls[f"fastgan, {numbers}"] = partial(done, device, lambda mine=ours: mine.learn(feed.rows(mine.steps)))
    for name, graph in (("torch, eager", False), ("torch, graph", True)):
        theirs, many = Torch(workload, batch, ours, graph), steps["fastgan, float32"]

        def learn(peer: Torch = theirs, many: int = many) -> None:
            for one in feed.rows(many):
                peer.learn(*split(workload, one))

        steps[name], calls[name] = many, partial(done, device, learn)
    for call in calls.values():
        call()  # once as it is, once to record
    left, right = (torch.randn(size, size, dtype=torch.bfloat16, device=device) for _ in range(2))
    calls["matmul"] = partial(done, device, partial(torch.mm, left, right))
    times = take_turns(calls, turns=9, seconds=0.02, enough=10.0)
    each = {name: [value / steps[name] for value in values] for name, values in times.items() if name in steps}
    best = min(CLOSE, key=lambda numbers: statistics.median(each[f"fastgan, {numbers}"]))
    seconds = {name: middle(values)[0] for name, values in each.items()}
    work, rate = PASSES[workload] * operations() * batch, 2 * size**3 / statistics.median(times["matmul"])
    return {
        "table": "epoch-gpu",
        "case": f"B{batch}",
        "workload": workload,
        "seconds": seconds,
        "spread": {name: list(middle(values)[1:]) for name, values in each.items()},
        "epoch_seconds": {name: TRAIN / batch * value for name, value in seconds.items()},
        "faster": {name: list(ratio(each, name, f"fastgan, {best}")) for name in ("torch, eager", "torch, graph")},
        "share": {name: work / value / rate for name, value in seconds.items()},
        "scaled": True,
    }


def done(device: torch.device, call: Callable[[], object]) -> None:
    """Call, and wait for the device."""
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()


def main() -> int:
    """Measure all and print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.epoch_gpu", description=__doc__.partition("\n")[0])
    parser.add_argument("--record", action="store_true", help="append rows to benchmarks/results/epoch-gpu.jsonl")
    asked = parser.parse_args()
    device = torch.device("cuda")
    reason = why_not(device) if torch.cuda.is_available() else "torch sees no GPU"
    if reason is not None:
        sys.exit(f"nothing to measure: {reason}")
    for workload in (FIT, GAME):
        for batch in BATCHES:
            row = measure(workload, batch, device)
            if asked.record:
                rows.append(rows.EPOCH_GPU, {"date": rows.now(), **row, **facts()})
            print(f"{workload}, batch {batch:,}, seconds of a paper epoch (scaled) and share of a bfloat16 product:")
            for name, seconds in row["epoch_seconds"].items():
                faster = row["faster"].get(name)
                beside = (
                    ""
                    if faster is None
                    else f"; we are {faster[0]:.2f} times faster ({faster[1]:.2f} to {faster[2]:.2f})"
                )
                print(f"  {name:<18} {seconds:9.3g} s {row['share'][name]:6.1%}{beside}", flush=True)
    return 0


if __name__ == "__main__":
    for variable in ("TRITON_INTERPRET", "FASTGAN_BACKEND"):  # neither is what is measured
        os.environ.pop(variable, None)
    sys.exit(main())
