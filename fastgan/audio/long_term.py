"""The mean power spectrum of a whole sound, whatever its length."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fastgan.audio.scale import FULL_SCALE

_FRAME_S = 0.19  # bins of about 5 Hz, as in `fastgan.audio.spectra`
_FRAMES = 64  # at a time: bounds the memory

Samples = NDArray[np.int16]
Floats = NDArray[np.float64]


def long_term(samples: Samples, rate: int) -> Floats | None:
    """Mean power spectrum of a whole sound, [N] to [bins]; None for one that stands still or is shorter than a frame.

    Welch's method ("The use of fast Fourier transform for the estimation of power spectra", 1967): frames of about 0.19 s
    that overlap by half, each without its mean, under a Hann window.
    """
    power = np.zeros(frame_length(rate) // 2 + 1)
    for some in powers(samples, rate):
        power += some.sum(axis=0)
    return power if power.any() else None


def powers(samples: Samples, rate: int) -> Iterator[Floats]:
    """The power spectra of the frames [F, bins], some at a time; none for a sound shorter than a frame."""
    length = frame_length(rate)
    if len(samples) < length:
        return
    frames = np.lib.stride_tricks.sliding_window_view(samples, length)[:: length // 2]
    taper = np.hanning(length)
    for begin in range(0, len(frames), _FRAMES):
        some = frames[begin : begin + _FRAMES] / FULL_SCALE
        some -= some.mean(axis=1, keepdims=True)
        yield np.square(np.abs(np.fft.rfft(some * taper, axis=1)))


def centroid(power: Floats, rate: int) -> float:
    """The mean frequency of a spectrum [bins] of `long_term`, weighted by power, Hz."""
    return float(bin_hz(rate) @ power / power.sum())


def bin_hz(rate: int) -> Floats:
    """The frequency of each bin, Hz."""
    return np.fft.rfftfreq(frame_length(rate), 1 / rate).astype(np.float64)


def frame_length(rate: int) -> int:
    """Samples in a frame: a power of two."""
    return 1 << round(math.log2(max(2.0, _FRAME_S * rate)))
