"""A trained run, opened to be played: pieces of any length, block by block, whatever kind of run it is."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fastgan.audio.split import known_genre
from fastgan.base.errors import BadInput
from fastgan.gan.checkpoint import Checkpoint, has, load_checkpoint
from fastgan.gan.game import Game
from fastgan.gan.music.game import MusicGame
from fastgan.gan.music.guide import Course
from fastgan.gan.music.sample import FOUND, Taste, continued, make_piece
from fastgan.gan.sample import by_feedback, from_noise
from fastgan.gan.seeds import derive
from fastgan.gan.stage import Tick
from fastgan.ops.lstm.free_run import Native
from fastgan.ops.machine import choose_device, use_threads

Samples = NDArray[np.int16]

HOW = ("auto", "noise", "feedback", "carried")
"""Ways in which a run on samples makes sound: sequences from noise, as in the game; the next value again and again, each from the
window before it, as in fit; the same with the state carried on, which no stage trains."""


@dataclass(frozen=True)
class Wish:
    """What a piece is to be like.

    Attributes:
        length: samples, at least 1.
        seed: chooses the noise that it grows from.
        number: of the piece among those of this seed, from 1 on: they begin in styles that are spread evenly over the music.
        temperature: of a run on frames, a factor of the noise: 1 as usual, less for calmer music.
        style_strength: of a run on frames, a factor of how far from the mean of all music it is told that its style is.
        genre: of a run on frames; any where empty.
        prime: of a run on frames, a recording to go on from, int16 [N] at the run's rate.
    """

    length: int
    seed: int
    number: int = 1
    temperature: float = 1.0
    style_strength: float = 1.0
    genre: str = ""
    prime: Samples | None = None

    @property
    def noise(self) -> int:
        """The seed of this piece alone."""
        return derive(self.seed, self.number)


class Player(ABC):
    """Makes pieces with one checkpoint of a run.

    Attributes:
        rate: of the sound, Hz.
        genres: that can be wished for; none of a run on samples.
        on_frames: whether it is a run on frames, which takes all that can be wished for.
        stage: that the checkpoint was written in.
    """

    rate: int
    genres: list[str]
    on_frames: bool
    stage: str

    @abstractmethod
    def play(self, wish: Wish, tick: Tick) -> Iterator[Samples]:
        """Make a piece: yields its samples in blocks as they come, int16 [n], `wish.length` in all.

        Args:
            wish: what it is to be like.
            tick: told the share done; what it raises ends the piece.

        Raises:
            BadInput: the wish cannot be fulfilled; before the first block.
        """


class MusicPlayer(Player):
    """Plays a run on frames.

    Args:
        checkpoint: of the run.
        device: where to compute.
        backend: implementation of the LSTM.

    Raises:
        BadInput: it holds nothing that makes music.
    """

    on_frames = True

    def __init__(self, checkpoint: Checkpoint, device: torch.device, backend: str):
        self._game = MusicGame.restore(checkpoint, device, backend)
        if not self._game.styles.fitted:
            raise BadInput(
                "this checkpoint was written before the fit stage, so there is nothing to make music with yet; train on"
            )
        self.rate, self.genres = self._game.rate, self._game.genres
        self.stage = checkpoint.state["position"]["stage"]
        self._taste = Taste.of(checkpoint.state)
        use_threads(1, 1, checkpoint.state["settings"]["hidden"])

    def play(self, wish: Wish, tick: Tick) -> Iterator[Samples]:
        """See `Player.play`."""
        game, known = self._game, {name.casefold(): name for name in self.genres}
        genre = self.genres.index(known_genre(wish.genre, known)) if wish.genre else None
        usual = self._taste
        taste = replace(usual, **{name: getattr(usual, name) * getattr(wish, name) for name in FOUND})
        if wish.prime is not None:
            course, before = continued(game, wish.prime, genre)
        else:
            random = torch.Generator().manual_seed(derive(wish.seed, "style"))
            rows = game.styles.draw(wish.number, random, genre)[-1:]
            course, before = Course.of_rows(game.styles, rows, game.step_s), None
        return make_piece(game, course, wish.length, seed=wish.noise, taste=taste, prime=before, tick=tick)


class SamplePlayer(Player):
    """Plays a run on samples.

    Args:
        checkpoint: of the run.
        how: one of `HOW`; auto goes by the stage that the checkpoint was written in.
        device: where to compute.
        backend: implementation of the LSTM.

    Raises:
        BadInput: it cannot make sound in this way.
    """

    on_frames = False

    def __init__(self, checkpoint: Checkpoint, how: str, device: torch.device, backend: str):
        settings = checkpoint.state["settings"]
        self._game = Game.restore(checkpoint, device, backend)
        self.rate, self.genres, self.stage = checkpoint.state["rate"], [], checkpoint.state["position"]["stage"]
        self._window, self._starts = settings["window"], checkpoint.tensors["starts"]
        self._how = how if how != "auto" else ("noise" if self.stage == "game" else "feedback")
        if self._how != "noise":
            if not len(self._starts):
                raise BadInput(
                    "this checkpoint was written before the fit stage, so nothing can be fed back yet; train on, or use --how noise"
                )
            if self._game.generator.kind_of_run(1, self._window) is not Native:  # which finds out how many are best
                use_threads(0, self._window, settings["hidden"])

    def play(self, wish: Wish, tick: Tick) -> Iterator[Samples]:
        """See `Player.play`."""
        told = {"prime": wish.prime is not None, "genre": wish.genre}
        told |= {name.replace("_", "-"): getattr(wish, name) != 1 for name in FOUND}
        for name in (name for name, value in told.items() if value):
            raise BadInput(
                f"--{name} is of runs on frames (--preset music); this one learnt {self._window} samples at a time"
            )
        return self._blocks(wish, tick)

    def _blocks(self, wish: Wish, tick: Tick) -> Iterator[Samples]:
        if self._how == "noise":
            return from_noise(self._game, wish.length, window=self._window, seed=wish.noise, tick=tick)
        start = self._starts[wish.noise % len(self._starts)].to(self._game.device)
        return by_feedback(self._game, wish.length, start=start, carried=self._how == "carried", tick=tick)


def open_player(
    folder: Path, *, which: str = "auto", how: str = "auto", device: str = "auto", backend: str = "auto"
) -> Player:
    """Open a run to be played.

    Args:
        folder: of the run, or of its checkpoints.
        which: of its checkpoints, newest, best or fit; auto: the best of a run on frames, which is judged by what it sounds like, else
            the newest.
        how: of a run on samples, one of `HOW`.
        device: where to compute: auto, cpu, cuda, ...
        backend: implementation of the LSTM.

    Raises:
        BadInput: there is no run, or it cannot be played so.
    """
    home = folder / "checkpoint" if (folder / "checkpoint").is_dir() else folder
    checkpoint = load_checkpoint(home, "newest" if which == "auto" else which)
    settings: dict[str, Any] = checkpoint.state["settings"]
    if settings["encoder"] != "spectral":
        return SamplePlayer(checkpoint, how, choose_device(device), backend)
    if how != "auto":
        raise BadInput(
            "--how is of runs on samples (--preset paper); this one makes each frame from those before it and from noise"
        )
    if which == "auto" and has(home, "best"):
        best = load_checkpoint(home, "best")
        checkpoint = checkpoint if best.state["position"]["stage"] == "encoder" else best
    return MusicPlayer(checkpoint, choose_device(device), backend)
