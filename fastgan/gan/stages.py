"""The three stages of a run on samples, each with steps, a held-out measure and a sound: encoder, fit, game."""

from abc import abstractmethod
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fastgan.audio.corpus import Corpus
from fastgan.audio.store import Clip
from fastgan.gan.batches import Batches, resident
from fastgan.gan.game import Game
from fastgan.gan.metrics import LinearPredictor, keras_accuracy, zero_share
from fastgan.gan.replay import Replay
from fastgan.gan.sample import by_feedback, feedback_s, from_noise, joined, rebuilt
from fastgan.gan.seeds import derive, noise
from fastgan.gan.stage import Losses, Stage, Tick
from fastgan.gan.steps import accuracies, discriminator_loss, encoder_step, generator_loss
from fastgan.gan.strides import Learner, fit, play, stride_of
from fastgan.nn.by_hand import ByHand

ENCODER_FRAMES = 32  # frames in a training sequence of the encoder
_VALUES = 32_768  # steps of sequences that are measured at a time: bounds the memory for any window
_STARTS = 64  # held-out windows that a checkpoint keeps, for feedback to begin with
_LINEAR_ORDER = 2048  # values a window may hold for the linear predictor: the normal equations grow with the square
_LINEAR_WORK = 5e10  # products that summing them may take, a second or two
_LINEAR_WINDOWS = 1 << 20  # far more than the unknowns need


