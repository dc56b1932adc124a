"""Spectrum and cycle of sounds whose frequencies are known."""

import numpy as np
import pytest

from fastgan.audio.spectra import Cycle, Spectrum

RATE = 22_050
START = np.zeros(1, np.intp)


def sine(hz, seconds=1.0, rate=RATE):
    return np.rint(16_000 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.int16)


def noise(seconds, rate=RATE, seed=0):
    return np.rint(3_000 * np.random.default_rng(seed).standard_normal(round(seconds * rate))).astype(np.int16)


def spread(samples, rate=RATE):
    """Starts that cover a sound."""
    return np.arange(0, len(samples), rate // 20)


@pytest.mark.parametrize("hz", [55.5, 441, 3_333])
@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_a_sine_is_one_tone_and_one_cycle(hz, rate):
    samples = sine(hz, rate=rate)
    spectrum, cycle = (measure.of(samples, rate, spread(samples, rate)) for measure in (Spectrum, Cycle))
    assert spectrum.tone_hz == pytest.approx(hz, abs=0.5)
    assert spectrum.tone_share == 1
    assert spectrum.flatness < 1e-5
    assert spectrum.low_share < 1e-2
    assert cycle.seconds * hz == pytest.approx(round(cycle.seconds * hz), rel=1e-2), "whole periods"
    assert cycle.share == 1


def test_white_noise_is_flat_and_repeats_nothing():
    samples = noise(10)
    spectrum = Spectrum.of(samples, RATE, spread(samples))
    assert spectrum.flatness > 0.9
    assert spectrum.high_share == pytest.approx(1 - 6_000 / (RATE / 2), abs=0.02)
    assert spectrum.tone_share == 0
    assert Cycle.of(samples, RATE, spread(samples)) is None


def test_a_loop_is_found_with_its_length():
    samples = np.tile(noise(0.136), 40)
    cycle = Cycle.of(samples, RATE, spread(samples))
    assert cycle.seconds == pytest.approx(0.136, rel=1e-3)
    assert cycle.share == 1


def test_two_notes_in_turn_agree_on_no_cycle():
    samples = np.concatenate([sine(440), sine(587), sine(440), sine(587)])
    assert Cycle.of(samples, RATE, spread(samples)).share < 0.6
    assert Spectrum.of(samples, RATE, spread(samples)).tone_share < 0.6


def test_what_is_slower_than_hearing_is_low():
    assert Spectrum.of(sine(8, 5), RATE, spread(sine(8, 5))).low_share > 0.98


def test_low_rates_have_their_own_line_for_high():
    assert Spectrum.of(noise(1, 8_000), 8_000, START).high_hz == 2_200
    assert Spectrum.of(noise(1, 48_000), 48_000, START).high_hz == 6_000


@pytest.mark.parametrize("measure", [Spectrum, Cycle])
@pytest.mark.parametrize(
    ("samples", "starts"),
    [(noise(1), START[:0]), (noise(1)[:7], START), (np.zeros(RATE, np.int16), START)],
    ids=["nothing heard", "too short", "silence"],
)
def test_where_there_is_nothing_to_hear_there_is_no_measure(measure, samples, starts):
    assert measure.of(samples, RATE, starts) is None
