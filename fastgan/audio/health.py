"""What is wrong with a sound, in words: the failures of sound generators, named instead of shipped in silence.

The problems are those that trainers of music models report: silence, a constant, a line that only rises or falls,
a steady tone, hiss, a buzz. All measures are classical signal statistics; none needs a network or a reference.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgan.audio.scale import FULL_SCALE

FRAME_S = 0.05  # half a cycle at 10 Hz, an octave below hearing: audible sound turns around at least once in it
SILENCE = 1e-3  # RMS of a frame without its mean: -60 dBFS, 20 dB under music that is itself as quiet as -40 dBFS
PAUSE_S = 1.0  # shorter gaps are rhythm: one beat at 60 per minute
MOSTLY = 0.5  # "mostly": more than half of the time
CLIPPED_SHARE = 0.01  # a sine of exactly full scale spends 0.5 % of its samples on the last step, whatever its pitch
DC_OFFSET = 0.1  # -20 dBFS: a click at each end, and a tenth of the range lost; 92 % of 119 published clips stay under
HIGH_HZ, HIGH_OF_NYQUIST = 6_000.0, 0.55  # above the highest note of a piano (4,186 Hz); the second where rates are low
HIGH_SHARE, HIGH_ONLY = 0.5, 0.9  # more than half and no rhythm, or nothing else whatever the rhythm
FLAT = 0.5  # flatness: white noise gives over 0.75 (two frames) to 1, pink noise from 20 Hz up 0.43, music under 0.2
STEADY_DB = 1.5  # mean step between frames: noise of 400 values a frame moves by 0.35 dB, a drum's decay by several
TONE_SHARE = 0.95  # of the energy in one spectral peak: a second partial weaker than -13 dB still counts as one tone
BELOW_HEARING_HZ, BELOW_HEARING_SHARE = 20.0, 0.98  # what is left above 20 Hz is 17 dB weaker
REPEAT = 0.99  # correlation of a cycle with the next: noise 20 dB under it is let pass, a real drone's movement is not
ALIKE = 0.9  # cosine between a frame's spectrum and the mean: loops give over 0.95, three notes in turn at most 0.82
LONGEST_CYCLE_S = 0.25  # 240 beats a minute, the end of a metronome's scale: slower repeats may be a drum machine
BUZZ_S = 0.05  # 20 Hz: a faster cycle is heard as a pitch, a slower one as a rattle
NEARLY_ALL = 0.9  # of the frames must agree before a whole sound is called one tone or one cycle
SHORTEST_S = 0.1  # under it there is not even a note to hear
JUDGED_S = 0.5  # a single drum hit may be noise; held this long it is a fault
NOTE_S, HELD_DB = 2.0, 3.0  # a half note at 60 per minute: one note may be all of a sound this short, if it dies away

_SPECTRUM_S = 0.19  # bins of about 5 Hz: a semitone at 90 Hz
_CYCLES_S, _CYCLES_RATE = 0.6, 48_000  # longest cycle twice and more; rates above are thinned
_SPECTRA, _CYCLE_FRAMES = 64, 24  # frames looked at, spread over the audible part: the cost is bounded for any length
_BLOCK = 1 << 20  # samples held as floats at a time

Floats = NDArray[np.float32]
Samples = NDArray[np.number[Any]]  # int16 or floating


@dataclass(frozen=True)
class Health:
    """Measures of one sound and the problems they show; plain values, None where a measure has no meaning."""

    problems: tuple[str, ...]
    seconds: float
    peak: float  # 0 to 1 of full scale
    rms_dbfs: float | None  # of all samples, offset included; 0 is a full-scale square wave; None for digital silence
    dc: float  # mean, -1 to 1
    silent_share: float  # of time, in pauses of a second or more
    clipped_share: float  # of samples on the last step of the scale
    bad_share: float  # of values that were NaN or infinite; the other measures take them as 0
    zero_crossings_per_s: float
    monotone_share: float  # of non-zero frames of 50 ms in which the waveform never turns around
    rising_share: float  # the part of monotone_share that rises
    falling_share: float  # the part of monotone_share that falls; the rest stands still
    crest: float | None  # peak / RMS: 1.4 for a sine, 4 to 10 for music
    level_change_db: float | None  # mean step of level between neighbouring frames: small without rhythm
    level_spread_db: float | None  # from the 5th to the 95th percentile of frames that are heard
    centroid_hz: float | None  # mean frequency, weighted by power
    high_share: float | None  # of energy above `high_hz`
    high_hz: float  # 6 kHz, or 0.55 of half the rate when that is lower
    low_share: float | None  # of energy below 20 Hz
    flatness: float | None  # geometric over arithmetic mean of the power spectrum: 1 for white noise, 0 for a tone
    tone_hz: float | None  # the strongest frequency, median over time
    tone_share: float | None  # of frames that hold that one frequency and nothing else
    cycle_s: float | None  # the shortest cycle that repeats, median over time
    cycle_share: float | None  # of frames that repeat that one cycle

    @property
    def ok(self) -> bool:
        """Whether no problem was found."""
        return not self.problems

    @property
    def verdict(self) -> str:
        """One sentence for a person: "healthy", or each problem with its number and what it means."""
        return "; ".join(f"{name}: {_MEANING[name](self)}" for name in self.problems) or "healthy"


def examine(samples: Samples, rate: int) -> Health:
    """Measure a sound and name its problems.

    Every sample counts in the levels; spectrum and repetition are measured on a bounded number of frames.

    Args:
        samples: int16 [N], or floats [N] in [-1, 1]: what lies outside counts as clipped, NaN and infinity as 0.
        rate: sample rate, Hz.

    Returns:
        The measures and the problems, worst first.

    Raises:
        ValueError: the samples are not one row of int16 or floats, or the rate is not positive.
    """
    samples = np.asarray(samples)
    if samples.ndim != 1:
        raise ValueError(f"samples have shape {samples.shape}, need one row [N]; examine one channel at a time")
    if samples.dtype != np.int16 and not np.issubdtype(samples.dtype, np.floating):
        raise ValueError(f"samples are {samples.dtype}, need int16 or floats in [-1, 1]")
    if not rate > 0:
        raise ValueError(f"rate is {rate}, needs to be a positive number of samples per second")
    levels = _Levels.of(samples, rate)
    audible = np.flatnonzero(levels.frame_rms >= SILENCE) * levels.frame
    spectrum = _Spectrum.of(samples, rate, audible)
    cycle_s, cycle_share = _repetition(samples, rate, audible)
    change, spread = _dynamics(levels.frame_rms)
    seconds = len(samples) / rate
    ac_rms = math.sqrt(max(0.0, levels.power - levels.mean**2))
    health = Health(
        problems=(),
        seconds=seconds,
        peak=max(levels.high, -levels.low),
        rms_dbfs=10 * math.log10(levels.power) if levels.power > 0 else None,
        dc=levels.mean,
        silent_share=_share_in_pauses(levels.frame_rms < SILENCE, levels.frame / rate),
        clipped_share=levels.clipped / max(1, len(samples)),
        bad_share=levels.bad / max(1, len(samples)),
        zero_crossings_per_s=levels.crossings / seconds if seconds else 0.0,
        monotone_share=levels.rising + levels.falling + levels.flat,
        rising_share=levels.rising,
        falling_share=levels.falling,
        crest=max(levels.high, -levels.low) / math.sqrt(levels.power) if levels.power > 0 else None,
        level_change_db=change,
        level_spread_db=spread,
        centroid_hz=spectrum.centroid_hz,
        high_share=spectrum.high_share,
        high_hz=_high_hz(rate),
        low_share=spectrum.low_share,
        flatness=spectrum.flatness,
        tone_hz=spectrum.tone_hz,
        tone_share=spectrum.tone_share,
        cycle_s=cycle_s,
        cycle_share=cycle_share,
    )
    swing = levels.high - levels.low
    return Health(**{**vars(health), "problems": tuple(_problems(health, swing, ac_rms, len(audible)))})


def _problems(health: Health, swing: float, ac_rms: float, audible: int) -> Iterator[str]:
    """Name what the measures show, worst first; what follows from a named cause is not named again."""
    if not health.seconds:
        yield "empty"
        return
    if health.bad_share:
        yield "NaN or infinity"
    still = swing < 2 * SILENCE or (not audible and ac_rms < SILENCE)
    slide = not still and health.seconds >= FRAME_S and health.monotone_share > MOSTLY
    unheard = not audible or (health.low_share or 0) > BELOW_HEARING_SHARE
    if still:
        yield "constant" if abs(health.dc) >= SILENCE else "silent"
    elif slide:
        yield "monotone"
    elif unheard:
        yield "below hearing"
    elif health.silent_share > MOSTLY:
        yield "mostly silent"
    if health.clipped_share > CLIPPED_SHARE:
        yield "clipped"
    if not still and not slide and not unheard:
        unfinished = swing / 2 / (math.pi * BELOW_HEARING_HZ * health.seconds)  # mean of a half-wave cut off at 20 Hz
        if abs(health.dc) > max(DC_OFFSET, unfinished) or abs(health.dc) > max(ac_rms, SILENCE, unfinished):
            yield "DC offset"
        if health.seconds >= JUDGED_S:
            yield from _steady_faults(health)
    if health.seconds < SHORTEST_S:
        yield "too short"


def _steady_faults(health: Health) -> Iterator[str]:
    """Faults that lie in what is heard for most of the time; a single note or hit may be any of them."""
    steady = health.level_change_db is not None and health.level_change_db < STEADY_DB
    held = health.seconds >= NOTE_S or (health.level_spread_db or 0) < HELD_DB
    if held and (health.tone_share or 0) >= NEARLY_ALL:
        yield "one tone"
    elif held and health.cycle_s is not None and (health.cycle_share or 0) >= NEARLY_ALL:
        yield "buzz" if health.cycle_s < BUZZ_S else "stuck loop"
    elif (health.flatness or 0) > FLAT and steady:
        yield "white noise"
        return  # its high share says nothing more
    if (health.high_share or 0) > (HIGH_SHARE if steady else HIGH_ONLY):
        yield "high-pitched"


def _percent(share: float | None) -> str:
    return f"{100 * (share or 0):.3g} %"


def _direction(health: Health) -> str:
    rising, falling = health.rising_share, health.falling_share
    if min(rising, falling) > 0.1 * max(rising, falling):
        return "rises or falls without turning back"
    if max(rising, falling) < 0.1 * health.monotone_share:
        return "slides to one value and stands still there"
    return "only ascends" if rising > falling else "only descends"


_MEANING: dict[str, Callable[[Health], str]] = {
    "empty": lambda h: "it holds no samples, so there is nothing to play",
    "NaN or infinity": lambda h: f"{_percent(h.bad_share)} of the values are no numbers; has the training diverged?",
    "silent": lambda h: f"peak {h.peak:.2g} of full scale, too weak to hear",
    "constant": lambda h: f"it stays at {h.dc:.3g} of full scale and never moves, so a speaker plays nothing",
    "monotone": lambda h: (
        f"for {_percent(h.monotone_share)} of the time it {_direction(h)}, and sound swings to and fro"
    ),
    "below hearing": lambda h: "all of its movement is slower than 20 Hz, which no one hears",
    "mostly silent": lambda h: f"{_percent(h.silent_share)} of the time is pauses of a second or more",
    "clipped": lambda h: f"{_percent(h.clipped_share)} of the samples are cut off at full scale, heard as distortion",
    "DC offset": lambda h: f"it swings around {h.dc:.2g} of full scale and not around 0, heard as clicks at its ends",
    "white noise": lambda h: f"a steady hiss, equally strong at all frequencies (flatness {h.flatness or 0:.2f} of 1)",
    "one tone": lambda h: f"a single steady tone of {h.tone_hz or 0:.0f} Hz for {_percent(h.tone_share)} of the sound",
    "buzz": lambda h: (
        f"one cycle of {1e3 * (h.cycle_s or 0):.3g} ms repeats for {_percent(h.cycle_share)} of the sound"
    ),
    "stuck loop": lambda h: (
        f"the same {1e3 * (h.cycle_s or 0):.0f} ms again for {_percent(h.cycle_share)} of the sound"
    ),
    "high-pitched": lambda h: f"{_percent(h.high_share)} of the energy is above {h.high_hz:.0f} Hz, above any note",
    "too short": lambda h: f"{1e3 * h.seconds:.3g} ms, too little to hear a note",
}


@dataclass(frozen=True)
class _Levels:
    """What every sample has a part in."""

    low: float
    high: float
    mean: float
    power: float
    bad: int
    clipped: int
    crossings: int
    frame: int  # samples per frame
    frame_rms: Floats  # [frames], each without its mean
    rising: float  # shares of the frames that are not at zero
    falling: float
    flat: float

    @classmethod
    def of(cls, samples: Samples, rate: int) -> "_Levels":
        frame = max(1, min(len(samples), round(FRAME_S * rate)))
        low = high = total = squares = 0.0
        bad = clipped = crossings = present = rising = falling = flat = 0
        if len(samples):
            low, high = math.inf, -math.inf
        frame_rms = []
        last_sign = np.False_
        for start in range(0, len(samples), step := frame * max(1, _BLOCK // frame)):
            values, unusable = _as_floats(samples[start : start + step])
            low, high = min(low, float(values.min())), max(high, float(values.max()))
            total += float(values.sum(dtype=np.float64))
            bad += unusable
            clipped += int(np.count_nonzero(np.abs(values) >= np.float32((FULL_SCALE - 1) / FULL_SCALE)))
            sign = values < 0
            crossings += int(np.count_nonzero(sign[1:] != sign[:-1])) + int(bool(start) and last_sign != sign[0])
            last_sign = sign[-1]
            squares += float(np.dot(values, values))
            frames = values[: len(values) // frame * frame].reshape(-1, frame)  # a last part of one is left out
            steps = np.diff(frames, axis=1)
            smallest, largest = steps.min(axis=1, initial=0), steps.max(axis=1, initial=0)
            there = np.maximum(frames.max(axis=1, initial=0), -frames.min(axis=1, initial=0)) >= SILENCE
            present += int(np.count_nonzero(there))
            rising += int(np.count_nonzero(there & (smallest >= 0) & (largest > 0)))
            falling += int(np.count_nonzero(there & (largest <= 0) & (smallest < 0)))
            flat += int(np.count_nonzero(there & (largest <= 0) & (smallest >= 0)))
            swings = frames - frames.mean(axis=1, keepdims=True)
            frame_rms.append(np.sqrt(np.einsum("fn,fn->f", swings, swings) / frame))
        count = max(1, len(samples))
        return cls(
            low=low,
            high=high,
            mean=total / count,
            power=squares / count,
            bad=bad,
            clipped=clipped,
            crossings=crossings,
            frame=frame,
            frame_rms=np.concatenate(frame_rms) if frame_rms else np.zeros(0, np.float32),
            rising=rising / max(1, present),
            falling=falling / max(1, present),
            flat=flat / max(1, present),
        )


@dataclass(frozen=True)
class _Spectrum:
    """What the power spectrum shows; None where there is nothing to hear."""

    centroid_hz: float | None = None
    high_share: float | None = None
    low_share: float | None = None
    flatness: float | None = None
    tone_hz: float | None = None
    tone_share: float | None = None

    @classmethod
    def of(cls, samples: Samples, rate: int, starts: NDArray[np.intp]) -> "_Spectrum":
        length = min(len(samples), 1 << round(math.log2(max(2.0, _SPECTRUM_S * rate))))
        frames = _spread(samples, starts, length, _SPECTRA)
        if not len(frames) or length < 8:
            return cls()
        taper = np.hanning(length).astype(np.float32)
        power = np.abs(np.fft.rfft(frames * taper, axis=1)).astype(np.float64) ** 2  # [F, bins]
        energy = power.sum(axis=1)
        frames_heard = energy > 0
        power, energy = power[frames_heard], energy[frames_heard]
        if not len(power):
            return cls()
        hz = np.fft.rfftfreq(length, 1 / rate)
        mean = power.mean(axis=0)
        total = mean.sum()
        inner = mean[1:-1]  # the first bin is the removed mean, the last has half the noise of the others
        flatness = float(np.exp(np.log(inner + 1e-12 * inner.mean()).mean()) / inner.mean()) if inner.any() else 0.0
        peak_hz, peak_energy = _peaks(power, rate / length)
        tone_hz = float(np.median(peak_hz))
        close = np.abs(peak_hz - tone_hz) <= max(0.03 * tone_hz, 0.2 * rate / length)  # half a semitone: vibrato
        return cls(
            centroid_hz=float(mean @ hz / total),
            high_share=float(mean[hz > _high_hz(rate)].sum() / total),
            low_share=float(mean[hz < BELOW_HEARING_HZ].sum() / total),
            flatness=flatness,
            tone_hz=tone_hz,
            tone_share=float(np.mean(close & (peak_energy >= TONE_SHARE * energy))),
        )


def _peaks(power: NDArray[np.float64], bin_hz: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Frequency [F] of the strongest peak of each power spectrum [F, bins], and the energy [F] in it (Hann)."""
    top = np.clip(power.argmax(axis=1), 1, power.shape[1] - 2)
    rows = np.arange(len(power))
    before, at, after = (np.log(power[rows, top + shift] + 1e-30) for shift in (-1, 0, 1))
    bend = before - 2 * at + after  # a parabola through three points of the logarithm: good to a tenth of a bin
    shift = np.where(bend < 0, 0.5 * (before - after) / np.minimum(bend, -1e-12), 0.0)
    lobe = np.clip(top[:, None] + np.arange(-3, 4), 0, power.shape[1] - 1)
    inside = np.abs(lobe - top[:, None] - np.arange(-3, 4)) == 0  # a clipped index would count a bin twice
    return (top + np.clip(shift, -1, 1)) * bin_hz, (power[rows[:, None], lobe] * inside).sum(axis=1)


