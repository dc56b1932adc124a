"""Spectrum and cycle of sounds whose frequencies are known."""

import numpy as np
import pytest

from fastgan.audio.spectra import Cycle, Spectrum, departure_from_noise, in_notes

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


def exponential(frames, bins, seed=0):
    return np.random.default_rng(seed).exponential(size=(frames, bins))


@pytest.mark.parametrize("frames", [16, 64])
def test_noise_departs_from_noise_by_chance_only(frames):
    """Of an exponential variable the logarithm varies by pi^2 / 6, its mean by 1: what is left of both, over four bins."""
    colour = np.geomspace(1, 1e-6, 4_000)
    chance = np.sqrt((np.pi**2 / 6 - 1) / frames / 4)
    assert departure_from_noise(exponential(frames, 4_000)) == pytest.approx(chance, rel=0.1)
    assert departure_from_noise(exponential(frames, 4_000) * colour) == pytest.approx(chance, rel=0.25), (
        "fewer bins count"
    )


def test_what_stands_and_what_comes_and_goes_depart_from_noise():
    assert departure_from_noise(np.ones((64, 400))) == pytest.approx(np.euler_gamma, abs=0.01)
    gated = exponential(64, 400)
    gated[::2] *= 1e-3
    level = np.log(1e-3) / 2 - np.log((1 + 1e-3) / 2)
    assert departure_from_noise(gated) == pytest.approx(-level, rel=0.05)
    assert departure_from_noise(np.zeros((64, 400))) == np.inf


def test_notes_stand_out_of_noise():
    power = exponential(64, 2_000)
    assert 0.008 < power[in_notes(power, 5.4)].sum() / power.sum() < 0.02
    power[:, 700:704] += 1_000
    assert in_notes(power, 5.4)[:, 700:704].all()
    samples = noise(3)
    assert Spectrum.of(samples, RATE, spread(samples), notes=True).tonal_share < 0.02
    assert Spectrum.of(samples, RATE, spread(samples)).tonal_share is None
    tune = sine(440, 3)
    assert Spectrum.of(tune, RATE, spread(tune), notes=True).tonal_share is None, "no noise"
