"""Which frequencies a sound holds, how they move, and which cycle it repeats: measured on a bounded number of its frames."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from fastgan.audio.scale import FULL_SCALE

LOW_HZ = 20.0  # the lower limit of hearing
HIGH_HZ, HIGH_OF_NYQUIST = 6_000.0, 0.55  # above the highest note of a piano (4,186 Hz); the second where rates are low
TONE_SHARE = 0.95  # of the energy in one spectral peak: a second partial weaker than -13 dB still counts as one tone
REPEAT = 0.99  # correlation of a cycle with the next: noise 20 dB under it is let pass, a real drone's movement is not
ALIKE = 0.9  # cosine between a frame's spectrum and the mean: loops give over 0.95, three notes in turn at most 0.82
LONGEST_CYCLE_S = 0.25  # 240 beats a minute, the end of a metronome's scale: slower repeats may be a drum machine
TONAL = 10.0  # times the median power around: what stands out of its surroundings, as a note does
NOISE_LIKE = (
    0.25  # departure from noise, under which it is worth a look whether there are notes: music is under it at times
)

_AROUND_HZ = 60.0  # on either side: 22 bins in all, of which a partial takes four
_TOGETHER = 4  # bins whose movement is averaged: a peak under the Hann window is as wide, and chance is halved
_SPECTRUM_S = 0.19  # bins of about 5 Hz: a semitone at 90 Hz
_CYCLES_S, _CYCLES_RATE = 0.6, 48_000  # longest cycle twice and more; rates above are thinned
_SPECTRA, _CYCLE_FRAMES = 64, 24  # frames looked at: the cost is the same for any length

Floats = NDArray[np.float32]
Samples = NDArray[np.int16]
Starts = NDArray[np.intp]


@dataclass(frozen=True)
class Spectrum:
    """What the power spectrum shows."""

    high_hz: float  # 6 kHz, or 0.55 of half the rate when that is lower
    high_share: float  # of energy above `high_hz`
    low_share: float  # of energy below 20 Hz
    flatness: float  # geometric over arithmetic mean of the power: 1 for white noise, 0 for a tone
    tone_hz: float  # the strongest frequency, median over time
    tone_share: float  # of frames that hold that one frequency and nothing else
    steady_share: float  # of frames in which it is the strongest, whatever else they hold
    peak_share: float  # of a frame's energy in its strongest frequency, median over time
    departure: float  # from stationary noise of whatever colour, 0 for it; see `departure_from_noise`
    tonal_share: (
        float | None
    )  # of energy in notes, see `in_notes`; None where not asked for, or where the departure is no noise's

    @classmethod
    def of(cls, samples: Samples, rate: int, starts: Starts, *, notes: bool = False) -> "Spectrum | None":
        """Measure a sound [N] on frames at some of the starts; None where nothing is heard. `notes` costs more than all the rest."""
        length = min(len(samples), 1 << round(math.log2(max(2.0, _SPECTRUM_S * rate))))
        frames = _spread(samples, starts, length, _SPECTRA)
        if not len(frames) or length < 8:
            return None
        taper = np.hanning(length).astype(np.float32)
        power = np.abs(np.fft.rfft(frames * taper, axis=1)).astype(np.float64) ** 2  # [F, bins]
        power = power[power.any(axis=1)]
        if not len(power):
            return None
        hz = np.fft.rfftfreq(length, 1 / rate)
        mean = power.mean(axis=0)
        inner = mean[1:-1]  # the first bin is the removed mean, the last has half the noise of the others
        flatness = np.exp(np.log(inner + 1e-12 * inner.mean()).mean()) / inner.mean() if inner.any() else 0.0
        peak_hz, peak_energy = _peaks(power, rate / length)
        tone_hz = float(np.median(peak_hz))
        close = np.abs(peak_hz - tone_hz) <= max(0.03 * tone_hz, 0.2 * rate / length)  # half a semitone: vibrato
        peak_share = peak_energy / power.sum(axis=1)
        high_hz = min(HIGH_HZ, HIGH_OF_NYQUIST * rate / 2)
        audible = power[:, hz >= LOW_HZ]
        departure = departure_from_noise(audible)
        tonal_share = None
        if notes and departure < NOISE_LIKE:
            tonal_share = float(power[in_notes(power, rate / length) & (hz >= LOW_HZ)].sum() / audible.sum())
        return cls(
            high_hz=high_hz,
            high_share=float(mean[hz > high_hz].sum() / mean.sum()),
            low_share=float(mean[hz < LOW_HZ].sum() / mean.sum()),
            flatness=float(flatness),
            tone_hz=tone_hz,
            tone_share=float(np.mean(close & (peak_share >= TONE_SHARE))),
            steady_share=float(close.mean()),
            peak_share=float(np.median(peak_share)),
            departure=departure,
            tonal_share=tonal_share,
        )


@dataclass(frozen=True)
class Cycle:
    """The shortest stretch that the waveform repeats."""

    seconds: float  # median over time
    share: float  # of frames that repeat this one cycle

    @classmethod
    def of(cls, samples: Samples, rate: int, starts: Starts) -> "Cycle | None":
        """Measure a sound [N] on frames at some of the starts; None where nothing repeats.

        Each frame's cycle is the first peak of its normalised autocorrelation that is about as high as its highest. A
        melody repeats within each note, yet its notes disagree; one pitch or one loop agrees everywhere. Notes of one
        chord in turn share a cycle (that of the chord), so the spectra have to be alike too.
        """
        thin = max(1, rate // _CYCLES_RATE)
        frames = _spread(samples, starts, min(len(samples), round(_CYCLES_S * rate)), _CYCLE_FRAMES)
        length = frames.shape[1] // thin
        longest = min(round(LONGEST_CYCLE_S * rate / thin) + 2, length // 2)
        if not len(frames) or longest < 4:
            return None
        frames = frames[:, : length * thin].reshape(len(frames), length, thin).mean(axis=2)  # what repeats still does
        frames -= frames.mean(axis=1, keepdims=True)
        spectra = np.abs(np.fft.rfft(frames, 1 << (length + longest - 1).bit_length(), axis=1))
        match = _autocorrelation(frames, spectra, longest)
        left, here, right = match[:, :-2], match[:, 1:-1], match[:, 2:]
        bend = np.maximum(2 * here - left - right, 1e-12)
        height = np.minimum(here + (right - left) ** 2 / (8 * bend), 1.0)  # between the lags, by a parabola
        past_zero = np.maximum.accumulate(here < 0.5, axis=1)  # the first hill is the sound matching itself
        height = np.where(past_zero & (here > left) & (here >= right), height, 0.0)
        best = height.max(axis=1, initial=0.0)
        repeats = best >= REPEAT
        if not repeats.any():
            return None
        first = (height >= best[:, None] - 0.02).argmax(axis=1)
        rows = np.arange(len(first))
        cycles = (first + 1 + 0.5 * ((right - left) / bend)[rows, first]) * thin / rate
        cycle = float(np.median(cycles[repeats]))
        agree = repeats & (np.abs(cycles - cycle) <= max(0.02 * cycle, thin / rate)) & _alike(spectra)
        return cls(cycle, float(agree.mean()))


def departure_from_noise(power: NDArray[np.float64]) -> float:
    """Say how far the movement of power spectra [F, bins] is from that of stationary Gaussian noise, in nepers; 0 for noise.

    In each bin the power of such noise is exponentially distributed about its mean, whatever the colour: the mean of its logarithm
    is Euler's constant, 0.577, under the logarithm of its mean (and half of 1 / F less, as the mean is itself of F frames). A tone
    that stands is above that, what comes and goes far below. Given is the root mean square of the difference over the bins, by
    their energy, each with its neighbours. Chance makes 0.03 to 0.11 of 64 frames, the more the fewer bins hold the energy.
    """
    mean = power.mean(axis=0)
    if not mean.any():
        return math.inf
    level = np.log(np.maximum(power, 1e-12 * mean + 1e-30) / (mean + 1e-30)).mean(axis=0)
    bins = len(mean) // _TOGETHER * _TOGETHER
    energy = mean[:bins].reshape(-1, _TOGETHER).sum(axis=1)
    together = (mean * level)[:bins].reshape(-1, _TOGETHER).sum(axis=1) / (energy + 1e-30)
    noise = 0.5 / len(power) - np.euler_gamma
    return float(np.sqrt((energy @ np.square(together - noise)) / energy.sum()))


def in_notes(power: NDArray[np.float64], bin_hz: float) -> NDArray[np.bool_]:
    """Which bins of power spectra [F, bins] stand out of their surroundings, as notes do and noise of any smooth colour does not.

    Those with more than ten times the median of the bins within 60 Hz. Noise has power that is exponentially distributed
    about a mean: t = 10 ln 2 means are exceeded with (1 + t) exp(-t) = 0.8 % of its energy, and with a little more since a
    median of few bins errs.
    """
    width = 2 * round(_AROUND_HZ / bin_hz) + 1
    standing: NDArray[np.bool_] = power > TONAL * median_filter(power, size=(1, width), mode="reflect")
    return standing


def _spread(samples: Samples, starts: Starts, length: int, most: int) -> Floats:
    """At most `most` stretches of the sound [F, length], evenly from `starts`, each without its mean."""
    if len(starts) > most:
        starts = starts[np.linspace(0, len(starts) - 1, most).round().astype(int)]
    starts = np.unique(np.minimum(starts, len(samples) - length))
    frames = samples[starts[:, None] + np.arange(length)].astype(np.float32) / FULL_SCALE
    frames -= frames.mean(axis=1, keepdims=True)
    return frames


def _peaks(power: NDArray[np.float64], bin_hz: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Frequency [F] of the strongest peak of each power spectrum [F, bins], and the energy [F] in it (Hann)."""
    top = np.clip(power.argmax(axis=1), 1, power.shape[1] - 2)
    rows = np.arange(len(power))
    before, at, after = (np.log(power[rows, top + shift] + 1e-30) for shift in (-1, 0, 1))
    bend = before - 2 * at + after  # a parabola through three points of the logarithm: good to a tenth of a bin
    shift = np.where(bend < 0, 0.5 * (before - after) / np.minimum(bend, -1e-12), 0.0)
    near = np.abs(np.arange(power.shape[1]) - top[:, None]) <= 3
    return (top + np.clip(shift, -1, 1)) * bin_hz, (power * near).sum(axis=1)


