"""Measures of a sound that need no network, and the band in which those of real music lie."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastgan.audio.health import examine
from fastgan.audio.long_term import centroid, long_term
from fastgan.measure.log_mel import hop_s, log_mel

SLOWEST, FASTEST = 40, 240  # beats a minute: the ends of a metronome's scale, about
STILL_DB = 0.1  # of rise, over all bands: a steady tone ripples by 0.001 dB, white noise by 0.5 dB
PERCENT = (5, 95)
DRAWS = 10_000  # of the bootstrap: the ends of the band then err by 0.5 % of the draws, twice over

Samples = NDArray[np.int16]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Panel:
    """What a sound is like, in plain numbers; None where a measure has no value, as the centroid of silence.

    Loudness moves only what depends on which frames are heard at all: `flatness`, `silent_share` and `step_db`.

    Attributes:
        flux_db: spectral flux: mean over time and 128 mel bands of the rise of level from frame to frame, falls counted as 0
            (Dixon, "Onset detection revisited", 2006, of log-mel levels as Boeck and Widmer take them, 2013). dB.
        centroid_hz: the mean frequency of the long-term spectrum, weighted by power (`fastgan.audio.long_term`).
        flatness: geometric over arithmetic mean of the power spectrum, 1 for white noise and 0 for a tone
            (`fastgan.audio.spectra`).
        silent_share: of frames of 50 ms, those below -60 dBFS (`fastgan.audio.health`), 0 to 1.
        tempo_strength: how regular the beat is, 0 to 1, see `tempo_strength`.
        crest_db: crest factor: the peak over the root mean square, both without the mean: 3.01 dB for a sine.
        step_db: mean step of level between neighbouring frames of 50 ms that are heard (`fastgan.audio.health`). dB.
    """

    flux_db: float | None
    centroid_hz: float | None
    flatness: float | None
    silent_share: float
    tempo_strength: float | None
    crest_db: float | None
    step_db: float | None

    @classmethod
    def of(cls, samples: Samples, rate: int) -> "Panel":
        """Measure a sound, int16 [N], N may be 0; the rate is in Hz.

        Raises:
            ValueError: the samples are not one row of int16, or the rate is not positive.
        """
        if samples.ndim != 1 or samples.dtype != np.int16:
            raise ValueError(f"samples are {samples.dtype} of shape {samples.shape}, need one row of int16 [N]")
        health = examine(samples, rate)
        spectrum, rises = long_term(samples, rate), rise(samples, rate)
        return cls(
            flux_db=float(rises.mean()) if len(rises) else None,
            centroid_hz=None if spectrum is None else centroid(spectrum, rate),
            flatness=health.spectrum.flatness if health.spectrum else None,
            silent_share=1 - health.levels.heard_share if health.levels else 1.0,
            tempo_strength=tempo_strength(rises, hop_s(rate)),
            crest_db=_crest_db(samples),
            step_db=health.levels.step_db if health.levels else None,
        )


@dataclass(frozen=True)
class Band:
    """From where to where a mean over some real clips may fall by chance."""

    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float | None], *, clips: int = 10, seed: int = 0) -> "Band":
        """The 5 to 95 % range of means over `clips` clips, drawn with replacement from the real ones.

        Efron's bootstrap ("Bootstrap methods: another look at the jackknife", 1979). It takes clips as independent: where many
        are cut from one track, the true band is wider.

        Args:
            values: a measure of each real clip; clips for which it is None are left out.
            clips: clips in the set that will be compared.
            seed: of the draws; the same seed gives the same band.

        Raises:
            ValueError: no clip has a value, or `clips` is below 1.
        """
        known = np.array([value for value in values if value is not None], np.float64)
        if not len(known):
            raise ValueError(f"none of {len(values)} real clips has a value, so there is no band; give it music")
        if clips < 1:
            raise ValueError(f"clips is {clips}, needs at least 1")
        random = np.random.default_rng(seed)
        means = known[random.integers(0, len(known), (DRAWS, clips))].mean(axis=1)
        low, high = np.percentile(means, PERCENT)
        return cls(float(low), float(high))

    def inside(self, value: float | None) -> bool:
        """Whether a mean lies in the band; None, the mean of nothing, does not."""
        return value is not None and self.low <= value <= self.high


def mean(values: Sequence[float | None]) -> float | None:
    """The mean of a measure over clips, of those that have one; None where none has."""
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


def rise(samples: Samples, rate: int) -> Floats:
    """The onset envelope of a sound [N]: the mean rise of its mel bands from each frame to the next, dB, [F - 1]."""
    return np.maximum(np.diff(log_mel(samples, rate), axis=0), 0.0).mean(axis=1).astype(np.float64)


def tempo_strength(envelope: Floats, step_s: float) -> float | None:
    """The highest peak of the autocorrelation of an onset envelope [F] between 40 and 240 beats a minute, 0 to 1.

    The autocorrelation of onset strength is the usual measure of a pulse (Tzanetakis and Cook, "Musical genre classification
    of audio signals", 2002; Ellis, "Beat tracking by dynamic programming", 2007). Each lag is normalised by the energy of
    the parts that overlap: 1 for an envelope that repeats exactly, 0 where nothing in it returns. None for an envelope that
    is shorter than two of the longest beats (3 s), or moves by less than 0.1 dB.
    """
    shortest, longest = 60 / FASTEST / step_s, 60 / SLOWEST / step_s
    if len(envelope) < 2 * longest:
        return None
    moving = envelope - envelope.mean()
    if np.abs(moving).max() < STILL_DB:
        return None
    lags = np.arange(math.floor(shortest) - 1, math.ceil(longest) + 2)
    match = np.array([_correlation(moving[lag:], moving[: len(moving) - lag]) for lag in lags])
    here = match[1:-1]
    peaks = here[(here > match[:-2]) & (here >= match[2:])]
    return float(np.clip(peaks.max(initial=0.0), 0.0, 1.0))


def _correlation(one: Floats, other: Floats) -> float:
    energy = math.sqrt((one @ one) * (other @ other))
    return float(one @ other) / energy if energy > 0 else 0.0


def _crest_db(samples: Samples) -> float | None:
    if not len(samples):
        return None
    moving = samples - samples.mean(dtype=np.float64)
    rms = math.sqrt(float(np.square(moving).mean()))
    return 20 * math.log10(float(np.abs(moving).max()) / rms) if rms > 0 else None
