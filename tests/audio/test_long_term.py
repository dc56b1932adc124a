"""The mean spectrum of a sound against its definition."""

import numpy as np
import pytest

from fastgan.audio.long_term import bin_hz, centroid, frame_length, long_term

RATE = 22_050


def white(seconds):
    return np.rint(3_000 * np.random.default_rng(0).standard_normal(seconds * RATE)).astype(np.int16)


def test_long_sounds_are_summed_in_parts_that_agree_with_the_whole():
    samples = white(20)
    frames = np.stack([samples[begin : begin + 4_096] / 32_768 for begin in range(0, len(samples) - 4_095, 2_048)])
    frames -= frames.mean(axis=1, keepdims=True)
    assert len(frames) > 128
    whole = np.square(np.abs(np.fft.rfft(frames * np.hanning(4_096)))).sum(axis=0)
    np.testing.assert_allclose(long_term(samples, RATE), whole, rtol=1e-9)


@pytest.mark.parametrize("rate", [8_000, 22_050, 48_000])
def test_bins_are_of_about_five_hertz(rate):
    hz = bin_hz(rate)
    assert len(hz) == frame_length(rate) // 2 + 1
    assert hz[-1] == rate / 2
    assert 2**-0.5 / 0.19 <= hz[1] <= 2**0.5 / 0.19


def test_the_centroid_of_two_partials_lies_between_them_by_power():
    time = np.arange(2 * RATE) / RATE
    sound = 3 * np.sin(2 * np.pi * 441 * time) + np.sin(2 * np.pi * 2_205 * time)
    power = long_term(np.rint(5_000 * sound).astype(np.int16), RATE)
    assert centroid(power, RATE) == pytest.approx((9 * 441 + 2_205) / 10, abs=1)


@pytest.mark.parametrize("samples", [np.zeros(RATE, np.int16), white(1)[: frame_length(RATE) - 1]])
def test_where_nothing_moves_there_is_no_spectrum(samples):
    assert long_term(samples, RATE) is None
