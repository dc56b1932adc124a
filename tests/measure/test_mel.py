"""The front end against librosa's numbers and against tones whose bands are known."""

import json
from pathlib import Path

import numpy as np
import pytest

from fastgan.measure.mel import BANDS, FFT, RATE, log_mel, mel_filters

EXPECTED = json.loads((Path(__file__).parent / "musicnn_outputs.json").read_text("ascii"))


def signal():
    """4.5 s at 16 kHz: a chord and a click that change each half second, int16 [72,000]."""
    time = np.arange(72_000) / RATE
    step = (2 * time).astype(int)
    since = time - step / 2
    sound = np.zeros(len(time))
    for voice in range(4):
        hz = 110 * 2 ** (((step * 5 + voice * 7) % 31) / 12)
        for partial in range(1, 9):
            sound += np.exp(-(2 + partial) * since) * np.sin(2 * np.pi * hz * partial * since) / partial
    sound += 0.5 * np.exp(-60 * since) * np.sin(1e6 * since**2)
    return np.rint(4_000 * sound).astype(np.int16)


def sine(hz, rate=RATE, seconds=1.0):
    return np.rint(16_384 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.int16)


def test_frames_are_those_of_librosa():
    mel = log_mel(signal(), RATE)
    assert mel.shape == (1 + 72_000 // 256, BANDS)
    assert mel.dtype == np.float32
    np.testing.assert_allclose(mel[[3, 200]], EXPECTED["mel"], rtol=0, atol=1e-4)  # an LSB of sound in quiet bands


def test_filters_have_the_area_one_and_meet():
    filters = mel_filters().astype(np.float64)
    assert filters.shape == (BANDS, FFT // 2 + 1)
    wide = filters[50:]  # with many bins in a triangle their sum is near its area
    np.testing.assert_allclose(wide.sum(axis=1) * RATE / FFT, 1, atol=0.05)
    assert (filters.argmax(axis=1)[1:] >= filters.argmax(axis=1)[:-1]).all()
    assert (filters[:, 1:-1].sum(axis=0) > 0).all(), "no frequency is lost"


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_the_rate_of_a_tone_does_not_matter(rate):
    got, expected = log_mel(sine(1_000, rate), rate), log_mel(sine(1_000), RATE)
    assert got.shape == expected.shape
    inner = slice(5, -5)  # the ends are where resampling rings
    np.testing.assert_allclose(10 ** got[inner].max(axis=1), 10 ** expected[inner].max(axis=1), rtol=0.01)
    np.testing.assert_array_equal(got[inner].argmax(axis=1), expected[inner].argmax(axis=1))


def test_a_tone_lies_in_the_band_around_it():
    """1 kHz is 15 mel; 8 kHz is 15 + 27 ln 8 / ln 6.4, cut into 97 steps."""
    band = round(15 / ((15 + 27 * np.log(8) / np.log(6.4)) / (BANDS + 1))) - 1
    assert set(log_mel(sine(1_000), RATE)[5:-5].argmax(axis=1)) == {band}


def test_loud_sound_stays_finite_and_silence_is_nought():
    assert np.isfinite(log_mel(np.full(RATE, 32_767, np.int16), RATE)).all()
    assert not log_mel(np.zeros(RATE, np.int16), RATE).any()


def test_too_short_to_be_mirrored():
    assert len(log_mel(np.ones(257, np.int16), RATE)) == 2
    with pytest.raises(ValueError, match="256 samples"):
        log_mel(np.ones(256, np.int16), RATE)
