"""What the experiments run on: the music, their sizes, and where their results go."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from fastgan.audio.corpus import Corpus, open_demo, open_folder
from fastgan.audio.split import choose_clips, long_enough, split_clips
from fastgan.audio.store import Clip
from fastgan.base.errors import BadInput
from fastgan.gan.clock import Clock
from fastgan.paper.commands import Options
from fastgan.paper.reported import EPOCHS, FEW, MANY, SIGNAL

RATE: int = SIGNAL["sample rate, Hz"]
WINDOW, BATCH, HIDDEN = 6, 32, 128
"""The paper's n and units; Keras' default batch."""
GENRE = "blues"
"""What the paper's Figure 5 is made of."""
WINDOWS = (6, 32, 128, 512)
"""Values in a sequence that are compared at equal time."""
CPU = torch.device("cpu")

_LEAST_CLIP = 2 * max(WINDOWS)  # samples


@dataclass(frozen=True)
class Sizes:
    """How much of everything.

    Attributes:
        seconds: of a clip of the built-in corpus.
        epochs: that Tables 3 and 5 are shown at; the largest is how long fit and game are trained.
        steps: optimiser steps in an epoch; 0 for once over all windows.
        short: epochs of fit and game of Figure 5's first column.
        held_out: windows that are measured after each epoch; 0 for all.
        equal_seconds: of training that each length of window gets.
        sound_seconds: of each sound.
        free_steps: values of a free run, at most.
        pretraining, playing: steps of C-RNN-GAN.
        bar_windows: that the linear predictor is fitted to and measured on, at most.
    """

    seconds: float
    epochs: tuple[int, ...]
    steps: int
    held_out: int
    short: int
    equal_seconds: float
    sound_seconds: float
    free_steps: int
    pretraining: int
    playing: int
    bar_windows: int


SCALES = {
    "small": Sizes(5.0, EPOCHS, 100, 8_192, 2, 15.0, 2.0, 400, 200, 80, 1 << 15),
    "paper": Sizes(30.0, EPOCHS, 0, 0, 2, 600.0, 2.0, 4_000, 5_000, 1_000, 1 << 18),
}


@dataclass(frozen=True)
class Setup:
    """Where and on what the experiments run.

    Args:
        folder: all results go there.
        data: folder of music, empty for the built-in corpus.
        genres: names of those wanted; none for blues where there is enough of it, else all.
        seed: of everything.
        sizes: how much of everything.
        device, threads: of the trainer, as it takes them.
        clock: knows whether somebody asked for the end.
        show: told how far the music is read or composed: done, total, name.
    """

    folder: Path
    data: str
    genres: tuple[str, ...]
    seed: int
    sizes: Sizes
    device: str
    threads: int
    clock: Clock
    show: Callable[[int, int, str], None] | None = None

    @cached_property
    def corpus(self) -> Corpus:
        """All music there is."""
        if self.data:
            return open_folder(self.data, RATE, progress=self.show)
        wanted = self.genres or (GENRE,)
        return open_demo(RATE, clips=MANY, seconds=self.sizes.seconds, genres=wanted, progress=self.show)

    @cached_property
    def wanted(self) -> tuple[str, ...]:
        """The genres that are used; none for all."""
        if self.genres or not self.data:
            return self.genres or (GENRE,)
        blues = [clip.genre for clip in self._usable if clip.genre.casefold() == GENRE]
        return (blues[0],) if len(blues) >= MANY else ()

    @property
    def few(self) -> int:
        """Clips of the small experiment: the paper's, or what there is."""
        return min(FEW, self.many)

    @cached_property
    def many(self) -> int:
        """Clips of the large experiment: the paper's, or what there is."""
        there = Counter(clip.genre.casefold() for clip in self._usable)
        count = sum(there[name.casefold()] for name in self.wanted) if self.wanted else sum(there.values())
        if count < 2:
            raise BadInput(f"{count} usable clips are there; the experiments need two, better {MANY} of 30 s")
        return min(MANY, count)

    def clips(self, count: int) -> tuple[list[Clip], list[Clip]]:
        """The clips of an experiment as the trainer chooses and splits them: (train, held out)."""
        if not self.data:
            return split_clips(self.corpus.index.clips[:count], self.seed)
        return split_clips(choose_clips(self._usable, self.wanted, count, self.seed), self.seed)

    def options(self, count: int, **others: str | float) -> Options:
        """What the trainer is told for an experiment with so many clips."""
        music: dict[str, str | float] = {"data": self.data} if self.data else {"seconds": self.sizes.seconds}
        if self.wanted:
            music["genres"] = ",".join(self.wanted)
        sizes = {"clips": count, "batch": BATCH, "window": WINDOW, "steps-per-epoch": self.sizes.steps}
        sizes["held-out"] = self.sizes.held_out
        given = {name.replace("_", "-"): value for name, value in others.items()}
        return (
            music
            | sizes
            | {"seed": self.seed, "sample-seconds": 0.1}
            | {"device": self.device, "threads": self.threads}
            | given
        )

    def run(self, name: str) -> Path:
        """Where a run of the trainer is."""
        return self.folder / "runs" / name

    def picture(self, name: str) -> Path:
        """Where a picture goes."""
        return self._place("pictures", name)

    def sound(self, name: str) -> Path:
        """Where a sound goes."""
        return self._place("sounds", name)

    def _place(self, room: str, name: str) -> Path:
        (self.folder / room).mkdir(parents=True, exist_ok=True)
        return self.folder / room / name

    @cached_property
    def _usable(self) -> list[Clip]:
        return long_enough(self.corpus.index.clips, _LEAST_CLIP)[0]
