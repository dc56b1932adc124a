"""The linear predictor on the clips of an experiment."""

import numpy as np
import pytest
import soundfile

from fastgan.gan.clock import Clock
from fastgan.paper.bars import linear_bar
from fastgan.paper.setup import RATE, SCALES, Setup


@pytest.fixture
def setup(tmp_path):
    """Music of which the best prediction is known: x_t = 0.9 x_{t-1} + e_t, then a seventh of silence."""
    random = np.random.default_rng(0)
    (tmp_path / "music").mkdir()
    for number in range(8):
        x, steps = np.zeros(8_400), random.normal(0, 0.05, 7_200)
        for place, step in enumerate(steps, start=1):
            x[place] = 0.9 * x[place - 1] + step
        x[7_201:] = 0
        soundfile.write(tmp_path / "music" / f"{number}.wav", x, RATE, subtype="PCM_16")
    return Setup(tmp_path / "out", str(tmp_path / "music"), (), 0, SCALES["small"], "cpu", 0, Clock(0.0, 0.0))


@pytest.mark.parametrize("window", [1, 6, 32])
def test_the_error_is_that_of_the_noise(setup, window):
    bar = linear_bar(setup, window, 8)
    sounding = 7_200 / 8_400
    predicted = 0.05**2 * sounding
    count = 8 * 8_400 / window
    spread = 4 * np.sqrt(2 / count)  # of a mean square of so many normal values
    assert bar.train == pytest.approx(predicted, rel=spread + 0.02)
    assert bar.held_out == pytest.approx(predicted, rel=3 * spread + 0.02)
    assert bar.train_power == pytest.approx(predicted / (1 - 0.81), rel=0.2)
    assert bar.train_zeros == pytest.approx(1 - sounding, abs=0.01)
    assert bar.held_out_zeros == pytest.approx(1 - sounding, abs=0.02)


def test_of_as_many_windows_as_are_asked_for(setup):
    assert linear_bar(setup, 6, 8).windows <= SCALES["small"].bar_windows
    assert linear_bar(setup, 6, 4).windows < linear_bar(setup, 6, 8).windows
