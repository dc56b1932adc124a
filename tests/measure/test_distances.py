"""Distances of sets whose distance is known in closed form."""

import math
import subprocess
import sys

import numpy as np
import pytest
from scipy.linalg import sqrtm

from fastgan.measure import distances
from fastgan.measure.distances import Gaussian, Reference, frechet


def normal(count, width=4, *, seed=0, shift=0.0, scale=1.0):
    return (shift + scale * np.random.default_rng(seed).standard_normal((count, width))).astype(np.float32)


def plain_kad(real, other):
    """The definition, pair by pair."""
    real, other = real.astype(np.float64), other.astype(np.float64)
    pairs = [math.dist(a, b) for i, a in enumerate(real) for b in real[:i]]
    width = np.median(pairs)

    def kernel(a, b):
        return math.exp(-(math.dist(a, b) ** 2) / (2 * width**2))

    within = [
        np.mean([kernel(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j]) for x in (real, other)
    ]
    return 100 * (sum(within) - 2 * np.mean([kernel(a, b) for a in real for b in other]))


@pytest.mark.parametrize("piece", [1, 100, 1 << 22])
def test_kad_is_its_definition_whatever_the_pieces(monkeypatch, piece):
    monkeypatch.setattr(distances, "_PIECE", piece)
    real, other = normal(23), normal(17, seed=1, shift=0.5)
    assert Reference(real).kad(other) == pytest.approx(plain_kad(real, other), rel=1e-12)


def test_kad_of_shifted_gaussians_is_that_of_their_formula():
    """For N(0, I) and N(m, I) the kernel's means are Gaussian integrals: c (1 - exp(-|m|^2 / (2 (s^2 + 2)))), twice."""
    width, shift = 4, 0.75
    reference = Reference(normal(2_000, width))
    spread = reference.bandwidth**2
    expected = 200 * (spread / (spread + 2)) ** (width / 2) * (1 - math.exp(-width * shift**2 / (2 * (spread + 2))))
    got = [reference.kad(normal(1_000, width, seed=seed, shift=shift)) for seed in range(1, 6)]
    error = np.std(got, ddof=1) / math.sqrt(len(got)) + 0.02 * expected  # the second for the reference's own chance
    assert np.mean(got) == pytest.approx(expected, abs=3 * error)
    assert expected > 10 * error, "so the test can tell it from nothing"


def test_kad_of_equal_distributions_is_nought_on_average():
    reference = Reference(normal(600))
    got = [reference.kad(normal(100, seed=seed)) for seed in range(1, 31)]
    assert abs(np.mean(got)) < 3 * np.std(got) / math.sqrt(30) + 0.1
    assert min(got) < 0 < max(got), "unbiased: below nought, too"


def test_the_bandwidth_is_the_median_distance(monkeypatch):
    real = np.array([[0.0], [1.0], [3.0]], np.float32)  # distances 1, 2, 3
    assert Reference(real).bandwidth == 2
    monkeypatch.setattr(distances, "_MEDIAN_OF", 2)
    assert Reference(real).bandwidth == 3, "the first and the last of them"


@pytest.mark.parametrize("width", [1, 3, 50])
def test_frechet_distance_is_its_formula(width):
    """For few patches, width 50, the covariances are singular."""
    a, b = normal(40, width).astype(np.float64), normal(30, width, seed=1, shift=1, scale=2).astype(np.float64)
    b[:, 0] += b[:, -1]
    covariances = [np.atleast_2d(np.cov(x.T)) for x in (a, b)]
    root = sqrtm(covariances[0] @ covariances[1]).real if width < 30 else None
    got = frechet(Gaussian.of(a), Gaussian.of(b))
    if root is not None:
        trace = np.trace(covariances[0] + covariances[1] - 2 * root)
    else:  # by eigenvalues of the product, which are real and not negative
        values = np.linalg.eigvals(covariances[0] @ covariances[1]).real
        trace = np.trace(covariances[0] + covariances[1]) - 2 * np.sqrt(np.maximum(values, 0)).sum()
    assert got == pytest.approx(np.square(a.mean(0) - b.mean(0)).sum() + trace, rel=1e-4 if root is None else 1e-9)


def test_frechet_distance_of_known_gaussians():
    """Diagonal covariances commute: the distance is that of means and of deviations."""
    a = Gaussian(np.array([0.0, 1.0]), np.diag([1.0, 2.0]))
    b = Gaussian(np.array([3.0, 1.0]), np.diag([4.0, 2.5]))
    assert frechet(a, b) == pytest.approx(9 + (1 - 4) ** 2 + (2 - 2.5) ** 2, rel=1e-12)
    assert frechet(a, a) == pytest.approx(0, abs=1e-12)


def test_fad_of_itself_is_nought_and_of_a_shift_its_square():
    real = normal(50, 80)
    assert Reference(real).fad(real) == pytest.approx(0, abs=1e-10)
    assert Reference(real).fad(real.astype(np.float64) + 0.5) == pytest.approx(80 * 0.25, rel=1e-9)


def test_fad_without_bias_is_nought_on_average_for_equal_distributions():
    """But for what the reference's own size adds, which is made small: 0.002."""
    width, reference = 8, Reference(normal(20_000, 8))
    sets = [normal(400, width, seed=seed) for seed in range(1, 11)]
    biased = np.mean([reference.fad(other) for other in sets])
    lines = [reference.fad_infinity(other, seed=0) for other in sets]
    values = [line.value for line in lines]
    assert biased > 0.03
    assert abs(np.mean(values)) < 3 * np.std(values) / math.sqrt(10) + 0.002
    assert abs(np.mean(values)) < biased / 3
    assert np.mean([line.slope for line in lines]) / 400 == pytest.approx(biased, rel=0.3)
    assert all(0.5 < line.r_squared <= 1 for line in lines)


def test_fad_infinity_sees_a_shift():
    width = 8
    line = Reference(normal(20_000, width)).fad_infinity(normal(2_000, width, seed=1, shift=1), seed=0)
    assert line.value == pytest.approx(
        width, abs=3 * 2 * math.sqrt(width / 2_000)
    )  # the deviation of |m|^2, three times


def test_directions_that_count():
    """Of the covariance diag(4, 1, 1): 6^2 / 18 = 2; of one direction in ten: 1."""
    spread = normal(50_000, 3) * np.array([2, 1, 1], np.float32)
    assert Reference(spread).dimensions == pytest.approx(2, rel=0.02)
    assert Reference(normal(50, 1) * np.eye(1, 10, dtype=np.float32)).dimensions == pytest.approx(1, rel=1e-9)
    with pytest.raises(ValueError, match="a reference that varies"):
        _ = Reference(np.ones((10, 4), np.float32)).dimensions


def test_few_patches_of_many_numbers_are_extrapolated_where_few_directions_count():
    """As musicnn's are: 200 numbers whose variances fall, so that some nine directions count. The few patches it takes do."""
    spread = np.exp(-np.arange(200) / 4.5).astype(np.float32)
    reference = Reference(normal(20_000, 200) * np.sqrt(spread))
    assert reference.dimensions == pytest.approx(9, rel=0.05)
    assert reference.fewest in {36, 40}
    sets = [normal(reference.fewest, 200, seed=seed) * np.sqrt(spread) for seed in range(1, 21)]
    biased = np.mean([reference.fad(other) for other in sets])
    values = [reference.fad_infinity(other, seed=0).value for other in sets]
    assert abs(np.mean(values)) < 0.25 * biased, "at the fewest; a quarter is more than was seen"
    assert np.std(values) < 0.5 * biased


def test_the_error_is_that_of_a_least_squares_line():
    """The spread of intercepts over many lines with known noise."""
    x = 1 / np.linspace(20, 100, 15)
    lines = [distances._line(x, 5 + 30 * x + np.random.default_rng(seed).normal(0, 0.1, 15)) for seed in range(400)]
    values = [line.value for line in lines]
    assert np.mean(values) == pytest.approx(5, abs=4 * np.std(values) / 20)
    assert np.sqrt(np.mean([line.error**2 for line in lines])) == pytest.approx(np.std(values), rel=0.1)
    exact = distances._line(x, 5 + 30 * x)
    assert (exact.value, exact.slope) == (pytest.approx(5), pytest.approx(30))
    assert exact.error < 1e-12
    assert exact.r_squared == pytest.approx(1)


def test_too_few_patches_to_extrapolate():
    reference = Reference(normal(100, 8))
    assert reference.fewest == 32, "of 7.4 directions"
    with pytest.raises(ValueError, match=r"31 patches; .* of this reference takes 32"):
        reference.fad_infinity(normal(31, 8), seed=0)
    assert math.isfinite(reference.fad_infinity(normal(32, 8), seed=0).value)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (normal(1), r"\(1, 4\), needs \[N, 4\] with N >= 2"),
        (normal(5, 3), r"\(5, 3\), needs \[N, 4\]"),
        (normal(5)[0], r"\(4,\)"),
        (normal(5) * np.float32("nan"), "NaN"),
    ],
    ids=["one patch", "other width", "no set", "NaN"],
)
def test_what_is_no_set_of_patches_is_refused(other, words):
    reference = Reference(normal(10))
    for measure in (reference.kad, reference.fad, lambda patches: reference.fad_infinity(patches, seed=0)):
        with pytest.raises(ValueError, match=words):
            measure(other)


def test_a_reference_of_one_sound_has_no_kad():
    with pytest.raises(ValueError, match="a reference that varies"):
        Reference(np.ones((10, 4), np.float32)).kad(normal(5))


def test_another_process_gives_the_same_bits():
    code = (
        "import numpy as np; from fastgan.measure.distances import Reference;"
        "a, b = (np.random.default_rng(s).standard_normal((300, 20)).astype(np.float32) for s in (0, 1));"
        "r = Reference(a); print(r.kad(b).hex(), r.fad(b).hex(), r.fad_infinity(b, seed=3).value.hex())"
    )
    outputs = {subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout for _ in range(2)}
    assert len(outputs) == 1