def _autocorrelation(frames: Floats, spectra: Floats, lags: int) -> NDArray[np.float64]:
    """Correlation of each frame [F, N] with itself some lags later [F, lags], from its padded spectrum; 1 is the same."""
    products = np.fft.irfft(spectra**2, axis=1)[:, :lags].astype(np.float64)
    energy = np.cumsum(np.square(frames, dtype=np.float64), axis=1)
    lag = np.arange(lags)
    ahead, behind = energy[:, frames.shape[1] - 1 - lag], energy[:, -1:] - np.where(lag, energy[:, lag - 1], 0.0)
    match: NDArray[np.float64] = products / np.sqrt(np.maximum(ahead * behind, 1e-20))
    return match


def _alike(spectra: Floats) -> NDArray[np.bool_]:
    """Which of the spectra [F, bins] have the shape of them all: a chord's notes share a cycle, in turn they differ."""
    bands = spectra[:, : spectra.shape[1] // 8 * 8].reshape(len(spectra), -1, 8)  # 5 Hz: a drifting pitch stays in
    shapes = np.sqrt(np.square(bands).sum(axis=2, dtype=np.float64))
    shapes /= np.maximum(np.linalg.norm(shapes, axis=1, keepdims=True), 1e-20)
    common = shapes.mean(axis=0)
    alike: NDArray[np.bool_] = shapes @ common >= ALIKE * np.linalg.norm(common)
    return alike
