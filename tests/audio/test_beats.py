"""Where the beats of a piece are."""

import numpy as np
import pytest

from fastgan.audio.beats import find_beats, onset_strength

RATE = 43.07  # frames a second


def pulse(seconds: float, per_minute: float, *, late_s: float = 0.1, noise: float = 0.1, seed: int = 0) -> np.ndarray:
    """Onset strength with a peak at each beat, and noise."""
    random = np.random.default_rng(seed)
    strength = noise * random.random(round(seconds * RATE))
    for beat in np.arange(late_s, seconds - 0.05, 60 / per_minute):
        strength[round(beat * RATE)] += 1
    return strength


@pytest.mark.parametrize("per_minute", [64, 85, 100, 128, 150, 174])
def test_the_tempo_is_found_or_its_half_or_double(per_minute: float) -> None:
    found = RATE * 60 / find_beats(pulse(40, per_minute), RATE).period
    assert min(abs(found / per_minute / times - 1) for times in (0.5, 1, 2)) < 0.01


@pytest.mark.parametrize("per_minute", [100, 128])
def test_beats_are_where_the_onsets_are(per_minute: float) -> None:
    strength = pulse(40, per_minute, late_s=0.2)
    beats = find_beats(strength, RATE)
    onsets = np.flatnonzero(strength > 0.8)
    away = beats.count[onsets] - beats.count[onsets][0]
    assert np.abs(away - np.round(away)).max() < 0.12
    assert np.all(np.diff(beats.count) > 0)


def test_the_count_follows_a_tempo_that_drifts() -> None:
    times = np.cumsum(60 / np.linspace(98, 106, 70))
    strength = np.zeros(round((times[-1] + 1) * RATE))
    strength[np.round(times * RATE).astype(int)] = 1
    count = find_beats(strength, RATE).count[np.round(times * RATE).astype(int)]
    assert np.abs(np.diff(count) - 1).max() < 0.15


def test_one_missing_beat_is_counted_all_the_same() -> None:
    strength = pulse(30, 120, noise=0)
    places = np.flatnonzero(strength)
    whole = find_beats(strength, RATE).count
    strength[places[20]] = 0
    assert np.abs(find_beats(strength, RATE).count - whole).max() < 0.2


@pytest.mark.parametrize(
    "strength", [np.zeros(300), np.ones(300), np.array([0.0, 1.0, 0.0]), np.random.default_rng(0).random(50)]
)
def test_where_there_is_no_pulse_the_count_still_runs(strength: np.ndarray) -> None:
    beats = find_beats(strength, RATE)
    assert len(beats.count) == len(strength)
    assert np.all(np.diff(beats.count) > 0)
    assert 60 / 200 * RATE * 0.9 < beats.period < 60 / 60 * RATE * 1.2


def test_strength_is_what_rises() -> None:
    levels = np.array([[0, 5], [2, 3], [2, 3], [0, 9.0]])
    assert onset_strength(levels).tolist() == [0, 1, 0, 3]


def test_too_little_is_refused() -> None:
    with pytest.raises(ValueError, match="three or more"):
        find_beats(np.array([1.0, 2.0]), RATE)
    with pytest.raises(ValueError, match="finite"):
        find_beats(np.array([1.0, np.nan, 2.0]), RATE)


def test_regularity_is_that_of_what_begins_with_the_beat() -> None:
    clear, weak = (find_beats(pulse(60, 107, noise=noise), RATE).regularity for noise in (0.05, 1.0))
    assert 0.5 < clear < 1
    assert 0.05 < weak < clear - 0.2
    drawn = [find_beats(np.random.default_rng(seed).random(2000), RATE).regularity for seed in range(5)]
    assert max(drawn) < 0.15  # no pulse: what the strongest of many tempi has by chance
    assert find_beats(np.zeros(300), RATE).regularity == 0
    assert find_beats(pulse(60, 120.0, noise=0) * 7, RATE).regularity == pytest.approx(
        find_beats(pulse(60, 120.0, noise=0), RATE).regularity
    )
