"""What a sound is, next to real music: a few plain numbers, the same for every method."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastgan.audio.health import examine
from fastgan.audio.long_term import Floats, Samples, bin_hz, centroid, frame_length, long_term, powers
from fastgan.audio.scale import FULL_SCALE
from fastgan.audio.spectra import in_notes

FLOOR_DB = -100.0  # of a sound's power: the rounding of a full-scale sine to 16 bits is as weak
LOWEST_BAND = -13  # 50 Hz: two of the widest bins, 7.4 Hz, lie in it


@dataclass(frozen=True)
class Yielded:
    """What a sound is, alone and next to a real one; None where a measure has no value, as the pitch of silence.

    Attributes:
        verdict: what is wrong with it, in a sentence, or "healthy" (`fastgan.audio.health`).
        problems: the names of what is wrong, worst first.
        rms: without the mean, 0 to 1 of full scale.
        centroid_hz: the mean frequency, weighted by power.
        high_hz: where `high_share` begins: 6 kHz, or 0.55 of half the rate where that is lower.
        high_share: of the energy, above `high_hz`.
        flatness: geometric over arithmetic mean of the power spectrum, 1 for white noise and 0 for a tone.
        band_distance_db: from the real sound's spectrum, see `band_distance`.
        autocorrelation: of the sound with itself one sample later, -1 to 1: cos(2 pi f / rate) for a sine, 0 for white noise.
        tonal_share: of the energy, in notes, see `tonal_share`.
        step_ratio_db: the variance of the differences between neighbouring samples over that of the real sound, in dB.
    """

    verdict: str
    problems: tuple[str, ...]
    rms: float
    centroid_hz: float | None
    high_hz: float | None
    high_share: float | None
    flatness: float | None
    band_distance_db: float | None
    autocorrelation: float | None
    step_ratio_db: float | None
    tonal_share: float | None


def describe(samples: Samples, rate: int, real: Samples) -> Yielded:
    """Measure a sound next to a real one.

    Args:
        samples: int16 [N], N may be 0.
        rate: of both, Hz.
        real: int16 [M], music of any length from a fifth of a second.

    Returns:
        The measures: plain values.

    Raises:
        ValueError: the samples are not one row of int16, the rate is not positive, or the real sound is too short or still.
    """
    for sound in (samples, real):
        if sound.ndim != 1 or sound.dtype != np.int16:
            raise ValueError(f"samples are {sound.dtype} of shape {sound.shape}, need one row of int16 [N]")
    health = examine(samples, rate)
    spectrum, truth = long_term(samples, rate), long_term(real, rate)
    if truth is None:
        raise ValueError(
            f"the real sound has {len(real):,} samples that stand still or last less than {frame_length(rate):,}; give it music"
        )
    steps, real_steps = _step_variance(samples), _step_variance(real)
    return Yielded(
        verdict=health.verdict,
        problems=health.problems,
        rms=health.levels.ac_rms if health.levels else 0.0,
        centroid_hz=None if spectrum is None else centroid(spectrum, rate),
        high_hz=health.spectrum.high_hz if health.spectrum else None,
        high_share=health.spectrum.high_share if health.spectrum else None,
        flatness=health.spectrum.flatness if health.spectrum else None,
        band_distance_db=None if spectrum is None else band_distance(spectrum, truth, rate),
        autocorrelation=_autocorrelation(samples),
        step_ratio_db=10 * math.log10(steps / real_steps) if steps > 0 else None,
        tonal_share=tonal_share(samples, rate),
    )


def tonal_share(samples: Samples, rate: int) -> float | None:
    """Share of a sound's energy that stands out of its surroundings in frequency, as notes do and noise of any colour does not.

    Of what lies above 50 Hz the bins of each frame that `fastgan.audio.spectra.in_notes` names. None where there is no frame.
    """
    total, tonal, heard = 0.0, 0.0, bin_hz(rate) >= bands(rate)[0][0]
    for power in powers(samples, rate):
        tonal += float(power[heard & in_notes(power, rate / frame_length(rate))].sum())
        total += float(power[:, heard].sum())
    return tonal / total if total > 0 else None


def band_distance(one: Floats, other: Floats, rate: int) -> float:
    """How far two spectra [bins] are apart, in dB, whatever their loudness: 0 for the same shape.

    The power in each third-octave band is divided by that of the whole sound, which makes both of the same RMS, and put in
    dB, at least -100. The distance is the root of the mean square of the differences over the bands (the rms log spectral
    measure of Gray and Markel, "Distance measures for speech processing", 1976). The bands are those of IEC 61260-1:2014 and
    ANSI S1.11: see `bands`.
    """
    levels = []
    for power in (one, other):
        shares = np.array([power[inside].sum() for inside in _inside(rate)]) / power.sum()
        levels.append(10 * np.log10(np.maximum(shares, 10 ** (FLOOR_DB / 10))))
    return float(np.sqrt(np.mean(np.square(levels[0] - levels[1]))))


def bands(rate: int) -> list[tuple[float, float]]:
    """Lower and upper edges, Hz, of the third-octave bands from 50 Hz up to the last that lies whole below half the rate.

    The middle of band x is 1000 * 10 ** (x / 10) Hz and its edges are a factor of 10 ** (1 / 20) away (IEC 61260-1:2014, to
    the base 10).
    """
    highest = math.floor(10 * math.log10(rate / 2 / 1000) - 0.5)
    return [(10 ** (3 + (x - 0.5) / 10), 10 ** (3 + (x + 0.5) / 10)) for x in range(LOWEST_BAND, highest + 1)]


def _inside(rate: int) -> Iterator[NDArray[np.bool_]]:
    """Which bins lie in each band."""
    hz = bin_hz(rate)
    for low, high in bands(rate):
        yield (hz >= low) & (hz < high)


def _autocorrelation(samples: Samples) -> float | None:
    """Of neighbouring samples, over the energy without the mean; None where nothing moves."""
    if not len(samples):
        return None
    moving = samples - samples.mean(dtype=np.float64)
    energy = float(moving @ moving)
    return float(moving[1:] @ moving[:-1]) / energy if energy > 0 else None


def _step_variance(samples: Samples) -> float:
    """Of the differences between neighbouring samples, in squares of full scale."""
    return float(np.diff(samples.astype(np.float64)).var()) / FULL_SCALE**2 if len(samples) > 1 else 0.0
