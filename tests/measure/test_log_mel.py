"""Levels in mel bands of sounds whose levels are known."""

import math

import numpy as np
import pytest

from fastgan.measure.log_mel import RANGE_DB, frame_length, hop_s, log_mel, triangles
from tests.conftest import RATE, tune


@pytest.mark.parametrize("rate", [4_000, 16_000, RATE, 44_100, 192_000])
@pytest.mark.parametrize("bands", [40, 128])
def test_bands_cover_all_frequencies_and_none_is_empty(rate, bands):
    weights = triangles(rate, bands)
    assert weights.shape == (bands, frame_length(rate) // 2 + 1)
    assert (weights.max(axis=1) >= 0.5).all(), "a bin lies within half a bin of each middle"
    hz = np.fft.rfftfreq(frame_length(rate), 1 / rate)
    middles = weights.argmax(axis=1)
    between = weights[:, middles[0] + 1 : middles[-1]].sum(axis=0)
    assert between.min() > 1 - 1e-9, "neighbours sum to 1, and to more where they are widened to a bin"
    assert hz[middles[0]] < 120
    assert hz[middles[-1]] > 0.85 * rate / 2


@pytest.mark.parametrize("hz", [110.0, 441.0, 3_000.0])
def test_a_sine_is_loudest_in_the_band_of_its_frequency_by_its_power(hz):
    sound = np.rint(16_000 * np.sin(2 * np.pi * hz * np.arange(RATE) / RATE)).astype(np.int16)
    levels = log_mel(sound, RATE, 40)
    mel = 2595 * math.log10(1 + hz / 700)
    low, high = (2595 * math.log10(1 + edge / 700) for edge in (30, RATE / 2))
    assert abs(levels.mean(axis=0).argmax() - ((mel - low) / (high - low) * 41 - 1)) <= 0.6
    # Of a sine under a Hann window the bins sum to N * sum(w^2) * A^2 / 4, by Parseval's theorem; bands sum to 1 between middles.
    expected = 10 * math.log10(2_048 * np.square(np.hanning(2_048)).sum() * (16_000 / 32_768) ** 2 / 4)
    assert 10 * np.log10(np.sum(10 ** (levels / 10), axis=1)) == pytest.approx(expected, abs=0.05)


def test_levels_follow_loudness_and_stop_at_the_floor():
    sound = tune(2) // 4 * 4
    loud, soft = log_mel(sound, RATE), log_mel(sound // 4, RATE)
    np.testing.assert_allclose(loud - soft, 20 * math.log10(4), atol=1e-3)
    assert loud.min() >= loud.max() - RANGE_DB - 1e-9
    still = log_mel(np.zeros(RATE, np.int16), RATE)
    assert np.isfinite(still).all()
    assert np.ptp(still) == 0


def test_long_sounds_are_measured_in_parts_that_agree_with_the_whole():
    sound = np.rint(3_000 * np.random.default_rng(0).standard_normal(600 * 512 + 2_048)).astype(np.int16)
    levels = log_mel(sound, RATE)
    assert len(levels) == 601
    part = log_mel(sound[500 * 512 :], RATE)
    np.testing.assert_allclose(levels[500:], part, atol=1e-3)
    assert hop_s(RATE) == 512 / RATE


def test_what_is_shorter_than_a_frame_has_none():
    assert log_mel(tune()[:2_047], RATE).shape == (0, 128)
    assert log_mel(tune()[:2_048], RATE).shape == (1, 128)
