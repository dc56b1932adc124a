"""What the tagging network sees: a mel spectrogram of sound at 16 kHz on a logarithmic scale."""

import functools

import numpy as np
import scipy.fft
import soxr
from numpy.typing import NDArray

from fastgan.audio.scale import normalise

RATE = 16_000  # Hz
FFT, HOP = 512, 256  # samples
BANDS = 96

_HZ_PER_MEL, _KNEE_HZ, _STEP = (
    200 / 3,
    1_000.0,
    np.log(6.4) / 27,
)  # the scale: straight below the knee, then logarithmic
_GAIN = 10_000.0


def log_mel(samples: NDArray[np.int16], rate: int) -> NDArray[np.float32]:
    """Give log10(10,000 m + 1) of the power m in 96 mel bands, every 16 ms.

    This is the input that MSD_musicnn was trained on. Frames are centred, the ends mirrored, under a periodic Hann window.
    All is float32; the network's own package rounds powers to half precision on the way, which overflows for loud sound.

    Args:
        samples: int16 [N], full scale is 1.
        rate: Hz; other rates than 16,000 are resampled.

    Returns:
        float32 [T, 96], T = 1 + N' // 256 for N' samples at 16 kHz.

    Raises:
        ValueError: fewer than 257 samples at 16 kHz, so the ends cannot be mirrored.
    """
    sound = normalise(samples)
    if rate != RATE:
        sound = soxr.resample(sound, rate, RATE)
    if len(sound) <= FFT // 2:
        raise ValueError(f"{len(sound)} samples at {RATE:,} Hz; a spectrogram needs more than {FFT // 2}")
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(sound, FFT // 2, mode="reflect"), FFT)[::HOP]
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT) / FFT)).astype(np.float32)
    power = np.square(np.abs(scipy.fft.rfft(frames * window, axis=1)))  # [T, 257]
    result: NDArray[np.float32] = np.log10(np.float32(_GAIN) * (power @ mel_filters().T) + np.float32(1))
    return result


@functools.cache
def mel_filters() -> NDArray[np.float32]:
    """Triangular filters, float32 [96, 257], that gather the power spectrum into bands from 0 to 8 kHz.

    Corners are equally spaced on the mel scale of Slaney ("Auditory Toolbox", Interval Research, 1998): 3 mel for 200 Hz up
    to 1 kHz, then 27 mel for a factor of 6.4. Each triangle has the area 1 over frequency in Hz.
    """
    hz = np.fft.rfftfreq(FFT, 1 / RATE)
    knee = _KNEE_HZ / _HZ_PER_MEL
    mel = np.linspace(0, knee + np.log(RATE / 2 / _KNEE_HZ) / _STEP, BANDS + 2)
    corners = np.where(mel < knee, mel * _HZ_PER_MEL, _KNEE_HZ * np.exp(_STEP * (mel - knee)))
    low, middle, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    triangles = np.maximum(0, np.minimum((hz - low) / (middle - low), (high - hz) / (high - middle)))
    filters: NDArray[np.float32] = (triangles * 2 / (high - low)).astype(np.float32)
    filters.setflags(write=False)  # one array serves all callers
    return filters
