"""The loop: alarms and the way back to the best checkpoint."""

from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn

from fastgan.gan.clock import Clock
from fastgan.gan.loop import Loop, Position
from fastgan.gan.networks import Networks
from fastgan.gan.progress import Screen
from fastgan.gan.run import Run
from fastgan.gan.stage import Losses, Stage, Tick
from tests.conftest import RATE, tune


class Weights(Networks):
    """One weight."""

    def __init__(self) -> None:
        self.net = nn.Linear(1, 1, bias=False)
        self.optimise(("net",), 0.1)

    def networks(self) -> dict[str, nn.Module]:
        """The one."""
        return {"net": self.net}


class Told(Stage):
    """A stage whose weight counts its steps and whose measures are told."""

    name, trains, judged_by, guards, margin = "told", ("net",), "score", ("net",), 2.0
    batch = stride = per_pass = 1

    def __init__(self, scores: list[float], problems: dict[int, tuple[str, ...]] | None = None) -> None:
        self.game, self.scores, self.told = Weights(), scores, problems or {}
        self.game.net.weight.data.zero_()
        self.seen: list[tuple[float, int]] = []

    def advance(self, first: int, count: int) -> Losses:
        """Count."""
        self.game.net.weight.data += count
        self.seen.append((self.progress, self.eased))
        return {"loss": torch.tensor(1.0)}

    def evaluate(self, tick: Tick) -> dict[str, float]:
        """What was told."""
        epoch = len(self.seen) - 1
        self.problems = self.told.get(epoch, ())
        return {"score": self.scores[epoch]}

    def sample(self, length: int, tick: Tick) -> np.ndarray:
        """A tune."""
        return tune(length / RATE)


def trained(stage: Told, folder: Path, position: Position | None = None) -> tuple[Loop, list[dict[str, object]], str]:
    """Train to the end; the loop, the log and what the screen said."""
    said, run = StringIO(), Run.start(folder, {})
    screen = Screen(Console(file=said, width=200))
    loop = Loop(run, screen, Clock(0, 0), keep={"rate": RATE}, sample_length=RATE, save_every=1e9)
    loop.position = position or Position(stage="told")
    try:
        loop.train(stage, epochs=len(stage.scores), steps=1)
        return loop, run.rows, said.getvalue()
    finally:
        run.close()


def test_a_measure_that_is_much_worse_sends_the_run_back_to_the_best(tmp_path: Path) -> None:
    stage = Told([5, 3, 9, 4])
    loop, rows, said = trained(stage, tmp_path / "run")
    assert [row.get("stepped_back", False) for row in rows] == [False, False, True, False]
    assert stage.game.net.weight.item() == 3  # two steps to the best, one that was thrown away, one from there
    assert loop.position.best == 3
    assert [eased for _, eased in stage.seen] == [0, 0, 0, 1]
    assert "back to the best checkpoint" in said


def test_a_little_worse_is_let_go(tmp_path: Path) -> None:
    stage = Told([3, 4.9, 4])
    assert not any("stepped_back" in row for row in trained(stage, tmp_path / "run")[1])


def test_an_alarm_is_logged_and_shown_and_never_the_best(tmp_path: Path) -> None:
    stage = Told([3, 1, 4], {1: ("silent clips",)})
    loop, rows, said = trained(stage, tmp_path / "run")
    assert rows[1]["alarm"] == "silent clips"
    assert rows[1]["stepped_back"] is True
    assert loop.position.best == 3
    assert "alarm: silent clips" in said


def test_what_a_stage_begins_with_is_measured_anew(tmp_path: Path) -> None:
    """The stage before was lucky with its own clips: 3 there, 6 here, where the stage itself then comes to 5."""
    stage = Told([7, 5])
    stage.measure_before = lambda tick: 6.0
    loop, rows, _ = trained(stage, tmp_path / "run", Position(stage="told", best=3))
    assert [row["score_before"] for row in rows] == [6, 6]
    assert (loop.position.best, loop.position.least) == (5, 5)


def test_a_stage_that_goes_on_keeps_its_own_best_and_goes_back_to_it(tmp_path: Path) -> None:
    """The stage before has a best of 3, which this one does not reach: 6 and 5, then 11, where it goes back to its own two steps."""
    stage = Told([6, 5, 11, 4.5])
    stage.goes_on = True
    loop, rows, _ = trained(stage, tmp_path / "run", Position(stage="told", best=3))
    assert [row.get("stepped_back", False) for row in rows] == [False, False, True, False]
    assert stage.game.net.weight.item() == 3
    assert (loop.position.best, loop.position.least) == (3, 4.5)
    assert not loop.run.has("best")
    kept = loop.run.load("told")
    assert kept is not None
    assert kept.tensors["net.weight"].item() == 3


def test_before_there_is_a_best_the_run_goes_on(tmp_path: Path) -> None:
    stage = Told([9, 8], {0: ("noise",)})
    loop, rows, _ = trained(stage, tmp_path / "run")
    assert "stepped_back" not in rows[0]
    assert loop.position.best == 8


def test_a_measure_that_is_no_number_sends_it_back(tmp_path: Path) -> None:
    stage = Told([3, float("nan"), 4])
    assert trained(stage, tmp_path / "run")[1][1]["stepped_back"] is True


def test_without_guards_nothing_goes_back(tmp_path: Path) -> None:
    stage = Told([3, 99, 4], {1: ("silent clips",)})
    stage.guards = ()
    trained(stage, tmp_path / "run")
    assert stage.game.net.weight.item() == 3


def test_the_stage_is_told_how_far_it_is(tmp_path: Path) -> None:
    stage = Told([3, 2, 1, 0])
    trained(stage, tmp_path / "run")
    assert [share for share, _ in stage.seen] == pytest.approx([0, 0.25, 0.5, 0.75])
