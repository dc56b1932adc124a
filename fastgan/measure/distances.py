"""How far a set of sounds is from real ones, as distributions of embeddings: KAD, FAD and FAD without its bias.

All is float64 and computed in a fixed order. Distances are sums of squared differences, never differences of sums of squares,
so equal patches are at exactly 0. What is quadratic in the number of patches goes in pieces of 32 MB. KAD has the same bits
for any number of threads; FAD, by LAPACK, for one and the same number of them.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr
from scipy.spatial.distance import cdist, pdist

Floats = NDArray[np.float64]
Embeddings = NDArray[np.float32] | Floats

KAD_SCALE = 100.0
"""What MMD^2 is multiplied by to give KAD, as its authors do."""

_PIECE = 1 << 22  # distances held at a time: 32 MB
_MEDIAN_OF = 4_000  # patches whose pairs give the median distance: 64 MB of them
_SUBSETS = 15  # sizes at which FAD is taken to be extrapolated


@dataclass(frozen=True)
class Gaussian:
    """Mean and spread of patches.

    Attributes:
        mean: float64 [D].
        factor: float64 [R, D] with factor' factor = the covariance (its divisor is N - 1).
    """

    mean: Floats
    factor: Floats

    @classmethod
    def of(cls, patches: Floats) -> "Gaussian":
        """Fit to patches [N, D], N > 1. The covariance is never formed, so its roots lose no digits."""
        mean = patches.mean(axis=0)
        return cls(mean, qr((patches - mean) / np.sqrt(len(patches) - 1), mode="economic")[1])


def frechet(a: Gaussian, b: Gaussian) -> float:
    """Give the Frechet distance |m - n|^2 + tr(A + B - 2 (A B)^(1/2)) of two Gaussians (Dowson and Landau, 1982).

    The trace of the root is the sum of the singular values of the product of the two factors. That is exact for singular
    covariances, too, so nothing is added to them to regularise them.
    """
    shared = np.linalg.svd(a.factor @ b.factor.T, compute_uv=False).sum()
    value = np.square(a.mean - b.mean).sum() + np.square(a.factor).sum() + np.square(b.factor).sum() - 2 * shared
    return max(0.0, float(value))  # equal sets may come out a rounding below


@dataclass(frozen=True)
class Extrapolation:
    """A straight line through FAD against 1 / N.

    Attributes:
        value: where it ends for infinitely many patches.
        error: standard error of the value, from how the subsets scatter about the line. That other clips would give another
            value is not in it.
        slope: how much of FAD is bias: slope / N.
        r_squared: share of the variance over N that the line explains; low where bias is lost in chance.
    """

    value: float
    error: float
    slope: float
    r_squared: float


class Reference:
    """Real patches, with all that depends on them alone computed once.

    Args:
        real: [N, D], at least two patches.

    Raises:
        ValueError: wrong shape, NaN or infinity.
    """

    def __init__(self, real: Embeddings):
        self.patches = checked(real, "real", least=2)

    @cached_property
    def bandwidth(self) -> float:
        """Median distance between two real patches; of 4,000 evenly spread ones where there are more.

        Raises:
            ValueError: it is 0, since more than half of all pairs are equal.
        """
        count = len(self.patches)
        some = self.patches[np.linspace(0, count - 1, min(count, _MEDIAN_OF)).round().astype(np.intp)]
        median = float(np.median(pdist(some)))
        if median == 0:
            raise ValueError("most real patches are equal; KAD needs a reference that varies")
        return median

    @cached_property
    def gaussian(self) -> Gaussian:
        """Mean and spread of the real patches."""
        return Gaussian.of(self.patches)

    @cached_property
    def dimensions(self) -> float:
        """How many directions the real patches spread in, 1 to D: the participation ratio tr(C)^2 / tr(C^2) of their covariance.

        Raises:
            ValueError: all real patches are equal.
        """
        variances = np.square(np.linalg.svd(self.gaussian.factor, compute_uv=False))
        if not variances.any():
            raise ValueError("all real patches are equal; FAD without its bias needs a reference that varies")
        return float(np.square(variances.sum()) / np.square(variances).sum())

    @property
    def fewest(self) -> int:
        """Patches that `fad_infinity` needs: four for each direction that counts."""
        return 2 * self._smallest

    @property
    def _smallest(self) -> int:
        """Patches in the smallest subset whose FAD is near a line: two for each direction that counts."""
        return 2 * math.ceil(self.dimensions)

    @cached_property
    def _likeness(self) -> float:
        return _mean_within(self.patches, self.bandwidth)

    def kad(self, other: Embeddings) -> float:
        """Give the kernel audio distance: the unbiased estimate of MMD^2, times 100.

        The kernel is exp(-d^2 / (2 s^2)) with s the median distance of the reference. The estimate is 0 on average for a
        set from the same distribution, so it may be below 0. That holds for independent patches: those of one clip are alike,
        so few clips score higher than many, and only sets of as many clips compare. Its cost is quadratic in the number of
        patches. Chung et al.,
        "KAD: No More FAD! An Effective and Efficient Evaluation Metric for Audio Generation" (2025, arXiv 2502.15602);
        Gretton et al., "A Kernel Two-Sample Test" (2012), eq. 3.

        Args:
            other: [M, D], at least two patches.

        Raises:
            ValueError: wrong shape, NaN or infinity.
        """
        patches = self._like(other)
        across = sum(_kernel_sums(self.patches, patches, self.bandwidth)) / (len(self.patches) * len(patches))
        return KAD_SCALE * (self._likeness + _mean_within(patches, self.bandwidth) - 2 * across)

    def fad(self, other: Embeddings) -> float:
        """Give the Frechet audio distance: that of Gaussians fitted to both sets.

        It is too high by about a constant / M, much so for M not far above D: compare only sets of one size. Kilgour et
        al., "Frechet Audio Distance: A Reference-free Metric for Evaluating Music Enhancement Algorithms" (2019).

        Args:
            other: [M, D], at least two patches.

        Raises:
            ValueError: wrong shape, NaN or infinity.
        """
        return frechet(self.gaussian, Gaussian.of(self._like(other)))

    def fad_infinity(self, other: Embeddings, *, seed: int) -> Extrapolation:
        """Extrapolate FAD to infinitely many patches, which takes away the bias of the other set's size.

        FAD of random subsets, drawn without replacement, of 15 sizes from M / 5 to M, and a least-squares line over
        1 / size. Gui et al., "Adapting Frechet Audio Distance for Generative Music Evaluation" (2023, arXiv 2311.01616),
        after Chong and Forsyth (2020). The bias of the reference's own size stays, and so does that of few clips: more
        patches of the same clips would be like those there are.

        The line is straight from about two patches for each direction in which the reference spreads (`dimensions`): directions
        without spread add nothing to the distance between the two shapes. musicnn's 200 numbers count as 9 on music of one style.

        Args:
            other: [M, D], M at least `fewest`.
            seed: of the subsets.

        Raises:
            ValueError: too few patches, wrong shape, NaN or infinity, or a reference of equal patches.
        """
        patches = self._like(other)
        count = len(patches)
        if count < self.fewest:
            raise ValueError(
                f"{count} patches; to extrapolate FAD over the {self.dimensions:.1f} directions of this reference takes {self.fewest}"
            )
        random = np.random.default_rng(seed)
        sizes = np.linspace(max(self._smallest, count // 5), count, _SUBSETS).round().astype(np.intp)
        scores = np.array(
            [
                frechet(self.gaussian, Gaussian.of(patches[np.sort(random.choice(count, size, replace=False))]))
                for size in sizes
            ]
        )
        return _line(1 / sizes, scores)

    def _like(self, other: Embeddings) -> Floats:
        return checked(other, "other", least=2, width=self.patches.shape[1])


def checked(patches: Embeddings, name: str, *, least: int, width: int | None = None) -> Floats:
    """Give patches as float64 [N, D], or say what is wrong with them.

    Args:
        patches: to be looked at.
        name: for the message.
        least: patches needed.
        width: D, where it is known.

    Raises:
        ValueError: wrong shape, too few, NaN or infinity.
    """
    if patches.ndim != 2 or len(patches) < least or patches.shape[1] != (width or patches.shape[1]):
        raise ValueError(f"{name} has shape {patches.shape}, needs [N, {width or 'D'}] with N >= {least}")
    if not np.isfinite(patches).all():
        raise ValueError(f"{name} holds NaN or infinity; distances need numbers")
    return np.ascontiguousarray(patches, np.float64)


def pieces(patches: Floats, across: int) -> Iterator[slice]:
    """Cut patches [N, D] so that distances of one piece to `across` others fit the memory set aside for them."""
    size = max(1, _PIECE // across)
    return (slice(start, start + size) for start in range(0, len(patches), size))


def _line(x: Floats, y: Floats) -> Extrapolation:
    """Where the least-squares line through points [K], K > 2, is at x = 0."""
    middle, level = x.mean(), y.mean()
    spread = np.square(x - middle).sum()
    slope = (x - middle) @ (y - level) / spread
    left = np.square(y - level - slope * (x - middle)).sum()
    total = np.square(y - level).sum()
    return Extrapolation(
        value=float(level - slope * middle),
        error=float(np.sqrt(left / (len(x) - 2) * (1 / len(x) + middle**2 / spread))),
        slope=float(slope),
        r_squared=float(1 - left / total) if total > 0 else 1.0,
    )


def _kernel_sums(a: Floats, b: Floats, bandwidth: float) -> Iterator[float]:
    """Sums over pieces of all pairs from [N, D] and [M, D]."""
    for rows in pieces(a, len(b)):
        yield float(_kernel(a[rows], b, bandwidth).sum())


def _mean_within(patches: Floats, bandwidth: float) -> float:
    """Mean over pairs of two different patches of [N, D]."""
    total, count = 0.0, len(patches)
    for rows in pieces(patches, count):
        block = _kernel(patches[rows], patches[rows.start :], bandwidth)  # the triangle: the rest mirrors it
        here = block[:, : len(block)]
        total += float(2 * block.sum() - here.sum() - np.trace(here))
    return total / (count * (count - 1))


def _kernel(a: Floats, b: Floats, bandwidth: float) -> Floats:
    values: Floats = np.exp(cdist(a, b, "sqeuclidean") * (-0.5 / bandwidth**2))
    return values
