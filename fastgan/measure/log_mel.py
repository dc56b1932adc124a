"""A sound as levels in bands as wide as hearing's, over time: what the other measures compare."""

import math

import numpy as np
from numpy.typing import NDArray

from fastgan.audio.scale import normalise

FRAME_S = 0.093  # 2,048 samples at 22,050 Hz: bins of 10.8 Hz
LOWEST_HZ = 30.0
RANGE_DB = 80.0  # below the loudest band of the sound; what is weaker is rounding, not music

_FRAMES = 512  # at a time: bounds the memory

Samples = NDArray[np.int16]
Floats = NDArray[np.float64]


def log_mel(samples: Samples, rate: int, bands: int = 128) -> Floats:
    """Levels of a sound [N] in mel bands, dB of full scale squared, [F, bands]; F is 0 for one shorter than a frame.

    Frames of about 93 ms under a Hann window, a quarter of one apart (`hop_s`). Bands are triangles from 30 Hz to half the
    rate, evenly spaced on the mel scale 2595 log10(1 + f / 700) (O'Shaughnessy, "Speech communication", 1987). Levels are cut off
    80 dB below the highest.
    """
    length = frame_length(rate)
    if len(samples) < length:
        return np.empty((0, bands))
    frames = np.lib.stride_tricks.sliding_window_view(normalise(samples), length)[:: length // 4]
    taper = np.hanning(length).astype(np.float32)
    weights = triangles(rate, bands).T
    parts = (frames[begin : begin + _FRAMES] * taper for begin in range(0, len(frames), _FRAMES))
    power = np.concatenate(
        [np.square(np.abs(np.fft.rfft(part, axis=1))).astype(np.float64) @ weights for part in parts]
    )
    floor = max(power.max() * 10 ** (-RANGE_DB / 10), np.finfo(np.float64).tiny)
    return 10 * np.log10(np.maximum(power, floor))


def triangles(rate: int, bands: int) -> Floats:
    """The weight of each bin in each band, 0 to 1, [bands, bins]; each side is at least a bin wide, so that none is empty."""
    hz = np.fft.rfftfreq(frame_length(rate), 1 / rate)
    low, high = (2595 * math.log10(1 + edge / 700) for edge in (LOWEST_HZ, rate / 2))
    edges = 700 * (10 ** (np.linspace(low, high, bands + 2) / 2595) - 1)
    middles = edges[1:-1, None]
    rising = (hz - middles) / np.maximum(np.diff(edges)[:-1, None], hz[1])
    falling = (middles - hz) / np.maximum(np.diff(edges)[1:, None], hz[1])
    return np.maximum(0.0, 1 + np.minimum(rising, falling)).astype(np.float64)


def hop_s(rate: int) -> float:
    """Seconds from one frame to the next."""
    return frame_length(rate) // 4 / rate


def frame_length(rate: int) -> int:
    """Samples in a frame: a power of two."""
    return 1 << max(2, round(math.log2(FRAME_S * rate)))
