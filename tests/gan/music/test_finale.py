"""The choice between fit and the game, by clips that chose nothing before."""

import dataclasses
import json
import math
import time
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from fastgan.gan.checkpoint import Checkpoint, load_checkpoint
from fastgan.gan.clock import Clock
from fastgan.gan.music import finale
from fastgan.gan.music.finale import Choice, choose, contenders, hear, seconds_for, tune
from fastgan.gan.music.sample import FITTED, FOUND, PLAYED, Taste
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


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """A run without checkpoints."""
    found = Run.start(tmp_path / "run", {})
    yield found
    found.close()


def keep(run: Run, name: str, weight: float, *, best: bool) -> None:
    """Write a checkpoint of the stage that its name begins with."""
    game = small_game()
    with torch.no_grad():
        game.average.enter.bias.fill_(weight)
    run.save(name, Checkpoint(game.tensors(), {"position": {"stage": name.split("-")[0]}}), best=best)


def chosen(stage: FrameStage, run: Run, clock: Clock = ENDLESS) -> Choice:
    sides = contenders(run)
    tastes = {"fit": (FITTED,), "game": (PLAYED,)}
    return choose(run, sides, hear(stage, run, sides, tastes, SCREEN, clock))


def best_of(run: Run) -> float:
    return float(load_checkpoint(run.folder / "checkpoint", "best").tensors["average.enter.bias"][0])


@pytest.mark.parametrize(("game", "kept"), [(4.0, "game"), (6.0, "fit")])
@pytest.mark.parametrize("was_best", [False, True])
def test_the_nearer_is_kept_whatever_the_epochs_said(run: Run, game: float, kept: str, was_best: bool) -> None:
    keep(run, "fit-1", 5.0, best=True)
    run.keep_best("fit")
    keep(run, "game-2", game, best=was_best)
    stage = Made()
    choice = chosen(stage, run)
    assert (choice.kept, choice.kad) == (kept, {"fit": 5.0, "game": game})
    assert best_of(run) == min(5.0, game)
    assert kept in str(choice) or "rejected" in str(choice)
    assert json.loads((run.folder / "choice.json").read_text())["kept"] == kept
    assert [taste for _, taste, _ in stage.asked[:2]] == [FITTED, PLAYED]
    purposes = [purpose for *_, purpose in stage.asked]
    assert purposes[::2] == purposes[1::2] == [("choice", number) for number in range(4)]


def test_what_was_best_of_the_game_takes_part_before_what_it_ended_with(run: Run) -> None:
    keep(run, "fit-1", 5.0, best=True)
    run.keep_best("fit")
    keep(run, "game-2", 3.0, best=True)
    keep(run, "game-3", 9.0, best=False)
    choice = chosen(Made(), run)
    assert choice.kad["game"] == 3.0
    assert best_of(run) == 3.0


def test_a_game_that_raises_an_alarm_is_rejected(run: Run) -> None:
    keep(run, "fit-1", 5.0, best=True)
    run.keep_best("fit")
    keep(run, "game-2", 4.0, best=False)
    choice = chosen(Made(alarm=4.0), run)
    assert choice.kept == "fit"
    assert "rejected" in str(choice)
    assert best_of(run) == 5.0


def test_the_error_of_the_difference_is_told(run: Run) -> None:
    """Differences of 0, 2, 0 and 2 after one of -0.5 each are 0.5 on average, and their standard error is 0.58."""
    keep(run, "fit-1", 5.0, best=True)
    run.keep_best("fit")
    keep(run, "game-2", 4.5, best=False)
    choice = chosen(Made(more=2.0), run)
    assert choice.kad["game"] - choice.kad["fit"] == pytest.approx(0.5)
    assert choice.error == pytest.approx(0.577, abs=1e-3)
    assert choice.kept == "fit"
    assert "(error 0.6)" in str(choice)


def test_where_time_is_over_a_few_clips_decide(run: Run) -> None:
    keep(run, "fit-1", 5.0, best=True)
    run.keep_best("fit")
    keep(run, "game-2", 4.0, best=False)
    choice = chosen(Made(), run, Clock(1e-9, 0))
    assert choice.clips == finale.TOGETHER
    assert [seconds_for(minutes) for minutes in (0, 1, 4, 20)] == [0, 12, 48, 240]


def test_without_a_game_there_is_no_choice(run: Run) -> None:
    assert contenders(run) == {}
    keep(run, "fit-1", 5.0, best=True)
    assert contenders(run) == {}
    run.keep_best("fit")
    assert contenders(run) == {}
    keep(run, "game-2", 6.0, best=False)
    assert contenders(run) == {"fit": "fit", "game": "newest"}
    keep(run, "game-3", 4.0, best=True)
    assert contenders(run) == {"fit": "fit", "game": "best"}


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


