"""The stages of a run that makes music: encoder, fit, game."""

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fastgan.gan.music.excerpts import Excerpts, Music
from fastgan.gan.music.game import MusicGame
from fastgan.gan.music.guide import Course
from fastgan.gan.music.latents import Latents
from fastgan.gan.music.play import game_step
from fastgan.gan.music.sample import FITTED, PLAYED, Taste, make_clips, rebuild
from fastgan.gan.music.steps import Batch, encoder_step, fit_loss, fit_step, show
from fastgan.gan.seeds import derive
from fastgan.gan.stage import Losses, Stage, Tick

Samples = NDArray[np.int16]
Judge = Callable[[Sequence[Samples]], tuple[dict[str, float], tuple[str, ...]]]
"""Gives the measures of some clips, `kad` among them, and what is wrong with them as a set."""

ENCODER_FRAMES = 64  # of a training excerpt of the encoder
JUDGED = 12  # clips that a checkpoint is judged by
JUDGED_S = 10.0  # length of each
_COMPONENT_FRAMES = 60_000  # that principal components are computed from: twenty minutes
_MEASURED = 16  # batches of excerpts
_PART = 256  # frames of a piece that are looked at together
_WARM_UP = 100  # steps in which the learning rate rises
_LAST = 0.02  # of the learning rate, at the end
GENERATOR_SHARE = 0.05  # of the critic's learning rate: the critic must keep up
PUPIL_SHARE = 0.3  # the same while it learns from its teacher alone, at first
PUPIL, PUPIL_AT_MOST = 200, 0.5  # steps for which it does that, and share of the stage
OWN_FROM = 0.5  # share of fit after which the generator also learns from what it makes itself
KEEP, KEEP_GAME = 0.999, 0.99  # share of the running average that stays, once it has a past


class MusicStage(Stage):
    """A stage that learns from excerpts of music.

    Args:
        game: the networks.
        music: (train, held out).
        window: steps of the generator in an excerpt.
        batch: excerpts in a step.
        lr: learning rate at its highest.
        seed: of the run.
        judge: listens to what is made.

    Raises:
        BadInput: the music holds less than a batch.
    """

    game: MusicGame
    stride = 1

    def __init__(
        self,
        game: MusicGame,
        music: tuple[Music, Music],
        *,
        window: int,
        batch: int,
        lr: float,
        seed: int,
        judge: Judge,
    ):
        self.game, self.music, self.window, self.batch, self.lr, self.judge = game, music, window, batch, lr, judge
        self.seed = derive(seed, self.name)
        length = self.excerpt()
        self.train = Excerpts(music[0], length=length, batch=batch, seed=derive(self.seed, "train"))
        self.held_out = Excerpts(music[1], length=length, batch=1, seed=derive(self.seed, "held out"))
        self.measured = min(_MEASURED * batch, self.held_out.per_pass)
        self.per_pass = self.train.per_pass

    def excerpt(self) -> int:
        """Frames of an excerpt."""
        return (self.window + 1) * self.game.group

    def random(self, purpose: str, step: int) -> torch.Generator:
        """Randomness of one step, for one purpose."""
        return torch.Generator(self.game.device).manual_seed(derive(self.seed, purpose, step))

    def rate_at(self, step: int) -> float:
        """Learning rate: rises at first, then falls with the share of the stage that is done, as a cosine."""
        return self.lr * 0.5**self.eased * min(1.0, (step + 1) / _WARM_UP) * (_LAST + (1 - _LAST) * fall(self.progress))

    def advance(self, first: int, count: int) -> Losses:
        """Take these steps."""
        sums: Losses = {}
        for step in range(first, first + count):
            for name in self.trains:
                self.game.optimisers[name].lr = self.rate_at(step)
            for name, value in self.step(step).items():
                sums[name] = sums[name] + value if name in sums else value
        return sums

    @abstractmethod
    def step(self, step: int) -> Losses:
        """Take one step; named scalars."""


