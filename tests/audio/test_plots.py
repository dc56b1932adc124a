"""The picture shows what is in the sound, for any length, and is the same file each time."""

import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from matplotlib.image import imread

from fastgan.audio import plots
from fastgan.audio.plots import DPI, HEIGHT, WIDTH, draw
from fastgan.base.errors import BadInput

RATE = 22_050


def tone(hz, seconds, level=0.5, rate=RATE):
    t = np.arange(round(seconds * rate)) / rate
    return np.rint(32_767 * level * np.sin(2 * np.pi * hz * t)).astype(np.int16)


def picture(samples, path, rate=RATE, title=""):
    """RGB [H, W, 3] of the drawn file; any warning fails."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw(samples, rate, path, title=title)
    return imread(path)[..., :3]


def panels(image):
    """The waveform and the spectrogram, without axes: [h, w, 3] each, top row first."""
    height, width = image.shape[:2]
    columns = slice(round(0.105 * width), round(0.885 * width))
    wave = image[round(0.105 * height) : round(0.368 * height), columns]
    return wave, image[round(0.42 * height) : round(0.855 * height), columns]


def inked(wave):
    """Where the waveform's blue is [h, w]."""
    return wave[..., 2] - wave[..., 0] > 0.3


LENGTHS = {
    "empty": np.zeros(0, np.int16),
    "one sample": np.full(1, 9_000, np.int16),
    "two samples": np.array([0, 5], np.int16),
    "15 samples": tone(3_000, 15 / RATE),
    "18 samples": tone(3_000, 18 / RATE),
    "400 samples": tone(3_000, 400 / RATE),
    "silence": np.zeros(RATE, np.int16),
    "constant": np.full(RATE, 9_000, np.int16),
    "lowest value": np.full(RATE, -32_768, np.int16),
    "ten minutes": np.tile(tone(440, 10), 60),
}


@pytest.mark.parametrize("samples", LENGTHS.values(), ids=LENGTHS)
def test_any_length_gives_a_picture_of_the_promised_size(samples, tmp_path):
    image = picture(samples, tmp_path / "a.png", title="any length")
    assert image.shape == (round(HEIGHT * DPI), round(WIDTH * DPI), 3)
    wave, spectrogram = panels(image)
    assert wave.std() > 0.01, "a grid, a line or words"
    assert (tmp_path / "a.png").stat().st_size < 200_000
    if np.any(samples):
        assert inked(wave).any()
    if not np.any(samples) and len(samples):
        assert spectrogram.max() < 0.2, "silence is dark"


@pytest.mark.parametrize("rate", [8_000, 96_000])
@pytest.mark.parametrize("share", [0.05, 0.8])
def test_a_tone_is_bright_at_its_own_height_and_nowhere_else(rate, share, tmp_path):
    hz = share * rate / 2
    _, spectrogram = panels(picture(tone(hz, 2, rate=rate), tmp_path / "a.png", rate))
    brightness = spectrogram.mean(axis=(1, 2))
    expected = 1 - np.log10(1 + hz / 700) / np.log10(1 + rate / 2 / 700)  # mel, from the top
    assert brightness.argmax() / len(brightness) == pytest.approx(expected, abs=0.04)
    assert np.median(brightness) < 0.1


def test_sound_and_silence_are_at_their_time(tmp_path):
    samples = np.concatenate([np.zeros(RATE, np.int16), tone(1_000, 1), np.zeros(2 * RATE, np.int16)])
    wave, spectrogram = panels(picture(samples, tmp_path / "a.png"))
    quarter = wave.shape[1] // 4
    tall = inked(wave).sum(axis=0)
    bright = spectrogram.max(axis=(0, 2))
    for i, (low, high) in enumerate([(0, 4), (20, 999), (0, 4), (0, 4)]):
        middle = slice(i * quarter + quarter // 4, (i + 1) * quarter - quarter // 4)
        assert low <= np.median(tall[middle]) <= high
        assert (bright[middle].mean() > 0.8) == (i == 1)


def test_one_loud_sample_in_ten_minutes_is_seen(tmp_path):
    samples = np.zeros(600 * RATE, np.int16)
    samples[300 * RATE] = 32_767
    wave, _ = panels(picture(samples, tmp_path / "a.png"))
    columns = np.flatnonzero(inked(wave).sum(axis=0) > 20)
    assert 1 <= len(columns) <= 4
    assert columns.mean() / wave.shape[1] == pytest.approx(0.5, abs=0.02)


def test_quiet_sound_fills_its_panel(tmp_path):
    wave, _ = panels(picture(tone(200, 2, level=0.0018), tmp_path / "a.png"))
    assert inked(wave).any(axis=1).mean() > 0.7


def test_level_of_the_spectrogram_is_true():
    level = plots.spectrogram(tone(1_000, 2, level=0.5), RATE)
    assert -6.02 - 3 < level.max() <= -6.02
    assert plots.spectrogram(tone(1_000, 2, level=0.05), RATE).max() == pytest.approx(level.max() - 20, abs=0.1)


def test_same_sound_same_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        draw(tone(440, 1), RATE, tmp_path / name, title="twice")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    draw(tone(450, 1), RATE, tmp_path / "b.png", title="twice")
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()


def test_any_title_is_drawn_as_it_is_without_a_warning(tmp_path):
    blank = picture(tone(440, 0.1), tmp_path / "a.png")
    body = round(0.08 * blank.shape[0])
    for title in ("$\\frac{", "a\nb\tc", "中文 \U0001f3b5", "\udcff\x00", "long " * 100):
        image = picture(tone(440, 0.1), tmp_path / "b.png", title=title)
        assert (image[:body] != blank[:body]).any()
        assert (image[:, -5:] == 1).all(), "it ends inside the picture"
        np.testing.assert_array_equal(image[body:], blank[body:])


def test_threads_draw_what_one_would(tmp_path):
    sounds = [tone(300 * (i + 1), 1) for i in range(3)]
    for i, sound in enumerate(sounds):
        draw(sound, RATE, tmp_path / f"alone_{i}.png")
    threads = [threading.Thread(target=draw, args=(s, RATE, tmp_path / f"{i}.png")) for i, s in enumerate(sounds)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(len(sounds)):
        assert (tmp_path / f"{i}.png").read_bytes() == (tmp_path / f"alone_{i}.png").read_bytes()


def test_pyplot_is_never_loaded(tmp_path):
    code = (
        "import sys, numpy; from fastgan.audio.plots import draw\n"
        f"draw(numpy.zeros(99, 'int16'), 8000, {str(tmp_path / 'a.png')!r})\n"
        "assert 'matplotlib.pyplot' not in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("samples", [np.zeros((2, 9), np.int16), np.zeros(9), np.zeros(9, np.int64)])
def test_other_samples_are_refused_with_what_is_needed(samples, tmp_path):
    with pytest.raises(ValueError, match=r"need one row of int16 \[N\]"):
        draw(samples, RATE, tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_a_rate_that_is_none_is_refused(tmp_path):
    with pytest.raises(ValueError, match="rate is 0"):
        draw(tone(440, 1), 0, tmp_path / "a.png")


def test_a_failure_leaves_the_old_picture(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    draw(tone(440, 1), RATE, path)
    before = path.read_bytes()
    with pytest.raises(BadInput):
        draw(tone(440, 1), RATE, tmp_path / "missing" / "a.png")
    monkeypatch.setattr(plots.Figure, "savefig", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        draw(tone(880, 1), RATE, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
