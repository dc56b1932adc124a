"""A clip as a page shows it: its outline as numbers, and its spectrogram as a mask that takes the page's colours."""

import os
from typing import BinaryIO, cast

import numpy as np
from matplotlib.image import imsave
from numpy.typing import NDArray

from fastgan.audio.plots import LOWEST_TOP_DB, STEP_DB, spectrogram
from fastgan.audio.scale import FULL_SCALE
from fastgan.base.atomic import replacing

POINTS = 240
"""Of an outline: a bar of two pixels and a gap of one on a page of common width."""

RANGE_DB = 65.0
"""Of a mask, from the loudest point down: without a scale beside it, a picture wants contrast more than depth."""


def outline(samples: NDArray[np.int16]) -> list[float]:
    """The largest amplitude in each of `POINTS` equal parts of a sound [N], N > 0: 0 to 1, to three digits."""
    edges = np.linspace(0, len(samples), POINTS + 1).astype(np.int64)[:-1]
    size = np.abs(samples.astype(np.float32)) / FULL_SCALE
    return [round(float(peak), 3) for peak in np.maximum.reduceat(size, np.minimum(edges, len(samples) - 1))]


def draw_mask(samples: NDArray[np.int16], rate: int, path: str | os.PathLike[str]) -> None:
    """Write a PNG that is a spectrogram and nothing else: black, and the louder the less transparent.

    Time runs to the right and frequency (mel-spaced, 0 to half the rate) upwards; 65 dB below the loudest is wholly
    transparent. A page uses it as a mask, so that one picture serves light and dark.

    Args:
        samples: int16 [N]; under 16 there is no spectrum, and the picture is one transparent point.
        rate: sample rate, Hz.
        path: the PNG to create or replace.

    Raises:
        BadInput, MachineFailure: the file cannot be written.
    """
    level = spectrogram(samples, rate)  # [bands, columns] dBFS
    if not level.size:
        level = np.full((1, 1), -np.inf, np.float32)
    top = max(LOWEST_TOP_DB, float(level.max()))
    share = np.clip((level - top) / RANGE_DB + 1, 0, 1)
    steps = round(RANGE_DB / STEP_DB)  # so that the file shrinks
    picture = np.zeros((*level.shape, 4), np.uint8)
    picture[..., 3] = np.round(np.round(share * steps) / steps * 255)
    with replacing(path) as stream:
        imsave(cast(BinaryIO, stream), picture[::-1], format="png")
