"""The search for a temperature."""

import math

import pytest

from fastgan.gan.music.temperature import FURTHEST, MOST_TRIED, STEP, find_temperature


def search(usual: float, kad, time_for: int = 99) -> tuple[float, list[float]]:
    """What is found, and what was tried."""
    tried: list[float] = []

    def heard(temperature: float) -> float | None:
        if len(tried) == time_for:
            return None
        tried.append(temperature)
        return kad(temperature)

    return find_temperature(usual, heard), tried


@pytest.mark.parametrize("lowest", [0.95, 1.1, 1.2, 1.3, 1.42, 1.7])
@pytest.mark.parametrize("usual", [1.25, 1.35])
def test_the_bottom_of_a_bowl_is_found_to_half_a_step(lowest: float, usual: float) -> None:
    found, tried = search(usual, lambda temperature: 8 + 60 * math.log(temperature / lowest) ** 2)
    reach = STEP**FURTHEST
    nearest = min(max(lowest, usual / reach), usual * reach)
    assert abs(math.log(found / nearest)) <= math.log(STEP) / 2 + 1e-9
    assert len(tried) == len(set(tried)) <= MOST_TRIED


def test_it_ends_at_the_last_step_allowed() -> None:
    found, tried = search(1.0, lambda temperature: temperature)
    assert found == pytest.approx(STEP**-FURTHEST)
    assert len(tried) == 1 + FURTHEST


def test_what_is_best_already_stays_to_the_bit() -> None:
    assert search(1.35, lambda temperature: abs(temperature - 1.35))[0] == 1.35


@pytest.mark.parametrize("wrong", [math.inf, math.nan])
def test_degenerate_clips_are_never_chosen(wrong: float) -> None:
    found, tried = search(1.25, lambda temperature: 5 - temperature if temperature > 1.2 else wrong)
    assert found > 1.25
    assert min(tried) < 1.2


@pytest.mark.parametrize("wrong", [math.inf, math.nan])
def test_degenerate_clips_at_the_usual_temperature_are_left(wrong: float) -> None:
    assert search(1.25, lambda temperature: wrong if temperature == 1.25 else 9.0)[0] == pytest.approx(1.25 / STEP)


@pytest.mark.parametrize(("time_for", "found"), [(0, 1.25), (1, 1.25), (2, 1.25 / STEP), (3, 1.25 / STEP**2)])
def test_where_time_is_over_the_best_so_far_is_taken(time_for: int, found: float) -> None:
    assert search(1.25, lambda temperature: temperature, time_for)[0] == pytest.approx(found)