class EncoderStage(MusicStage):
    """The encoder learns to compress frames and to rebuild them."""

    name, trains, judged_by, guards = "encoder", ("encoder",), "val_loss", ("encoder",)
    margin = 0.0  # what comes after rests on it
    share = 0.1

    def excerpt(self) -> int:
        """Frames of an excerpt."""
        return ENCODER_FRAMES

    def begin(self, tick: Tick) -> dict[str, float | None]:
        """Find the principal components, where none are known yet, and how well they do alone."""
        encoder, music = self.game.encoder, self.music[0]
        if not encoder.fitted:
            parts = [(piece, first) for piece in music.pieces for first in range(0, piece.frames, _PART)]
            chosen = parts[:: math.ceil(len(parts) * _PART / _COMPONENT_FRAMES)]

            def magnitudes() -> Iterator[Tensor]:
                for done, (piece, first) in enumerate(chosen):
                    tick(done / len(chosen))
                    yield self.magnitudes(music.sound(piece, first, min(_PART, piece.frames - first)))

            encoder.fit_components(magnitudes())
        with torch.no_grad():
            errors = [encoder.linear_error(part).double() for part in self._held_out_magnitudes()]
        self.linear = float(torch.stack(errors).mean())
        return {"linear_loss": self.linear}

    def step(self, step: int) -> Losses:
        """Rebuild a batch."""
        return encoder_step(self.game, self.magnitudes(self.train.sound(step)))

    @torch.no_grad()
    def evaluate(self, tick: Tick) -> dict[str, float]:
        """Error of rebuilt held-out levels, and the loudness that rebuilt frames need; corrections that do harm are forgotten."""
        encoder = self.game.encoder
        errors = [encoder.error(part).double() for part in self._held_out_magnitudes()]
        error = float(torch.stack(errors).mean())
        if not error <= self.linear:
            encoder.forget_corrections()
            error = self.linear
        encoder.fit_loudness(
            self.magnitudes(self.train.sound(step)) for step in range(min(_MEASURED, self.train.per_pass))
        )
        return {"val_loss": error}

    def sample(self, length: int, tick: Tick) -> Samples:
        """The beginning of the held-out music, compressed and rebuilt."""
        music = self.music[1]
        piece = max(music.pieces, key=lambda piece: piece.frames)
        count = min(piece.frames, math.ceil(length / self.game.frames.hop))
        return rebuild(self.game, music.sound(piece, 0, count))[:length]

    def magnitudes(self, sound: Tensor) -> Tensor:
        """Spectra of sound [..., N], on the device of the networks."""
        return self.game.frames.magnitudes(sound.to(self.game.device, self.game.dtype))

    def _held_out_magnitudes(self) -> Iterator[Tensor]:
        return (self.magnitudes(self.held_out.sound(step)) for step in range(self.measured))


