"""The search for how a generator is best played."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from fastgan.gan.music.sample import FITTED, PLAYED, Taste
from fastgan.gan.music.tuning import DIALS, MOST_TRIED, find_taste

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


def moved(taste: Taste, strength: float, temperature: float) -> Taste:
    """A taste by factors of another."""
    return replace(taste, style_strength=strength * taste.style_strength, temperature=temperature * taste.temperature)


@pytest.mark.parametrize("temperature", [0.7, 0.85, 1.0, 1.05, 1.2, 1.5])
@pytest.mark.parametrize("strength", [0.3, 0.8, 1.0, 1.2, 1.6, 5.0])
@pytest.mark.parametrize("usual", [FITTED, PLAYED])
def test_the_bottom_of_a_bowl_is_found_to_half_a_step(usual: Taste, strength: float, temperature: float) -> None:
    lowest = moved(usual, strength, temperature)

    def bowl(taste: Taste) -> float:
        return 8 + sum(60 * math.log(getattr(taste, dial.name) / getattr(lowest, dial.name)) ** 2 for dial in DIALS)

    found, tried = search(usual, bowl)
    for name, factor, furthest in DIALS:
        step, begin = abs(math.log(factor)), math.log(getattr(usual, name))
        nearest = min(max(math.log(getattr(lowest, name)), begin - furthest * step), begin + furthest * step)
        assert abs(math.log(getattr(found, name)) - nearest) <= step / 2 + 1e-9
    assert len(tried) == len(set(tried)) <= MOST_TRIED
    assert (found.fine, found.spoilt, found.flow_steps) == (usual.fine, usual.spoilt, usual.flow_steps)


def test_what_is_best_already_stays_to_the_bit() -> None:
    assert search(FITTED, lambda taste: float(taste != FITTED))[0] == FITTED


@pytest.mark.parametrize("wrong", [math.inf, math.nan])
def test_degenerate_clips_are_never_chosen(wrong: float) -> None:
    found, tried = search(PLAYED, lambda taste: 5 - taste.temperature if taste.temperature > 1.2 else wrong)
    assert found.temperature > PLAYED.temperature
    assert min(taste.temperature for taste in tried) < 1.2


@pytest.mark.parametrize("wrong", [math.inf, math.nan])
def test_degenerate_clips_in_the_usual_taste_are_left(wrong: float) -> None:
    assert search(PLAYED, lambda taste: wrong if taste == PLAYED else 9.0)[0] != PLAYED


@pytest.mark.parametrize(("time_for", "steps"), [(0, 0), (1, 0), (2, 1), (3, 2), (4, 3)])
def test_where_time_is_over_the_best_so_far_is_taken(time_for: int, steps: int) -> None:
    found, _ = search(PLAYED, lambda taste: taste.temperature, time_for)
    assert found == replace(PLAYED, temperature=pytest.approx(PLAYED.temperature / 1.08**steps))
