"""Every number of a sound against what mathematics says of sines, noise and copies."""

import json
import math
from dataclasses import asdict
from itertools import pairwise

import numpy as np
import pytest

from fastgan.audio.health import examine
from fastgan.audio.long_term import long_term
from fastgan.paper.peers.yields import Yielded, band_distance, bands, describe
from tests.conftest import RATE, tune

SECONDS = 20
REAL = tune(4)


def sine(hz: float, seconds: float = 2.0, peak: int = 16_000) -> np.ndarray:
    return np.rint(peak * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)).astype(np.int16)


def white(level: float = 3_000, seed: int = 0) -> np.ndarray:
    return np.rint(level * np.random.default_rng(seed).standard_normal(SECONDS * RATE)).astype(np.int16)


def test_the_same_sound_is_no_distance_away() -> None:
    same = describe(REAL, RATE, REAL)
    assert same.band_distance_db == 0
    assert same.step_ratio_db == 0


def test_loudness_moves_the_steps_and_not_the_spectrum() -> None:
    even = (REAL // 2 * 2).astype(np.int16)  # so that half of it is exact
    half = describe(even // 2, RATE, even)
    assert half.band_distance_db == pytest.approx(0, abs=1e-9)
    assert half.step_ratio_db == pytest.approx(20 * math.log10(1 / 2))
    assert half.rms == pytest.approx(describe(even, RATE, even).rms / 2, rel=1e-6)


@pytest.mark.parametrize("hz", [441.0, 2_205.0, 7_350.0])
def test_a_sine(hz: float) -> None:
    found = describe(sine(hz), RATE, REAL)  # whole periods: the mean is 0 and sums over them are exact
    assert found.problems[0] == "one tone"
    assert found.rms == pytest.approx(16_000 / 32_768 / math.sqrt(2), rel=1e-4)
    assert found.centroid_hz == pytest.approx(hz, abs=1)
    assert found.high_share == pytest.approx(float(hz > 6_000), abs=1e-6)
    assert found.flatness == pytest.approx(0, abs=1e-5)
    # The sum over N - 1 products lacks one of N: an error of at most 2 / N.
    assert found.autocorrelation == pytest.approx(math.cos(2 * math.pi * hz / RATE), abs=2 / (2 * RATE))
    # x(t) - x(t - 1) of a sine is a sine of 2 sin(pi f / rate) its height.
    variance = (16_000 / 32_768 * 2 * math.sin(math.pi * hz / RATE)) ** 2 / 2
    steps = 10 * math.log10(variance / (np.diff(REAL / 32_768).var()))
    assert found.step_ratio_db == pytest.approx(steps, abs=0.01)


def test_white_noise() -> None:
    samples = white()
    found = describe(samples, RATE, REAL)
    assert found.problems == ("white noise",)
    count = len(samples)
    assert found.rms == pytest.approx(3_000 / 32_768, rel=5 / math.sqrt(2 * count))
    assert abs(found.autocorrelation) < 5 / math.sqrt(count)
    # Power of N values in N / 2 free bins, spread evenly over [0, rate / 2]; half overlap at most doubles the variance.
    assert found.centroid_hz == pytest.approx(RATE / 4, abs=5 * RATE / 2 / math.sqrt(12) * math.sqrt(2 / (count / 2)))
    assert found.flatness > 0.9
    # Health looks at 64 frames of 4,096 values only, under a taper that halves what is free of them.
    assert found.high_share == pytest.approx(1 - 6_000 / (RATE / 2), abs=5 * 0.5 * math.sqrt(2 / (64 * 2_048)))


def test_the_bands_are_those_of_the_standard() -> None:
    edges = bands(RATE)
    middles = [math.sqrt(low * high) for low, high in edges]
    nominal = [50, 63, 80, 100, 125, 160, 200, 250, 315, 400, 500, 630, 800, 1_000, 1_250, 1_600, 2_000, 2_500, 3_150]
    nominal += [4_000, 5_000, 6_300, 8_000]  # 10 kHz reaches to 11,220 Hz, above half of 22,050
    assert middles == pytest.approx(nominal, rel=0.02)
    assert all(below[1] == pytest.approx(above[0]) for below, above in pairwise(edges))
    assert len(bands(44_100)) == len(nominal) + 3, "10, 12.5 and 16 kHz; 20 kHz reaches to 22,387 Hz"


def test_the_distance_of_two_spectra_is_that_of_their_bands() -> None:
    hz = np.fft.rfftfreq(4_096, 1 / RATE)
    edges = bands(RATE)
    inside = [(hz >= low) & (hz < high) for low, high in edges]
    assert all(band.any() for band in inside)
    one, other = np.zeros(len(hz)), np.zeros(len(hz))
    for number, band in enumerate(inside):
        one[band] = 1 / band.sum()
        other[band] = (10 if number % 2 else 1) / band.sum()
    shift = 10 * math.log10(other.sum() / one.sum())  # the level of everything, which is taken out
    odd = len(edges) // 2
    expected = math.sqrt((odd * (10 - shift) ** 2 + (len(edges) - odd) * shift**2) / len(edges))
    assert band_distance(one, other, RATE) == pytest.approx(expected)
    assert band_distance(one, 5 * one, RATE) == pytest.approx(0, abs=1e-12)


def test_differences_of_white_noise_are_as_far_from_it_as_their_filter_says() -> None:
    samples = white()
    filtered = np.diff(samples).astype(np.int16)
    edges = np.array(bands(RATE)) * 2 * np.pi / RATE

    def mean_gain(low: float, high: float) -> float:
        """Of |1 - exp(-iw)|^2 = 2 - 2 cos w over a band, relative to its mean over all w, 2."""
        return 1 - (math.sin(high) - math.sin(low)) / (high - low)

    expected = math.sqrt(np.mean([(10 * math.log10(mean_gain(*band))) ** 2 for band in edges]))
    # Both spectra are of the same noise, so a band's ratio errs only by where its few bins lie: half a bin of 5.4 Hz
    # at an edge of 45 Hz, with a gain that goes as w^2, is 10 log10((1 + 2.7 / 45)^2) = 0.5 dB.
    assert band_distance(long_term(filtered, RATE), long_term(samples, RATE), RATE) == pytest.approx(expected, abs=0.5)
    found = describe(filtered, RATE, samples)
    assert found.autocorrelation == pytest.approx(-0.5, abs=5 / math.sqrt(len(samples)))  # -1 / (1 + 1)
    # Differences of differences weigh noise by 1, -2, 1: a variance of 6 against 2.
    assert found.step_ratio_db == pytest.approx(10 * math.log10(3), abs=0.05)


def test_notes_stand_out_and_noise_of_any_colour_does_not() -> None:
    threshold = 10 * math.log(2)
    expected = (1 + threshold) * math.exp(-threshold)
    noise = white(level=1_000)
    walk = np.rint(np.cumsum(noise - noise.mean()) / 60).clip(-32_000, 32_000).astype(np.int16)  # as 1 / f^2
    bins = SECONDS * RATE / 2  # that are independent, about
    spread = math.sqrt(math.exp(-threshold) * (threshold**2 + 2 * threshold + 2) / bins)  # of the mean of what exceeds
    # What exceeds is convex in the median, so one that errs lets more through: by Jensen's inequality, and not twice as much.
    assert expected - 5 * spread < describe(noise, RATE, REAL).tonal_share < 2 * expected
    assert describe(walk, RATE, REAL).tonal_share < 0.1
    assert describe(sine(441), RATE, REAL).tonal_share > 0.99
    assert describe(REAL, RATE, REAL).tonal_share > 0.5
    assert describe(np.zeros(RATE, np.int16), RATE, REAL).tonal_share is None


def test_what_health_knows_is_taken_from_it() -> None:
    found, health = describe(REAL, RATE, REAL), examine(REAL, RATE)
    assert (found.verdict, found.problems) == (health.verdict, health.problems)
    assert (found.high_hz, found.high_share) == (health.spectrum.high_hz, health.spectrum.high_share)
    assert found.flatness == health.spectrum.flatness


@pytest.mark.parametrize("samples", [np.zeros(0, np.int16), np.zeros(RATE, np.int16), np.full(RATE, 7_000, np.int16)])
def test_where_nothing_moves_there_is_no_measure_and_json_can_say_so(samples: np.ndarray) -> None:
    found = describe(samples, RATE, REAL)
    assert found == Yielded(found.verdict, found.problems, 0.0, *[None] * 8)
    assert found.problems
    assert json.loads(json.dumps(asdict(found)))["centroid_hz"] is None


def test_a_sound_shorter_than_a_frame_has_no_spectrum_of_its_own() -> None:
    found = describe(REAL[:4_095], RATE, REAL)
    assert found.centroid_hz is None
    assert found.band_distance_db is None
    assert found.autocorrelation is not None
    assert describe(REAL[:4_096], RATE, REAL).centroid_hz is not None


def test_what_is_no_sound_is_refused() -> None:
    with pytest.raises(ValueError, match="need one row of int16"):
        describe(REAL.astype(np.float32), RATE, REAL)
    with pytest.raises(ValueError, match="need one row of int16"):
        describe(REAL, RATE, REAL[None])
    for still in (np.zeros(RATE, np.int16), REAL[:100]):
        with pytest.raises(ValueError, match="give it music"):
            describe(REAL, RATE, still)