class FrameStage(MusicStage):
    """A stage of the generator: it learns from latent frames, and is judged by the music that it makes."""

    judged_by, guards, taste = "kad", ("generator", "average"), FITTED
    margin = 5.0  # twice what KAD of a few clips varies by

    def begin(self, tick: Tick) -> dict[str, float | None]:
        """Encode all of the music, and find what its pieces are like."""
        train, held_out = self.music
        self.latents = Latents(train, self.game.encoder, self.game.genres, lambda share: tick(0.9 * share))
        self.unseen = Latents(held_out, self.game.encoder, self.game.genres, lambda share: tick(0.9 + 0.1 * share))
        if not self.game.styles.fitted:
            every = self.latents
            self.game.styles.fit(every.means, every.genres, every.periods, every.regularities)
        return {}

    def batch_at(self, step: int) -> Batch:
        """What the generator learns from in a step."""
        return self._batch(self.latents, self.train, self.train.at(step))

    def _batch(self, latents: Latents, excerpts: Excerpts, starts: NDArray[np.int64]) -> Batch:
        game = self.game
        frames = latents.excerpts(starts, excerpts.length).to(game.device, game.dtype)
        counts = latents.counts(starts, excerpts.length)[:, :: game.group].to(game.device)
        return Batch(game.join(frames), latents.styles(game.styles, excerpts, starts), counts)

    @torch.no_grad()
    def evaluate(self, tick: Tick) -> dict[str, float]:
        """Squared error on held-out music, and what the judge says of the clips that the generator makes."""
        if not self._finite():
            self.problems = ("weights that are no numbers",)
            self.made = [np.zeros(round(JUDGED_S * self.game.rate), np.int16)]
            return {"val_loss": math.nan, "kad": math.nan}
        measured = {"val_loss": self._unseen_loss()}
        judged, self.problems = self._listen(self.taste, tick)
        return measured | judged

    def _listen(self, taste: Taste, tick: Tick) -> tuple[dict[str, float], tuple[str, ...]]:
        """Make the clips of this stage, always from the same noise, and judge them."""
        self.made = self.make(JUDGED, taste, lambda share: tick(0.7 * share))
        return self.judge(self.made)

    @torch.no_grad()
    def make(self, count: int, taste: Taste, tick: Tick, *purpose: str | int) -> list[Samples]:
        """Some clips by the average, of styles and from noise that the purpose decides."""
        rows = self.game.styles.draw(count, torch.Generator().manual_seed(derive(self.seed, *purpose, "styles")))
        return make_clips(
            self.game,
            Course.of_rows(self.game.styles, rows, self.game.step_s),
            length=round(JUDGED_S * self.game.rate),
            seeds=[derive(self.seed, *purpose, "clip", number) for number in range(count)],
            taste=taste,
            tick=tick,
        )

    def sample(self, length: int, tick: Tick) -> Samples:
        """The first of the clips that were judged, one after the other as far as they are wanted."""
        return np.concatenate(self.made)[:length]

    def closing_s(self, step_s: float, length: int) -> float:
        """Making clips and listening to them."""
        return 10.0

    def _finite(self) -> bool:
        return all(bool(weight.isfinite().all()) for weight in self.game.average.parameters())

    def _unseen_loss(self) -> float:
        total, game = 0.0, self.game
        for step in range(0, self.measured, self.batch):
            starts = np.concatenate(
                [self.held_out.at(one) for one in range(step, min(step + self.batch, self.measured))]
            )
            batch = self._batch(self.unseen, self.held_out, starts)
            random = self.random("held out", step)
            loss = fit_loss(game, game.average, show(batch, batch.styles.new_zeros(len(starts)), random), random)
            total += float(loss) * len(starts)
        return total / self.measured


class FitStage(FrameStage):
    """The generator learns to continue the music: the flow's squared error, which stands for its likelihood."""

    name, trains, share = "fit", ("generator",), 0.6

    def step(self, step: int) -> Losses:
        """Continue the excerpts of a batch."""
        keep = min(KEEP, (1 + step) / (10 + step))
        own = self.progress >= OWN_FROM
        return fit_step(self.game, self.batch_at(step), self.random("train", step), keep, own=own)


class GameStage(FrameStage):
    """The generator is played against the critic."""

    name, trains, goes_on, share, taste = "game", ("generator", "critic"), True, 0.3, PLAYED
    betas = (0.0, 0.99)  # momentum carries a player beyond where the other one is by then

    def __init__(self, *args: Any, adversarial_weight: float, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.adversarial_weight = adversarial_weight

    @torch.no_grad()
    def measure_before(self, tick: Tick) -> float:
        """What the judge says of fit's best on the clips of this stage: of many epochs the best was lucky with its own clips."""
        return self._listen(FITTED, tick)[0]["kad"]

    def step(self, step: int) -> Losses:
        """Play against the critic, from excerpts of a batch."""
        if step == 0:  # the average is what was judged the best, and by far the calmer
            for network in (self.game.generator, self.game.teacher):
                network.load_state_dict(self.game.average.state_dict())
        taught = max(step / PUPIL, self.progress / PUPIL_AT_MOST)
        fights = taught >= 1  # until then its rate falls to nothing: unsettled, it would begin far from its teacher
        self.game.optimisers["generator"].lr *= GENERATOR_SHARE if fights else PUPIL_SHARE * fall(taught)
        how: dict[str, Any] = {"adversarial_weight": self.adversarial_weight, "fights": fights}
        return game_step(self.game, self.batch_at(step), self.random("train", step), KEEP_GAME, **how)


def fall(done: float) -> float:
    """From 1 to 0, as a cosine, with the share that is done; 0 beyond (Loshchilov and Hutter, "SGDR", 2017)."""
    return (1 + math.cos(math.pi * min(1.0, done))) / 2


MUSIC_STAGES: dict[str, type[MusicStage]] = {stage.name: stage for stage in (EncoderStage, FitStage, GameStage)}
"""In the order of a run."""
