"""Stages whose clips and verdicts are told, and runs with checkpoints for them: shared by the tests of what a run ends with."""

import math
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO

import numpy as np
import torch
from rich.console import Console

from fastgan.gan.checkpoint import Checkpoint
from fastgan.gan.clock import Clock
from fastgan.gan.music.sample import Taste
from fastgan.gan.music.stages import FrameStage
from fastgan.gan.progress import Screen
from fastgan.gan.run import Run
from tests.gan.music.common import small_game

SCREEN = Screen(Console(file=StringIO()))
ENDLESS = Clock(0, 0)


class Made(FrameStage):
    """A stage whose clips are told: each holds the weight that it was made with."""

    def __init__(self, alarm: float | None = None, more: float = 0.0) -> None:
        self.sets, self.more = 0, more
        self.game, self.alarm, self.asked = small_game(), alarm, list[tuple[float, Taste, tuple[str | int, ...]]]()
        self.judge = self.heard

    def step(self, step: int) -> dict[str, torch.Tensor]:
        """Nothing is learnt here."""
        raise AssertionError

    def make(self, count: int, taste: Taste, tick: object, *purpose: str | int) -> list[np.ndarray]:
        """As told."""
        weight = float(self.game.average.enter.bias[0])
        self.asked.append((weight, taste, purpose))
        return [np.full(3, weight)] * count

    def heard(self, clips: Sequence[np.ndarray]) -> tuple[dict[str, float], tuple[str, ...]]:
        """The weight is the distance; that of every second set by the game is `more` larger."""
        kad = float(clips[0][0])
        problems = ("silent clips",) if kad == self.alarm else ()
        self.sets += 1
        return {"kad": kad + (self.more if self.sets % 4 == 0 else 0)}, problems


class Tasted(Made):
    """A stage whose clips are the better the nearer they are to a taste; above a temperature they are silent."""

    def __init__(self, best: Taste, silent: float = math.inf) -> None:
        super().__init__()
        self.best, self.silent = best, silent

    def make(self, count: int, taste: Taste, tick: object, *purpose: str | int) -> list[np.ndarray]:
        """As told."""
        super().make(count, taste, tick, *purpose)
        return [np.array([taste.temperature, taste.style_strength])] * count

    def heard(self, clips: Sequence[np.ndarray]) -> tuple[dict[str, float], tuple[str, ...]]:
        """The distance from the best taste."""
        temperature, strength = clips[0]
        kad = abs(temperature - self.best.temperature) + abs(strength - self.best.style_strength)
        return {"kad": kad}, ("silent clips",) if temperature > self.silent else ()


def keep(run: Run, name: str, weight: float, *known_as: str) -> None:
    """Write a checkpoint of the stage and the epoch that its name is made of, known under other names, too."""
    game = small_game()
    with torch.no_grad():
        game.average.enter.bias.fill_(weight)
    stage, epoch = name.split("-")
    run.save(name, Checkpoint(game.tensors(), {"position": {"stage": stage, "epoch": int(epoch)}}), known_as=known_as)


def moved(taste: Taste, strength: float, temperature: float) -> Taste:
    """A taste by factors of another."""
    return replace(taste, style_strength=strength * taste.style_strength, temperature=temperature * taste.temperature)
