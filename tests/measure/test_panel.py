"""The panel against what mathematics says of sines, clicks and noise; the band against the theory of means."""

import json
import math
from dataclasses import asdict

import numpy as np
import pytest

from fastgan.measure.log_mel import hop_s
from fastgan.measure.panel import Band, Panel, mean, tempo_strength
from tests.conftest import RATE, tune


def sine(hz, seconds=4.0, peak=16_000):
    return np.rint(peak * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)).astype(np.int16)


def white(seconds=4.0, level=3_000, seed=0):
    return np.rint(level * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.int16)


def beat(per_minute, seconds=20.0):
    """Short bursts of noise at a tempo."""
    out, burst = white(seconds, level=5), white(0.03, seed=1)
    for start in np.arange(0, seconds - 0.1, 60 / per_minute):
        out[round(start * RATE) :][: len(burst)] += burst
    return out


def test_a_sine():
    found = Panel.of(sine(RATE / 40), RATE)  # its peaks lie on samples
    assert found.centroid_hz == pytest.approx(RATE / 40, abs=1)
    assert found.crest_db == pytest.approx(20 * math.log10(math.sqrt(2)), abs=1e-3)
    assert found.flatness < 1e-5
    assert found.silent_share == 0
    assert found.step_db == pytest.approx(0, abs=0.05)
    assert found.tempo_strength is None, "what ripples in it is rounding"


def test_white_noise():
    found = Panel.of(white(20), RATE)
    assert found.centroid_hz == pytest.approx(RATE / 4, abs=100)
    assert found.flatness > 0.9
    # Of N Gaussian values the largest is about sqrt(2 ln N) deviations: 13.1 dB for 441,000 of either sign.
    assert found.crest_db == pytest.approx(20 * math.log10(math.sqrt(2 * math.log(2 * 20 * RATE))), abs=1)


def test_flux_counts_rises_and_not_falls():
    """Noise that steps up by 20 dB once rises by 20 dB in every band; one that steps down does not rise at all."""
    noise = white(4).astype(np.float64)
    half = len(noise) // 2
    up = np.rint(noise * np.repeat([0.1, 1.0], half)).astype(np.int16)
    steps = round(4 / hop_s(RATE))
    still, rising, falling = (Panel.of(x, RATE).flux_db for x in (white(4), up, up[::-1].copy()))
    # Noise itself rises a little at all times, less so during the step; that error is of a frame's three overlapping hops.
    assert rising - still == pytest.approx(20 / steps, abs=3 * 2 * still / steps)
    assert falling - still == pytest.approx(0, abs=4 * 2 * still / steps)


def test_loudness_moves_nothing_but_what_is_too_weak_to_hear():
    sound = tune(6) // 2 * 2
    one, half = (asdict(Panel.of(x.astype(np.int16), RATE)) for x in (sound, sound // 2))
    for name in ("flux_db", "centroid_hz", "flatness", "tempo_strength", "crest_db"):
        assert half[name] == pytest.approx(one[name], rel=1e-4), name


def test_pauses_are_silent():
    found = Panel.of(np.concatenate([tune(3), np.zeros(RATE, np.int16)]), RATE)
    assert found.silent_share == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("per_minute", [45, 61, 90, 120, 137, 200, 235])
def test_a_regular_beat_is_strong_and_shuffled_it_is_weak(per_minute):
    regular = Panel.of(beat(per_minute), RATE).tempo_strength
    assert regular > 0.7
    pieces = beat(per_minute)[: RATE * 20 // 1_000 * 1_000].reshape(-1, 1_000)
    shuffled = np.random.default_rng(3).permutation(pieces).reshape(-1)
    assert Panel.of(shuffled, RATE).tempo_strength < regular / 2


def test_tempo_strength_by_its_definition():
    step = 0.02
    assert tempo_strength(np.tile(np.eye(1, 25)[0], 20), step) == pytest.approx(1), "every 0.5 s"
    assert tempo_strength(np.ones(500), step) is None
    assert tempo_strength(np.eye(1, 149)[0], step) is None, "below 3 s"
    slow = np.sin(2 * np.pi * np.arange(500) * step / 8)  # falls from lag 0 to lag 4 s: no peak between
    assert tempo_strength(slow, step) == 0


@pytest.mark.parametrize(
    "samples", [np.zeros(0, np.int16), np.zeros(100, np.int16), np.full(5 * RATE, 7_000, np.int16)]
)
def test_where_nothing_moves_there_is_no_measure_and_json_can_say_so(samples):
    found = Panel.of(samples, RATE)
    assert found.silent_share == 1
    assert found.centroid_hz is found.flatness is found.crest_db is found.step_db is found.tempo_strength is None
    json.dumps(asdict(found), allow_nan=False)


@pytest.mark.parametrize("samples", [np.zeros((2, 100), np.int16), np.zeros(100, np.float32)])
def test_other_shapes_and_types_are_refused(samples):
    with pytest.raises(ValueError, match="need one row of int16"):
        Panel.of(samples, RATE)


def test_the_band_is_that_of_means():
    values = np.random.default_rng(0).normal(5, 2, 1_000)
    band = Band.of(list(values), clips=16)
    spread = values.std() / 4
    # The 5 % point of a normal distribution; a quantile of 10,000 draws errs by sqrt(p (1 - p) / draws) / density.
    error = 5 * math.sqrt(0.05 * 0.95 / 10_000) / 0.1031 * spread
    assert band.low == pytest.approx(values.mean() - 1.6449 * spread, abs=error + 0.02 * spread)
    assert band.high == pytest.approx(values.mean() + 1.6449 * spread, abs=error + 0.02 * spread)
    assert Band.of(list(values), clips=4).high - band.high == pytest.approx(1.6449 * spread, abs=3 * error)


def test_the_band_is_a_function_of_the_seed():
    values = list(np.random.default_rng(0).normal(5, 2, 50))
    assert Band.of(values, seed=1) == Band.of(values, seed=1)
    assert Band.of(values, seed=1) != Band.of(values, seed=2)


def test_what_lies_inside():
    band = Band(1.0, 2.0)
    assert [band.inside(value) for value in (0.99, 1.0, 1.5, 2.0, 2.01, None, math.nan)] == [0, 1, 1, 1, 0, 0, 0]


def test_clips_without_a_value_are_left_out():
    assert Band.of([3.0, None, 3.0]) == Band(3.0, 3.0)
    assert mean([1.0, None, 3.0]) == 2
    assert mean([None]) is mean([]) is None


@pytest.mark.parametrize(
    ("values", "clips", "words"), [([], 10, "none of 0"), ([None], 10, "none of 1"), ([1.0], 0, "at least 1")]
)
def test_a_band_of_nothing_is_refused(values, clips, words):
    with pytest.raises(ValueError, match=words):
        Band.of(values, clips=clips)