def _repetition(samples: Samples, rate: int, starts: NDArray[np.intp]) -> tuple[float | None, float | None]:
    """The shortest cycle (s) that the waveform repeats and the share of frames that agree on it; (None, None) unheard.

    Each frame's cycle is the first peak of its normalised autocorrelation that is about as high as its highest. A
    melody repeats within each note, yet its notes disagree; one pitch or one loop agrees everywhere. Notes of one chord
    in turn share a cycle (that of the chord), so the spectra have to be alike too.
    """
    thin = max(1, rate // _CYCLES_RATE)
    frames = _spread(samples, starts, min(len(samples), round(_CYCLES_S * rate)), _CYCLE_FRAMES)
    length = frames.shape[1] // thin
    longest = min(round(LONGEST_CYCLE_S * rate / thin) + 2, length // 2)
    if not len(frames) or longest < 4:
        return None, None
    frames = frames[:, : length * thin].reshape(len(frames), length, thin).mean(axis=2)  # what repeats still does
    frames -= frames.mean(axis=1, keepdims=True)
    spectra = np.fft.rfft(frames, 1 << (length + longest - 1).bit_length(), axis=1)
    products = np.fft.irfft(np.abs(spectra) ** 2, axis=1)[:, :longest].astype(np.float64)  # [F, lags]
    energy = np.cumsum(np.square(frames, dtype=np.float64), axis=1)
    lags = np.arange(longest)
    ahead, behind = energy[:, length - 1 - lags], energy[:, -1:] - np.where(lags, energy[:, lags - 1], 0.0)
    match = products / np.sqrt(np.maximum(ahead * behind, 1e-20))
    left, here, right = match[:, :-2], match[:, 1:-1], match[:, 2:]
    bend = np.maximum(2 * here - left - right, 1e-12)
    height = np.minimum(here + (right - left) ** 2 / (8 * bend), 1.0)  # between the lags, by a parabola
    past_zero = np.maximum.accumulate(here < 0.5, axis=1)  # the first hill is the sound matching itself
    height = np.where(past_zero & (here > left) & (here >= right), height, 0.0)
    best = height.max(axis=1, initial=0.0)
    repeats = best >= REPEAT
    if not repeats.any():
        return None, 0.0
    first = (height >= best[:, None] - 0.02).argmax(axis=1)
    rows = np.arange(len(first))
    cycles = (first + 1 + 0.5 * ((right - left) / bend)[rows, first]) * thin / rate
    cycle = float(np.median(cycles[repeats]))
    agree = repeats & (np.abs(cycles - cycle) <= max(0.02 * cycle, thin / rate)) & _alike(np.abs(spectra))
    return cycle, float(agree.mean())


def _alike(spectra: Floats) -> NDArray[np.bool_]:
    """Which of the spectra [F, bins] have the shape of them all: a chord's notes share a cycle, in turn they differ."""
    bands = spectra[:, : spectra.shape[1] // 8 * 8].reshape(
        len(spectra), -1, 8
    )  # about 5 Hz: a drifting pitch stays in
    shapes = np.sqrt(np.square(bands).sum(axis=2, dtype=np.float64))
    shapes /= np.maximum(np.linalg.norm(shapes, axis=1, keepdims=True), 1e-20)
    common = shapes.mean(axis=0)
    alike: NDArray[np.bool_] = shapes @ common >= ALIKE * np.linalg.norm(common)
    return alike


def _spread(samples: Samples, starts: NDArray[np.intp], length: int, most: int) -> Floats:
    """At most `most` stretches of the sound [F, length], evenly from `starts`, each without its mean."""
    if len(starts) > most:
        starts = starts[np.linspace(0, len(starts) - 1, most).round().astype(int)]
    starts = np.unique(np.minimum(starts, len(samples) - length))
    frames = np.empty((len(starts), length), np.float32)
    for row, start in zip(frames, starts, strict=True):
        values, _ = _as_floats(samples[start : start + length])
        row[:] = values - values.mean()
    return frames


def _as_floats(samples: Samples) -> tuple[Floats, int]:
    """Samples as float32 [N] in [-1, 1], and how many had no number in them."""
    if samples.dtype == np.int16:
        return samples.astype(np.float32) * np.float32(1 / FULL_SCALE), 0
    numbers = np.isfinite(samples)
    bad = int(numbers.size - np.count_nonzero(numbers))
    values = np.where(numbers, samples, 0) if bad else samples
    return np.clip(values, -1, 1).astype(np.float32), bad


def _share_in_pauses(quiet: NDArray[np.bool_], frame_s: float) -> float:
    """Share of frames that lie in runs of quiet of a second or more, or of the whole sound when it is shorter."""
    if not len(quiet):
        return 0.0
    shortest = min(len(quiet), round(PAUSE_S / frame_s))
    edges = np.flatnonzero(np.diff(np.concatenate(([False], quiet, [False])).astype(np.int8)))
    runs = edges[1::2] - edges[::2]
    return float(runs[runs >= shortest].sum() / len(quiet))


def _dynamics(frame_rms: Floats) -> tuple[float | None, float | None]:
    """Mean step of level between neighbouring frames and the spread of levels, dB, over what is heard."""
    heard = frame_rms >= SILENCE
    if not heard.any():
        return None, None
    level = 20 * np.log10(np.maximum(frame_rms, SILENCE))
    both = heard[1:] & heard[:-1]
    low, high = np.percentile(level[heard], [5, 95])
    return float(np.abs(np.diff(level))[both].mean()) if both.any() else None, float(high - low)


def _high_hz(rate: int) -> float:
    return min(HIGH_HZ, HIGH_OF_NYQUIST * rate / 2)
