"""Our trainer as a contender for a paper epoch, and the check that all contenders train the same thing."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Adam

from benchmarks.paper import CLIPS, FIT, HIDDEN, LENGTH, RATE, TRAINED, WINDOW
from benchmarks.peers import (
    ADVERSARIAL_WEIGHT,
    LR,
    MSE_WEIGHT,
    Answer,
    Arrays,
    Batches,
    KerasAdam,
    Plain,
    Sound,
    Weights,
)
from fastgan.audio.corpus import Corpus
from fastgan.audio.split import split_clips
from fastgan.audio.store import Clip, Index
from fastgan.gan.game import Game
from fastgan.gan.stage import Losses
from fastgan.gan.stages import FitStage, GameStage
from fastgan.gan.strides import fit, play

NOISE = 4.0  # how many times larger than plain torch's own rounding errors may be
EPS = torch.finfo(torch.float32).eps


def make_sound(home: Path, *, clips: int = CLIPS, length: int = LENGTH, window: int = WINDOW) -> Sound:
    """A corpus of the paper's size, of noise: how fast training is does not depend on how it sounds."""
    samples = np.random.default_rng(0).integers(-20_000, 20_000, clips * length).astype(np.int16)
    samples.tofile(home / "samples.i16")
    listed = [Clip(f"{n:03d}", f"genre {n % 10}", n * length, length, str(n)) for n in range(clips)]
    corpus = Corpus(np.memmap(home / "samples.i16", np.int16, "r"), Index(RATE, len(samples), listed))
    return Sound(corpus, *split_clips(listed, seed=0), window=window)


def make_weights(hidden: int = HIDDEN, seed: int = 0) -> Weights:
    """Where all contenders start."""
    game = Game.build(hidden=hidden, encoder=False, seed=seed, device=torch.device("cpu"), dtype=torch.float32)
    return {key: value.numpy() for key, value in game.tensors().items()}


def make_batches(workload: str, batch: int, window: int = WINDOW) -> Batches:
    """What answers are compared on: five steps (two of the largest batch) of numbers as large as sound, and noise for the game."""
    random, steps = np.random.default_rng(1), 5 if batch < 4096 else 2

    def draw(size: float, *shape: int) -> np.ndarray:
        return random.normal(0, size, (steps, batch, *shape)).astype(np.float32)

    if workload == FIT:
        return {"window": draw(0.2, window, 1), "target": draw(0.2, 1)}
    return {"real": draw(0.2, window, 1), "noise": draw(1.0, window, 1)}


class Ours:
    """The trainer's own stage, its batches, its held-out measure.

    Args:
        workload: "fit" or "game".
        batch: windows in a step.
        weights: to start from.
        sound: to train on.
        dtype: of all numbers.
        seed: of the order of windows.
        lr: learning rate.
        compute: what to compute in, see `ByHand`.
    """

    def __init__(
        self,
        workload: str,
        batch: int,
        weights: Weights,
        sound: Sound,
        *,
        dtype: torch.dtype = torch.float32,
        seed: int = 0,
        lr: float = LR,
        compute: torch.dtype | None = None,
    ):
        hidden = weights["generator.lstm.weight_hh_l0"].shape[1]
        self.game = Game.build(hidden=hidden, encoder=False, seed=0, device=torch.device("cpu"), dtype=dtype)
        self.game.load({key: torch.from_numpy(value) for key, value in weights.items()})
        self.game.optimise(TRAINED[workload], lr)
        self.workload, self.dtype = workload, dtype
        clips = sound.train, sound.held_out
        sizes: dict[str, Any] = {"window": sound.window, "batch": batch, "seed": seed, "compute": compute}
        if workload == FIT:
            self.stage: FitStage | GameStage = FitStage(self.game, sound.corpus, clips, **sizes)
        else:
            self.stage = GameStage(
                self.game,
                sound.corpus,
                clips,
                **sizes,
                mse_weight=MSE_WEIGHT,
                adversarial_weight=ADVERSARIAL_WEIGHT,
            )
        self.done, self.sums = 0, dict[str, Tensor]()

    def answer(self, batches: Batches) -> Answer:
        """Losses of these batches, one step each, and the weights after them."""
        tensors = [torch.from_numpy(value).to(self.dtype) for value in batches.values()]
        steps = [self.step(*batch) for batch in zip(*tensors, strict=True)]
        wanted = ("loss",) if self.workload == FIT else ("d_loss", "g_mse", "g_adversarial")
        losses = {name: np.array([float(step[name]) for step in steps]) for name in wanted}
        trained = tuple(f"{name}." for name in TRAINED[self.workload])
        return Answer(losses, {k: v.numpy().copy() for k, v in self.game.tensors().items() if k.startswith(trained)})

    def step(self, one: Tensor, other: Tensor) -> Losses:
        """A stride of one step on a given batch: what the stage does with sequences that it has read."""
        if isinstance(self.stage, FitStage):
            return fit(self.stage.generator, torch.cat((one, other[:, None]), 1).transpose(0, 1)[None].contiguous())
        real, noise = (given.transpose(0, 1)[None].contiguous() for given in (one, other))
        return play(self.stage.generator, self.stage.discriminator, real, noise, **self.stage.weights)

    def whole(self, steps: int) -> int:
        """About so many steps that are whole strides, as they are in an epoch but for its last one."""
        return max(1, round(steps / self.stage.stride)) * self.stage.stride

    def train(self, steps: int) -> None:
        """Do so many steps of the stage, in its strides, adding up losses as its loop does."""
        end = self.done + steps
        while self.done < end:
            count = min(self.stage.stride, end - self.done)
            for name, value in self.stage.advance(self.done, count).items():
                self.sums[name] = self.sums[name] + value if name in self.sums else value
            self.done += count

    def evaluate(self, windows: int) -> dict[str, float]:
        """The stage's measure of so many held-out windows."""
        self.stage.measured = min(windows, len(self.stage.held_out.plan))
        found = self.stage.evaluate(lambda share: None)
        return {name.removeprefix("val_"): value for name, value in found.items()}


