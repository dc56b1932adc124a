import numpy as np
import pytest

from fastgan.paper.failures.seams import measure_seams

RATE = 22_050


def test_the_lines_are_the_transform_of_the_pattern_that_repeats() -> None:
    random = np.random.default_rng(0)
    pattern = np.array([3000.0, -1000, 500, -2500, 1500, -700])
    noise = random.normal(0, 1000, (20_480, 6))
    samples = (pattern + noise).reshape(-1).round().astype(np.int16)
    seams = measure_seams(samples, RATE, window=6)
    assert seams.hz == (3675.0, 7350.0, 11025.0)
    # Parseval: a line pair holds 2 |c_k|^2 of the mean square, the one at half the rate |c_3|^2; the noise holds its variance.
    lines = np.abs(np.fft.rfft(pattern) / 6) ** 2 * [1, 2, 2, 1]
    expected = lines[1:] / (lines[1:].sum() + 1000**2)
    beside = 1000**2 / (6 * 1024 / 2)  # a block of 6 x 1024 samples spreads the noise over half as many bins
    deviation = 2 * np.sqrt(beside / (20 * lines[1:]))  # of a line plus noise in its bin, the mean of 20 blocks
    assert (np.abs(seams.shares / expected - 1) < 4 * deviation).all()
    np.testing.assert_allclose(seams.over_db, 10 * np.log10(lines[1:] / beside), atol=1)


def test_noise_has_no_lines() -> None:
    samples = np.random.default_rng(1).normal(0, 3000, 6 * 1024 * 40).astype(np.int16)
    seams = measure_seams(samples, RATE, window=6)
    assert max(map(abs, seams.over_db[:2])) < 3  # 40 blocks: a deviation of 0.7 dB
    assert max(seams.shares) < 1e-3


@pytest.mark.parametrize(("samples", "window"), [(np.zeros(6000), 6), (np.arange(90), 6), (np.arange(900), 1)])
def test_what_cannot_be_measured_is_refused(samples: np.ndarray, window: int) -> None:
    with pytest.raises(ValueError, match=r"never moves|needs 16 sequences"):
        measure_seams(samples.astype(np.int16), RATE, window=window)
