"""How a generator is best played: the search, and new clips that confirm it."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from fastgan.gan.checkpoint import load_checkpoint
from fastgan.gan.clock import Clock
from fastgan.gan.music.sample import FITTED, FOUND, PLAYED, Taste
from fastgan.gan.music.tuning import DIALS, MOST_TRIED, Heard, find_taste, hear, is_nearer, tune
from fastgan.gan.progress import Screen
from fastgan.gan.run import Run
from tests.gan.music.judged import ENDLESS, SCREEN, Tasted, keep, moved

Bowl = Callable[[Taste], float | None]


def search(usual: Taste, kad: Bowl, time_for: int = 99) -> tuple[Taste, list[Taste]]:
    """What is found, and what was tried."""
    tried: list[Taste] = []

    def heard(taste: Taste) -> float | None:
        if len(tried) == time_for:
            return None
        tried.append(taste)
        return kad(taste)

    return find_taste(usual, heard), tried


@pytest.mark.parametrize("temperature", [0.7, 0.85, 1.0, 1.05, 1.2, 1.5])
@pytest.mark.parametrize("strength", [0.3, 0.8, 1.0, 1.2, 1.6, 5.0])
@pytest.mark.parametrize("usual", [FITTED, PLAYED])
def test_the_bottom_of_a_bowl_is_found_to_half_a_step(usual: Taste, strength: float, temperature: float) -> None:
    lowest = moved(usual, strength, temperature)

    def bowl(taste: Taste) -> float:
        return 8 + sum(60 * math.log(getattr(taste, dial.name) / getattr(lowest, dial.name)) ** 2 for dial in DIALS)

    found, tried = search(usual, bowl)
    for name, factor, furthest, back in DIALS:
        step, begin = abs(math.log(factor)), math.log(getattr(usual, name))
        ends = sorted((begin + furthest * math.log(factor), begin - back * math.log(factor)))
        nearest = min(max(math.log(getattr(lowest, name)), ends[0]), ends[1])
        assert abs(math.log(getattr(found, name)) - nearest) <= step / 2 + 1e-9
    assert len(tried) == len(set(tried)) <= MOST_TRIED
    assert (found.fine, found.spoilt, found.flow_steps) == (usual.fine, usual.spoilt, usual.flow_steps)


def test_one_step_that_leads_up_does_not_end_a_search() -> None:
    by_strength = {1.0: 8.0, 1.3: 8.5, 1.69: 7.0, 2.197: 7.5}
    found, _ = search(FITTED, lambda taste: by_strength[round(taste.style_strength, 3)] + abs(taste.temperature - 1.35))
    assert found == replace(FITTED, style_strength=pytest.approx(1.69))


def test_what_is_best_already_stays_to_the_bit() -> None:
    assert search(FITTED, lambda taste: float(taste != FITTED))[0] == FITTED


@pytest.mark.parametrize("wrong", [math.inf, math.nan])
def test_degenerate_clips_are_never_chosen(wrong: float) -> None:
    found, tried = search(
        PLAYED, lambda taste: 5 - taste.temperature if taste.temperature > 0.95 * PLAYED.temperature else wrong
    )
    assert found.temperature > PLAYED.temperature
    assert min(taste.temperature for taste in tried) < 0.95 * PLAYED.temperature


@pytest.mark.parametrize("wrong", [math.inf, math.nan])
def test_degenerate_clips_in_the_usual_taste_are_left(wrong: float) -> None:
    assert search(PLAYED, lambda taste: wrong if taste == PLAYED else 9.0)[0] != PLAYED


@pytest.mark.parametrize(("time_for", "steps"), [(0, 0), (1, 0), (2, 1), (3, 2), (4, 3)])
def test_where_time_is_over_the_best_so_far_is_taken(time_for: int, steps: int) -> None:
    found, _ = search(PLAYED, lambda taste: taste.temperature, time_for)
    assert found == replace(PLAYED, temperature=pytest.approx(PLAYED.temperature / 1.08**steps))


def found_in(run: Run, which: str) -> dict[str, float]:
    state = load_checkpoint(run.folder / "checkpoint", which).state
    return {name: state[name] for name in FOUND if name in state}


def alone(stage: Tasted, run: Run, clock: Clock) -> tuple[Taste, ...]:
    """The tastes of the best checkpoint, where there is no other side."""
    best = run.load("best")
    assert best is not None
    (tastes,) = tune(stage, run, {best.state["position"]["stage"]: "best"}, SCREEN, clock).values()
    return tastes


@pytest.mark.parametrize(("name", "usual"), [("fit", FITTED), ("game", PLAYED)])
def test_a_taste_is_found_by_clips_of_the_same_noise(run: Run, name: str, usual: Taste) -> None:
    keep(run, f"{name}-1", 5.0, "best")
    stage = Tasted(best=moved(usual, 1.25, 1.1))
    assert alone(stage, run, ENDLESS) == (usual, moved(usual, 1.3, 1.08))
    assert {weight for weight, *_ in stage.asked} == {5.0}
    assert len({purpose for *_, purpose in stage.asked}) == 1
    assert found_in(run, "best") == {}  # for new clips to decide


def test_a_search_that_was_not_confirmed_in_time_is_not_made_again(run: Run) -> None:
    keep(run, "fit-1", 5.0, "best")
    stage = Tasted(moved(FITTED, 1.3, 1 / 1.08))
    tastes = alone(stage, run, ENDLESS)
    assert len(tastes) == 2
    made = len(stage.asked)
    assert alone(stage, run, ENDLESS) == tastes
    assert len(stage.asked) == made
    hear(stage, run, {"fit": "best"}, {"fit": tastes}, SCREEN, ENDLESS)
    assert alone(stage, run, ENDLESS) == tastes[1:]


def test_a_search_that_ends_where_it_began_is_not_made_again(run: Run) -> None:
    keep(run, "game-1", 5.0, "best")
    stage = Tasted(best=PLAYED)
    assert alone(stage, run, ENDLESS) == (PLAYED,)
    tried = len(stage.asked)
    assert tried > 2
    assert alone(stage, run, ENDLESS) == (PLAYED,)
    assert len(stage.asked) == tried


def test_a_temperature_with_an_alarm_is_not_taken(run: Run) -> None:
    keep(run, "game-1", 5.0, "best")
    assert alone(Tasted(best=moved(PLAYED, 1, 1.6), silent=1.04 * PLAYED.temperature), run, ENDLESS) == (PLAYED,)


@pytest.mark.parametrize("closing", [99.0, 40.0])
def test_without_time_for_two_the_usual_taste_stays(run: Run, closing: float) -> None:
    keep(run, "game-1", 5.0, "best")
    clock = Clock(1, time.monotonic())
    clock.closing = closing
    stage = Tasted(best=moved(PLAYED, 1, 0.8))
    assert alone(stage, run, clock) == (PLAYED,)
    assert (stage.asked, found_in(run, "best")) == ([], {})


def test_the_choice_has_as_much_of_the_time_as_each_side(run: Run) -> None:
    keep(run, "fit-1", 5.0, "best", "fit")
    keep(run, "game-2", 6.0, "game")
    clock, sides = Clock(1, time.monotonic()), {"fit": "fit", "game": "game"}
    clock.closing = 10.0  # two tries of each are 40 seconds; of 57, two thirds are 38
    stage = Tasted(best=moved(PLAYED, 1, 0.8))
    assert tune(stage, run, sides, SCREEN, clock) == {"fit": (FITTED,), "game": (PLAYED,)}
    assert stage.asked == []
    clock.closing = 8.0
    tune(stage, run, sides, SCREEN, clock)
    assert len(stage.asked) >= 4


def test_both_sides_are_heard_in_each_taste_and_like_what_suits_both(run: Run) -> None:
    """Fit likes it 0.85 times as warm; the game likes it warmer, which counts little."""
    keep(run, "fit-1", 5.0, "best", "fit")
    keep(run, "game-2", 6.0, "game")

    class Two(Tasted):
        def heard(self, clips: Sequence[np.ndarray]) -> tuple[dict[str, float], tuple[str, ...]]:
            weight, warmth = self.asked[-1][0], clips[0][0] / FITTED.temperature
            return {"kad": abs(warmth - 0.85) if weight == 5 else 0.1 * abs(warmth - 1.5)}, ()

    sides = {"fit": "fit", "game": "game"}
    stage = Two(best=FITTED)
    found = {"temperature": FITTED.temperature / 1.08**2, "style_strength": 1.0}
    tastes = tune(stage, run, sides, SCREEN, ENDLESS)
    assert tastes == {
        name: (usual, replace(usual, **{dial: pytest.approx(value) for dial, value in found.items()}))
        for name, usual in (("fit", FITTED), ("game", PLAYED))
    }
    assert [weight for weight, *_ in stage.asked] == [5, 6] * (len(stage.asked) // 2)
    assert [taste.flow_steps for _, taste, _ in stage.asked[:2]] == [FITTED.flow_steps, PLAYED.flow_steps]


def test_who_is_known_already_is_not_heard_again(run: Run) -> None:
    keep(run, "fit-1", 5.0, "best", "fit")
    run.annotate("fit", {"temperature": 1.1, "style_strength": 2.0})
    keep(run, "game-2", 6.0, "game")
    stage = Tasted(best=moved(PLAYED, 1.3, 1))
    tastes = tune(stage, run, {"fit": "fit", "game": "game"}, SCREEN, ENDLESS)
    assert tastes["fit"] == (replace(FITTED, temperature=1.1, style_strength=2.0),)
    assert tastes["game"] == (PLAYED, moved(PLAYED, 1.3, 1))
    assert {weight for weight, *_ in stage.asked} == {6.0}


@pytest.mark.parametrize("better", [True, False])
def test_what_was_found_is_taken_where_new_clips_agree(run: Run, better: bool) -> None:
    keep(run, "fit-1", 5.0, "best")
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


@pytest.mark.parametrize(
    ("usual", "found", "taken"),
    [
        ([9.0, 7.0, 8.0, 10.0], [8.0, 6.5, 7.5, 9.0], True),  # by less than sets differ among themselves, and in each
        ([9.0, 7.0, 8.0, 10.0], [7.0, 8.9, 6.0, 11.9], False),  # -0.05 on average, now this way and now that
        ([9.0], [8.9], True),  # one set: all that is known
        ([9.0, 7.0], [9.0, 7.0], False),
    ],
)
def test_what_is_nearer_by_luck_alone_is_not_taken(usual: list[float], found: list[float], taken: bool) -> None:
    assert is_nearer(Heard(PLAYED, found, alarm=False), Heard(FITTED, usual, alarm=False)) == taken


def test_a_taste_that_raises_an_alarm_gives_way_to_one_that_does_not(run: Run) -> None:
    keep(run, "fit-1", 5.0, "best")
    found = moved(FITTED, 1, 1.08)
    stage = Tasted(best=found, silent=FITTED.temperature)
    heard = hear(stage, run, {"fit": "best"}, {"fit": (FITTED, found)}, SCREEN, ENDLESS)["fit"]
    assert (heard.taste, heard.alarm) == (FITTED, False)