class SequenceStage(Stage):
    """A stage that learns from windows of samples.

    Args:
        game: the networks.
        corpus: the sound.
        clips: (train, held out).
        window: n, steps in a sequence.
        batch: sequences in a step.
        seed: of the run.
        held_out: how many held-out windows to measure, 0 for all.
        compute: the dtype that generator and discriminator learn in; None for that of their weights.

    Raises:
        BadInput: the clips hold no window, or less than a batch.
    """

    game: Game

    def __init__(
        self,
        game: Game,
        corpus: Corpus,
        clips: tuple[list[Clip], list[Clip]],
        *,
        window: int,
        batch: int,
        seed: int,
        held_out: int = 0,
        compute: torch.dtype | None = None,
    ):
        self.game, self.corpus, self.window, self.batch = game, corpus, window, batch
        self.compute = compute
        self.seed = derive(seed, self.name)
        segment, hop = self.segment_and_hop()
        where = partial(Batches, device=game.device, dtype=game.dtype, samples=resident(corpus, game.device))
        cut = partial(where, corpus, segment=segment, hop=hop)
        self.train = cut(clips[0], batch=batch, seed=derive(self.seed, "train"))
        self.held_out = cut(clips[1], batch=1, seed=derive(self.seed, "held out"))
        self.rows = max(1, min(4096, _VALUES * game.frame // segment))
        self.measured = min(len(self.held_out.plan), held_out or len(self.held_out.plan))
        self.per_pass = self.train.per_pass
        self.stride = stride_of(game, window, batch, self.name)

    @abstractmethod
    def segment_and_hop(self) -> tuple[int, int]:
        """Samples per window, and from one to the next."""

    @abstractmethod
    def measure(self, rows: Tensor, part: int) -> Losses:
        """Measure held-out windows, [B, segment]; named scalars, averaged over all of them."""

    def sequences(self, first: int, count: int) -> Tensor:
        """The batches of these steps as the networks read them, [count, T, B, D]."""
        rows = self.train.stride(first, count)
        sequences = self.game.encode(rows.flatten(0, 1))
        return sequences.unflatten(0, rows.shape[:2]).transpose(1, 2).contiguous()

    @cached_property
    def generator(self) -> Learner:
        """The generator with its optimiser."""
        return Learner(ByHand(self.game.generator, self.compute), self.game.optimisers["generator"])

    @cached_property
    def discriminator(self) -> Learner:
        """The discriminator with its optimiser."""
        return Learner(ByHand(self.game.discriminator, self.compute), self.game.optimisers["discriminator"])

    def starts(self) -> Tensor:
        """Held-out windows that feedback can begin with, [up to 64, n, D]; empty where the stage has none."""
        return torch.empty(0)

    def kept(self) -> Losses:
        """The windows that feedback can begin with."""
        return {"starts": self.starts().cpu().contiguous()}

    def closing_s(self, step_s: float, length: int) -> float:
        """Passes without gradients over the held-out windows, and a sound."""
        return 1.0 + step_s * (1 + self.measured / self.batch / 2)

    @torch.no_grad()
    def evaluate(self, tick: Tick) -> dict[str, float]:
        """Average `measure` over the held-out windows."""
        total: Losses = {}
        for part, rows in enumerate(self.held_out.chunks(self.measured, self.rows)):
            for name, value in self.measure(rows, part).items():
                total[name] = total.get(name, 0) + value.double() * len(rows)
            tick(min(1.0, (part + 1) * self.rows / self.measured))
        return {name: float(value) / self.measured for name, value in total.items()}


class EncoderStage(SequenceStage):
    """The auto-encoder learns to rebuild sound."""

    name, trains, judged_by = "encoder", ("encoder",), "val_loss"

    def segment_and_hop(self) -> tuple[int, int]:
        """Sequences of 32 frames, side by side."""
        return ENCODER_FRAMES * self.game.frame, ENCODER_FRAMES * self.game.frame

    def advance(self, first: int, count: int) -> Losses:
        """Rebuild these batches."""
        losses = [encoder_step(self.game, sound)["loss"] for sound in self.train.stride(first, count)]
        return {"loss": torch.stack(losses).sum()}

    def measure(self, rows: Tensor, part: int) -> Losses:
        """Squared error of rebuilt held-out sound."""
        assert self.game.encoder is not None, "the stage runs only with an encoder"
        return {"val_loss": (self.game.encoder(rows) - rows).square().mean()}

    def sample(self, length: int, tick: Tick) -> NDArray[np.int16]:
        """The beginning of the held-out sound, compressed and rebuilt."""
        first = int(self.held_out.plan.first[0])
        return rebuilt(self.game, self.corpus.samples[first : first + length])


class FitStage(SequenceStage):
    """The generator learns the next value by squared error: the loop of the paper's Table 3."""

    name, trains, judged_by = "fit", ("generator",), "val_loss"

    def segment_and_hop(self) -> tuple[int, int]:
        """Windows of n and the value after them, n apart."""
        return (self.window + 1) * self.game.frame, self.window * self.game.frame

    def split(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Windows [B, n, D] and the values that follow them [B, D]."""
        sequence = self.game.encode(rows)
        return sequence[:, :-1], sequence[:, -1]

    def advance(self, first: int, count: int) -> Losses:
        """Predict what follows the windows of these batches."""
        return self._replay(self.sequences(first, count))

    @cached_property
    def _replay(self) -> Replay:
        return Replay(partial(fit, self.generator), self.game.device)

    def measure(self, rows: Tensor, part: int) -> Losses:
        """Squared error and Keras' accuracy on held-out windows."""
        window, target = self.split(rows)
        prediction = self.game.generator.next_value(window)
        return {
            "val_loss": (prediction - target).square().mean(),
            "val_accuracy": keras_accuracy(prediction, target),
            "val_zero_share": zero_share(target),
        }

    @torch.no_grad()
    def begin(self, tick: Tick) -> dict[str, float | None]:
        """The bar to beat: held-out squared error of the linear predictor of order n, on the windows that are measured."""
        order = self.window * self.game.generator.dense.out_features
        if order > _LINEAR_ORDER:
            return {"linear_mse": None}
        used = min(len(self.train.plan), _LINEAR_WINDOWS, max(10 * order, int(_LINEAR_WORK / order**2)))
        predictor = LinearPredictor.fit(map(self.split, self.train.chunks(used, self.rows)))
        errors = [
            (len(r), predictor.squared_error(*self.split(r))) for r in self.held_out.chunks(self.measured, self.rows)
        ]
        return {"linear_mse": float(sum(count * error for count, error in errors)) / self.measured}

    def closing_s(self, step_s: float, length: int) -> float:
        """As for any stage; feedback takes its time, value by value."""
        return super().closing_s(step_s, length) + feedback_s(self.game, length)

    def sample(self, length: int, tick: Tick) -> NDArray[np.int16]:
        """What comes of feeding predictions back, from a held-out window on."""
        return joined(by_feedback(self.game, length, start=self.starts()[0], tick=tick))

    def starts(self) -> Tensor:
        """The first held-out windows."""
        return self.split(self.held_out.rows(0, min(_STARTS, len(self.held_out.plan))))[0]


class GameStage(SequenceStage):
    """Generator against discriminator."""

    name, trains, judged_by = "game", ("generator", "discriminator"), "val_g_loss"
    share = 2.0

    def __init__(self, *args: object, mse_weight: float, adversarial_weight: float, **kwargs: object):
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.weights: dict[str, Any] = {"mse_weight": mse_weight, "adversarial_weight": adversarial_weight}

    def segment_and_hop(self) -> tuple[int, int]:
        """Windows of n, side by side."""
        return self.window * self.game.frame, self.window * self.game.frame

    def advance(self, first: int, count: int) -> Losses:
        """Let both learn from these batches, with new noise for each."""
        real = self.sequences(first, count)
        made_from = self.noise(real, "train", first)
        return self._replay(real, made_from)

    @cached_property
    def _replay(self) -> Replay:
        return Replay(partial(play, self.generator, self.discriminator, **self.weights), self.game.device)

    def measure(self, rows: Tensor, part: int) -> Losses:
        """Both losses and accuracies on held-out windows, with noise that is the same in every epoch."""
        real = self.game.encode(rows)
        fake = self.game.generator(self.noise(real, "held out", part))
        verdict = self.game.discriminator(torch.cat((real, fake)))
        measured = {"d_loss": discriminator_loss(verdict), **accuracies(verdict)}
        measured["g_loss"] = generator_loss(self.game, fake, real, **self.weights)["g_loss"]
        return {f"val_{name}": value for name, value in measured.items()}

    def starts(self) -> Tensor:
        """The first held-out windows."""
        return self.game.encode(self.held_out.rows(0, min(_STARTS, len(self.held_out.plan))))

    def noise(self, like: Tensor, purpose: str, number: int) -> Tensor:
        """Noise of the shape of some sequences, for one purpose, from step `number` on."""
        return noise(tuple(like.shape), derive(self.seed, purpose), number, like.device, like.dtype)

    def sample(self, length: int, tick: Tick) -> NDArray[np.int16]:
        """Sequences from noise, one after the other; the same noise in every epoch."""
        return joined(from_noise(self.game, length, window=self.window, seed=derive(self.seed, "sample"), tick=tick))


STAGES: dict[str, type[SequenceStage]] = {stage.name: stage for stage in (EncoderStage, FitStage, GameStage)}
"""In the order of a run."""
