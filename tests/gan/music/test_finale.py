"""The choice between fit and the game, by clips that chose nothing before."""

import json

import pytest

from fastgan.gan.checkpoint import load_checkpoint
from fastgan.gan.clock import Clock
from fastgan.gan.music.finale import Choice, choose, contenders, seconds_for
from fastgan.gan.music.sample import FITTED, PLAYED
from fastgan.gan.music.stages import FrameStage
from fastgan.gan.music.tuning import TOGETHER, hear
from fastgan.gan.run import Run
from tests.gan.music.judged import ENDLESS, SCREEN, Made, keep


def chosen(stage: FrameStage, run: Run, clock: Clock = ENDLESS) -> Choice:
    sides = contenders(run)
    tastes = {"fit": (FITTED,), "game": (PLAYED,)}
    return choose(run, sides, hear(stage, run, sides, tastes, SCREEN, clock))


def weight_of(run: Run, which: str) -> float:
    return float(load_checkpoint(run.folder / "checkpoint", which).tensors["average.enter.bias"][0])


def best_of(run: Run) -> float:
    return weight_of(run, "best")


@pytest.mark.parametrize(("game", "kept"), [(4.0, "game"), (6.0, "fit")])
@pytest.mark.parametrize("was_best", [False, True])
def test_the_nearer_is_kept_whatever_the_epochs_said(run: Run, game: float, kept: str, was_best: bool) -> None:
    keep(run, "fit-1", 5.0, "best", "fit")
    keep(run, "game-2", game, "game", *["best"] * was_best)
    stage = Made()
    choice = chosen(stage, run)
    assert (choice.kept, choice.kad) == (kept, {"fit": 5.0, "game": game})
    assert best_of(run) == min(5.0, game)
    assert weight_of(run, "fit") == 5.0
    assert weight_of(run, "game") == game, "a rejected game can be played all the same"
    assert kept in str(choice) or "rejected" in str(choice)
    assert json.loads((run.folder / "choice.json").read_text())["kept"] == kept
    assert [taste for _, taste, _ in stage.asked[:2]] == [FITTED, PLAYED]
    purposes = [purpose for *_, purpose in stage.asked]
    assert purposes[::2] == purposes[1::2] == [("choice", number) for number in range(4)]


def test_the_best_of_the_game_takes_part_and_not_what_it_ended_with(run: Run) -> None:
    keep(run, "fit-1", 5.0, "best", "fit")
    keep(run, "game-2", 4.0, "game")
    keep(run, "game-3", 9.0)
    choice = chosen(Made(), run)
    assert choice.kad["game"] == 4.0
    assert best_of(run) == 4.0


def test_a_game_that_raises_an_alarm_is_rejected(run: Run) -> None:
    keep(run, "fit-1", 5.0, "best", "fit")
    keep(run, "game-2", 4.0, "game")
    choice = chosen(Made(alarm=4.0), run)
    assert choice.kept == "fit"
    assert "rejected" in str(choice)
    assert best_of(run) == 5.0


def test_the_error_of_the_difference_is_told(run: Run) -> None:
    """Differences of 0, 2, 0 and 2 after one of -0.5 each are 0.5 on average, and their standard error is 0.58."""
    keep(run, "fit-1", 5.0, "best", "fit")
    keep(run, "game-2", 4.5, "game")
    choice = chosen(Made(more=2.0), run)
    assert choice.kad["game"] - choice.kad["fit"] == pytest.approx(0.5)
    assert choice.error == pytest.approx(0.577, abs=1e-3)
    assert choice.kept == "fit"
    assert "(error 0.6)" in str(choice)


def test_where_time_is_over_a_few_clips_decide(run: Run) -> None:
    keep(run, "fit-1", 5.0, "best", "fit")
    keep(run, "game-2", 4.0, "game")
    choice = chosen(Made(), run, Clock(1e-9, 0))
    assert choice.clips == TOGETHER
    assert [seconds_for(minutes) for minutes in (0, 1, 4, 20)] == [0, 12, 48, 240]


def test_without_a_game_there_is_no_choice(run: Run) -> None:
    assert contenders(run) == {}
    keep(run, "fit-1", 5.0, "best", "fit")
    assert contenders(run) == {}
    keep(run, "game-2", 6.0)
    assert contenders(run) == {}, "nothing that it made was music"
    keep(run, "game-3", 4.0, "game")
    assert contenders(run) == {"fit": "fit", "game": "game"}