@dataclass(frozen=True)
class Bar:
    """What an answer has to be.

    Attributes:
        start: the weights before.
        truth: by plain torch in float64.
        own: by plain torch in float32.
        stretched: the truth with steps longer by what the contender's Adam rounds them by.
        terms: how many numbers a loss is the mean of, at most.
    """

    start: Weights
    truth: Answer
    own: Answer
    stretched: Answer
    terms: int

    def wrong(self, found: Answer) -> str:
        """Which losses and networks are off by more than they may, in words; empty when none is.

        Losses may be off by `NOISE` times plain torch's own largest error and what rounding makes of the last sum, relative to the
        largest value. torch adds up by halves; a plain loop, in eight lanes, rounds terms / 8 = K partial sums, each off by up to
        half an EPS of either sign. Their standard deviation, EPS / (2 sqrt 3) for one, is EPS sqrt(K) / 6 for partial sums that
        grow evenly, relative to the whole. `NOISE` of these, and of roundings of the result, are allowed.
        A network's error is relative to how far its weights have come, both by the Euclidean norm. In its first steps Adam moves
        a weight by about the sign of its gradient, so what is off are the weights whose gradient is about as small as its rounding
        error: noise of `NOISE` times the size touches as many times more of them, and the norm grows with the square root of
        that. To this come `NOISE` roundings of the weights, and what `stretched` does.

        Raises:
            AssertionError: something is missing, one too many, or of another shape.
        """
        off, own, stretched = (self.errors(answer) for answer in (found, self.own, self.stretched))
        complaints = []
        for name, error in off.items():
            loss = name in self.truth.losses
            rounding = EPS * (1 + (self.terms / 8) ** 0.5 / 6) if loss else EPS * self.size(name) / self.way(name)
            budget = (NOISE if loss else NOISE**0.5) * own[name] + NOISE * rounding + stretched[name]
            if not error <= budget:
                complaints.append(f"{name} is off by {error:.2e}, may be by {budget:.2e}")
        return "; ".join(complaints)

    def errors(self, found: Answer) -> dict[str, float]:
        """How far the losses and each network's weights are from the truth."""
        assert found.losses.keys() == self.truth.losses.keys(), f"losses are {list(found.losses)}"
        assert found.weights.keys() == self.truth.weights.keys(), f"weights are {list(found.weights)}"
        off = {}
        for name, true in self.truth.losses.items():
            assert found.losses[name].shape == true.shape, f"{name}: {found.losses[name].shape}, not {true.shape}"
            off[name] = float(abs(found.losses[name] - true).max() / abs(true).max())
        networks = dict.fromkeys(key.partition(".")[0] for key in self.truth.weights)
        return off | {name: distance(found.weights, self.truth.weights, name) / self.way(name) for name in networks}

    def way(self, network: str) -> float:
        """How far a network's weights have come."""
        return distance(self.start, self.truth.weights, network)

    def size(self, network: str) -> float:
        """The norm of a network's weights."""
        return distance({key: np.zeros_like(value) for key, value in self.start.items()}, self.truth.weights, network)


def distance(found: Arrays, true: Arrays, network: str) -> float:
    """Euclidean norm of the difference of all weights of a network, those that `true` has."""
    squares = 0.0
    for key, value in true.items():
        if key.partition(".")[0] == network:
            assert found[key].shape == value.shape, f"{key}: {found[key].shape}, not {value.shape}"
            squares += float(np.square(found[key].astype(np.float64) - value).sum())
    return squares**0.5


def bar(workload: str, batch: int, *, rounded: bool = False, keras: bool = False) -> Bar:
    """What answers have to be.

    Args:
        workload, batch: as for `make_batches`.
        rounded: for an Adam that corrects the bias of v in float32, as Keras' and a compiled one do, and not in Python's numbers.
            1 - 0.999^t then has the rounding of 0.999, up to half of 2^-24, t times over in t thousandths. Half of that is left by
            the square root: each step may be 1.5e-5 longer or shorter.
        keras: for Keras' epsilon.
    """
    stretch = 0.5 * 2**-25 / (1 - 0.999) if rounded else 0.0
    truth = plain(workload, batch, torch.float64, keras)
    stretched = plain(workload, batch, torch.float64, keras, stretch)
    own = plain(workload, batch, torch.float32, keras)
    return Bar(make_weights(), truth, own, stretched, terms=batch * WINDOW)


@lru_cache(maxsize=8)  # the same for every number of threads
def plain(workload: str, batch: int, dtype: torch.dtype, keras: bool, stretch: float = 0.0) -> Answer:
    """What plain torch answers, with steps longer by a part of `stretch`."""
    adam = KerasAdam if keras else Adam
    peer = Plain(workload, batch, make_weights(), dtype=dtype, adam=adam, lr=LR * (1 + stretch))
    return peer.answer(make_batches(workload, batch))
