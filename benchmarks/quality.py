"""Speed that changes learning is no speed: held-out loss by epoch, of the trainer and of plain PyTorch, over several seeds.

The fit stage at the paper's sizes on 100 clips: the trainer at batch 32, plain PyTorch (`benchmarks/peers.py`) at batch 32 in an order
of windows that its loader draws and in the trainer's, the trainer in bfloat16, and larger batches with the learning rate of `--batch
auto`. All see as many windows in an epoch; of a seed, all start from the same weights. The loss is the mean squared error over the
same held-out windows, by the trainer's float32 networks.

    python -m benchmarks.quality [--data FOLDER] [--record]
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import ttest_ind

from benchmarks import rows
from benchmarks.epoch import Ours, make_weights
from benchmarks.paper import FIT
from benchmarks.peers import LR, Plain, Sound
from fastgan.audio.corpus import Corpus, open_demo, open_folder
from fastgan.audio.shuffle import shuffled
from fastgan.audio.split import choose_clips, split_clips
from fastgan.gan.seeds import derive
from fastgan.gan.tuning import scaled_lr

CLIPS, SECONDS, RATE, WINDOW = 100, 30.0, 22_050, 6
EPOCH = 81_920  # windows: 2,560 steps of 32, 20 of 4,096
HELD_OUT = 32_768
OURS, PLAIN, SHORT = "fastgan, batch 32", "plain, batch 32", "fastgan, bfloat16"
SAME = "plain, fastgan's order"  # apart from OURS by roundings, from PLAIN by the order that windows come in
LARGE = (256, 1024, 4096)
SHORT_EPOCHS = 1  # on a processor bfloat16 runs in plain PyTorch, ten times slower


@dataclass(frozen=True)
class Course:
    """What a contender did with one seed.

    Attributes:
        losses: held out, after each epoch.
        seconds: of training, up to the end of each epoch.
    """

    losses: list[float]
    seconds: list[float]


def run(name: str, sound: Sound, seed: int, epochs: int) -> Course:
    """Train one contender."""
    weights = make_weights(seed=seed)
    torch.manual_seed(seed)  # of the order that plain PyTorch draws
    batch = int(name.rpartition(" ")[2]) if "batch" in name else 32
    contender: Plain | Ours
    if name == PLAIN:
        contender = Plain(FIT, batch, weights, sound)
    elif name == SAME:
        contender = Plain(FIT, batch, weights, sound, order=trainers_order(sound, seed, epochs * EPOCH))
    else:
        compute = torch.bfloat16 if name == SHORT else None
        contender = Ours(FIT, batch, weights, sound, seed=seed, lr=scaled_lr(LR, batch), compute=compute)
    judge = Ours(FIT, batch, weights, sound)
    losses, seconds, spent = [], [], 0.0
    for _ in range(epochs):
        began = time.perf_counter()
        contender.train(EPOCH // batch)
        spent += time.perf_counter() - began
        learnt = contender.networks["generator"].weights("generator") if isinstance(contender, Plain) else {}
        if isinstance(contender, Ours):
            learnt = {key: value.numpy() for key, value in contender.game.tensors().items() if "adam" not in key}
        judge.game.generator.load_state_dict(
            {key.removeprefix("generator."): torch.from_numpy(v) for key, v in learnt.items() if "generator." in key}
        )
        losses.append(judge.evaluate(HELD_OUT)["loss"])
        seconds.append(spent)
    return Course(losses, seconds)


def trainers_order(sound: Sound, seed: int, count: int) -> NDArray[np.int64]:
    """The windows that the trainer sees first, as places among all of them."""
    batches = Ours(FIT, 32, make_weights(), sound, seed=seed).stage.train
    return shuffled(np.arange(count), len(batches.plan), derive(batches.seed, 0))


def apart(ours: list[float], theirs: list[float]) -> tuple[float, float]:
    """How far the means of two sets of losses lie apart, and how far seeds alone set them apart in 95 of 100 cases (Welch's t)."""
    difference = statistics.mean(ours) - statistics.mean(theirs)
    return difference, float(ttest_ind(ours, theirs, equal_var=False).confidence_interval(0.95).high) - difference


def describe(courses: dict[str, list[Course]]) -> str:
    """All contenders beside each other."""
    lines = [f"{'':<20}" + "  held-out loss after each epoch, mean of the seeds (least to most); seconds of training"]
    for name, runs in courses.items():
        parts = [
            f"{statistics.mean(losses):.4e} ({min(losses):.3e} to {max(losses):.3e})"
            for losses in zip(*(course.losses for course in runs), strict=True)
        ]
        lines.append(f"{name:<20}  {'  '.join(parts)}; {statistics.mean(course.seconds[-1] for course in runs):.1f} s")
    for name, runs in courses.items():
        if name != PLAIN and PLAIN in courses and len(runs) > 1:
            epochs = len(runs[0].losses)
            mine, theirs = ([course.losses[epochs - 1] for course in one] for one in (runs, courses[PLAIN]))
            difference, noise = apart(mine, theirs)
            verdict = "within" if abs(difference) <= noise else "outside"
            lines.append(
                f"{name} - plain after {epochs} epochs: {difference:+.2e}, {verdict} the noise of seeds ({noise:.2e})"
            )
    return "\n".join(lines)


def open_sound(data: str | None, seconds: float) -> tuple[str, Sound]:
    """The corpus and its name: a folder's, or the built-in one."""
    if data:
        corpus: Corpus = open_folder(data, RATE)
    else:
        corpus = open_demo(RATE, clips=CLIPS, seconds=seconds)
    clips = choose_clips(corpus.index.clips, [], min(CLIPS, len(corpus.index.clips)), 0)
    name = f"{Path(data).name if data else 'built-in corpus'}, {len(clips)} clips"
    return name, Sound(corpus, *split_clips(clips, 0), window=WINDOW)


def main(told: list[str] | None = None, progress: Callable[[str], None] = print) -> None:
    """Run all contenders with all seeds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__.partition("\n")[0])
    parser.add_argument("--data", help="folder of music; the built-in corpus when left out")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each clip of the built-in corpus")
    parser.add_argument("--seeds", default="0,1,2", help="separated by commas")
    parser.add_argument("--without", default="-", metavar="TEXT", help="leave out contenders with this in their name")
    parser.add_argument("--epochs", type=int, default=3, help=f"of {EPOCH:,} windows")
    parser.add_argument("--record", action="store_true", help="append a row for each run to benchmarks/results")
    asked = parser.parse_args(told)
    torch.set_num_threads(1)
    name, sound = open_sound(asked.data, asked.seconds)
    contenders = [OURS, PLAIN, SAME, *(f"fastgan, batch {batch}" for batch in LARGE), SHORT]
    contenders = [contender for contender in contenders if asked.without not in contender]
    courses: dict[str, list[Course]] = {contender: [] for contender in contenders}
    for seed in map(int, asked.seeds.split(",")):
        for contender in contenders:  # in turn, so that a slow hour falls on all of them
            course = run(contender, sound, seed, SHORT_EPOCHS if contender == SHORT else asked.epochs)
            courses[contender].append(course)
            progress(
                f"seed {seed}, {contender}: {', '.join(f'{loss:.4e}' for loss in course.losses)}; {course.seconds[-1]:.1f} s"
            )
            row = {
                "table": "quality",
                "case": name,
                "workload": contender,
                "threads": 1,
                "seed": seed,
                "windows": EPOCH,
            }
            if asked.record:
                rows.append(rows.SUITE, rows.stamp(row | {"losses": course.losses, "train_seconds": course.seconds}))
    progress(f"\n{name}: epochs of {EPOCH:,} windows, {HELD_OUT:,} held out\n{describe(courses)}")


if __name__ == "__main__":
    main()