def found_in(run: Run, which: str) -> dict[str, float]:
    state = load_checkpoint(run.folder / "checkpoint", which).state
    return {name: state[name] for name in FOUND if name in state}


def moved(taste: Taste, strength: float, temperature: float) -> Taste:
    """A taste by factors of another."""
    return dataclasses.replace(
        taste, style_strength=strength * taste.style_strength, temperature=temperature * taste.temperature
    )


@pytest.mark.parametrize(("name", "usual"), [("fit", FITTED), ("game", PLAYED)])
def test_a_taste_is_found_by_clips_of_the_same_noise(run: Run, name: str, usual: Taste) -> None:
    keep(run, f"{name}-1", 5.0, best=True)
    stage = Tasted(best=moved(usual, 1.25, 1.1))
    assert tune(stage, run, "best", SCREEN, ENDLESS) == (usual, moved(usual, 1.3, 1.08))
    assert {weight for weight, *_ in stage.asked} == {5.0}
    assert len({purpose for *_, purpose in stage.asked}) == 1
    assert found_in(run, "best") == {}  # for new clips to decide


def test_a_search_that_ends_where_it_began_is_not_made_again(run: Run) -> None:
    keep(run, "game-1", 5.0, best=True)
    stage = Tasted(best=PLAYED)
    assert tune(stage, run, "best", SCREEN, ENDLESS) == (PLAYED,)
    tried = len(stage.asked)
    assert tried > 2
    assert tune(stage, run, "best", SCREEN, ENDLESS) == (PLAYED,)
    assert len(stage.asked) == tried


def test_a_temperature_with_an_alarm_is_not_taken(run: Run) -> None:
    keep(run, "game-1", 5.0, best=True)
    assert tune(Tasted(best=moved(PLAYED, 1, 1.6), silent=1.3), run, "best", SCREEN, ENDLESS) == (PLAYED,)


@pytest.mark.parametrize("closing", [99.0, 40.0])
def test_without_time_for_two_the_usual_taste_stays(run: Run, closing: float) -> None:
    keep(run, "game-1", 5.0, best=True)
    clock = Clock(1, time.monotonic())
    clock.closing = closing
    stage = Tasted(best=moved(PLAYED, 1, 0.8))
    assert tune(stage, run, "best", SCREEN, clock) == (PLAYED,)
    assert (stage.asked, found_in(run, "best")) == ([], {})


def test_what_comes_later_has_as_much_of_the_time(run: Run) -> None:
    keep(run, "game-1", 5.0, best=True)
    clock = Clock(1, time.monotonic())
    clock.closing = 20.0  # two tries are 40 of 57 seconds
    stage = Tasted(best=moved(PLAYED, 1, 0.8))
    assert tune(stage, run, "best", SCREEN, clock, later=1) == (PLAYED,)
    assert stage.asked == []
    tune(stage, run, "best", SCREEN, clock)
    assert len(stage.asked) > 2


@pytest.mark.parametrize("better", [True, False])
def test_what_was_found_is_taken_where_new_clips_agree(run: Run, better: bool) -> None:
    keep(run, "fit-1", 5.0, best=True)
    found = moved(FITTED, 1.3, 1.08)
    stage, said = Tasted(best=found if better else FITTED), Console(file=StringIO(), width=200)
    heard = hear(stage, run, {"fit": "best"}, {"fit": (FITTED, found)}, Screen(said), ENDLESS)["fit"]
    wanted = found if better else FITTED
    assert (heard.taste, heard.kad, heard.alarm) == (wanted, 0.0, False)
    assert found_in(run, "best") == {name: getattr(wanted, name) for name in FOUND}
    assert Taste.of(load_checkpoint(run.folder / "checkpoint", "best").state) == wanted
    told = f"fit is best played at style strength {found.style_strength:.2f}, temperature {found.temperature:.2f}"
    assert (told in said.file.getvalue()) == better
    purposes = [purpose for *_, purpose in stage.asked]
    assert purposes[::2] == purposes[1::2] == [("choice", number) for number in range(4)]


def test_a_taste_that_raises_an_alarm_gives_way_to_one_that_does_not(run: Run) -> None:
    keep(run, "fit-1", 5.0, best=True)
    found = moved(FITTED, 1, 1.08)
    stage = Tasted(best=found, silent=FITTED.temperature)
    heard = hear(stage, run, {"fit": "best"}, {"fit": (FITTED, found)}, SCREEN, ENDLESS)["fit"]
    assert (heard.taste, heard.alarm) == (FITTED, False)
