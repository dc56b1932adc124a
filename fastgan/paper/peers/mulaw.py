"""Companding: int16 samples as a few levels that are dense near zero, where most of sound lies, and back.

The curve is the continuous form of the mu-law with mu = 255 (ITU-T Recommendation G.711, "Pulse code modulation of voice
frequencies", 1988): F(x) = sign(x) ln(1 + mu |x|) / ln(1 + mu) for x in [-1, 1]. The range of F is cut into K equal cells.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fastgan.audio.scale import FULL_SCALE, denormalise

MU = 255
LEVELS = 2, 256
"""The fewest and the most levels: a level is kept in 8 bits."""


def encode(samples: NDArray[np.int16], levels: int) -> NDArray[np.uint8]:
    """Map samples to levels 0 .. K - 1, int16 to uint8 of the same shape.

    Raises:
        ValueError: `levels` is not within 2 .. 256.
    """
    return _cells(levels)[samples.astype(np.int64) + FULL_SCALE]


def decode(codes: NDArray[np.uint8], levels: int) -> NDArray[np.int16]:
    """Map levels to the samples in the middle of their cells of F, uint8 to int16; `encode` gives them back.

    With an even K zero is the border of two cells, so digital silence comes back as the smallest positive value.

    Raises:
        ValueError: `levels` is not within 2 .. 256.
    """
    return _middles(levels)[codes]


@lru_cache(maxsize=4)
def _cells(levels: int) -> NDArray[np.uint8]:
    """The level of each of the 65,536 samples."""
    _check(levels)
    value = np.arange(-FULL_SCALE, FULL_SCALE) / FULL_SCALE
    companded = np.sign(value) * np.log1p(MU * np.abs(value)) / np.log1p(MU)
    return np.minimum((companded + 1) / 2 * levels, levels - 1).astype(np.uint8)


@lru_cache(maxsize=4)
def _middles(levels: int) -> NDArray[np.int16]:
    """The sample of each level."""
    _check(levels)
    companded = (np.arange(levels) + 0.5) / levels * 2 - 1
    return denormalise(np.sign(companded) * np.expm1(np.abs(companded) * np.log1p(MU)) / MU)


def _check(levels: int) -> None:
    if not LEVELS[0] <= levels <= LEVELS[1]:
        raise ValueError(f"levels is {levels}; sound is quantised to {LEVELS[0]} to {LEVELS[1]} of them")
