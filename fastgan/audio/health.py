"""What is wrong with a sound, in words: the failures of sound generators, named instead of shipped in silence.

The problems are those that trainers of music models report: silence, a constant, a line that only rises or falls,
a steady tone, hiss, a buzz. All measures are classical signal statistics; none needs a network or a reference.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from fastgan.audio.scale import FULL_SCALE, denormalise
from fastgan.audio.spectra import LOW_HZ, Cycle, Floats, Samples, Spectrum

FRAME_S = 0.05  # half a cycle at 10 Hz, an octave below hearing: audible sound turns around at least once in it
SILENCE = 1e-3  # RMS of a frame without its mean: -60 dBFS, 20 dB under music that is itself as quiet as -40 dBFS
PAUSE_S = 1.0  # shorter gaps are rhythm: one beat at 60 per minute
MOSTLY = 0.5  # "mostly": more than half of the time
CLIPPED_SHARE = 0.01  # a sine of exactly full scale spends 0.5 % of its samples on the last step, whatever its pitch
DC_OFFSET = 0.1  # -20 dBFS: a click at each end, and a tenth of the range lost; 92 % of 119 published clips stay under
HIGH_SHARE, HIGH_ONLY = 0.5, 0.9  # more than half and no rhythm, or nothing else whatever the rhythm
FLAT = 0.5  # flatness: white noise gives over 0.75 (two frames) to 1, pink noise from 20 Hz up 0.43, music under 0.2
STEADY_DB = 1.5  # mean step between frames: noise of 400 values a frame moves by 0.35 dB, a drum's decay by several
NOISE, NOISE_S = 0.11, 5.0  # departure from noise, and from when on: 1,611 stretches of music gave 0.127 and more
NOTELESS = 0.04  # share in notes, asked for in shorter sounds: music that moves like noise gave 0.068, hiss 0.015
SHAPED_FLAT, UNMOVED_DB = 0.15, 0.5  # noise with a bent spectrum; a second of dense metal moves by 0.55 dB and more
WHISTLE_HZ, WHISTLE_SHARE = (
    2_000.0,
    0.25,
)  # a note held that high for nearly all of a sound, and a quarter of its energy
BELOW_HEARING_SHARE = 0.98  # what is left above 20 Hz is 17 dB weaker
BUZZ_S = 0.05  # 20 Hz: a faster cycle is heard as a pitch, a slower one as a rattle
NEARLY_ALL = 0.9  # of the frames must agree before a whole sound is called one tone or one cycle
SHORTEST_S = 0.1  # under it there is not even a note to hear
JUDGED_S = 0.5  # a single drum hit may be noise; held this long it is a fault
NOTE_S, HELD_DB = 2.0, 3.0  # a half note at 60 per minute: one note may be all of a sound this short, if it dies away


@dataclass(frozen=True)
class Levels:
    """What every sample has a part in; frames are of 50 ms, and levels are of 0 to 1 of full scale."""

    seconds: float
    peak: float
    swing: float  # from the lowest sample to the highest, 0 to 2
    dc: float  # mean, -1 to 1
    ac_rms: float  # without the mean
    clipped_share: float  # of samples on the last step of the scale
    heard_share: float  # of frames
    silent_share: float  # of time, in pauses of a second or more
    monotone_share: float  # of non-zero frames in which the waveform never turns around
    rising_share: float  # the part of monotone_share that rises
    falling_share: float  # the part of monotone_share that falls; the rest stands still
    step_db: float | None  # mean step of level between neighbouring heard frames: small without rhythm
    spread_db: float  # of the levels of heard frames, from the 5th to the 95th percentile

    @classmethod
    def of(cls, samples: Samples, frames: Samples, frame_rms: Floats, rate: int) -> "Levels":
        """Measure a sound [N], N > 0, and its frames [F, n] with their RMS [F]."""
        low, high = int(samples.min()) / FULL_SCALE, int(samples.max()) / FULL_SCALE
        there = (frames.max(axis=1) >= SILENCE * FULL_SCALE) | (frames.min(axis=1) <= -SILENCE * FULL_SCALE)
        present = frames[there]
        never_falls: NDArray[np.bool_] = np.all(present[:, 1:] >= present[:, :-1], axis=1)
        never_rises: NDArray[np.bool_] = np.all(present[:, 1:] <= present[:, :-1], axis=1)
        step_db, spread_db = _dynamics(frame_rms)
        return cls(
            seconds=len(samples) / rate,
            peak=max(high, -low),
            swing=high - low,
            dc=float(samples.mean()) / FULL_SCALE,
            ac_rms=float(samples.std(dtype=np.float32)) / FULL_SCALE,
            clipped_share=float(np.mean((samples >= FULL_SCALE - 1) | (samples <= 1 - FULL_SCALE))),
            heard_share=float(np.mean(frame_rms >= SILENCE)),
            silent_share=_share_in_pauses(frame_rms < SILENCE, frames.shape[1] / rate),
            monotone_share=_mean(never_falls | never_rises),
            rising_share=_mean(never_falls & ~never_rises),
            falling_share=_mean(never_rises & ~never_falls),
            step_db=step_db,
            spread_db=spread_db,
        )


@dataclass(frozen=True)
class Health:
    """The problems of a sound, and the measures that show them."""

    problems: tuple[str, ...]  # names, worst first
    verdict: str  # one sentence: "healthy", or each problem with its number and what it means
    levels: Levels | None  # None for a sound without samples
    spectrum: Spectrum | None  # None where nothing is heard
    cycle: Cycle | None  # None where nothing repeats

    @property
    def ok(self) -> bool:
        """Whether no problem was found."""
        return not self.problems


def examine(samples: Samples | NDArray[np.floating], rate: int) -> Health:
    """Measure a sound and name its problems.

    Every sample counts in the levels; spectrum and repetition are measured on a bounded number of frames.

    Args:
        samples: [N], N may be 0; int16, or floats for which +-1 is full scale.
        rate: sample rate, Hz.

    Returns:
        The problems and the measures: plain values.

    Raises:
        ValueError: the samples are not one row of int16 or floats, or the rate is not positive.
    """
    samples = np.asarray(samples)
    if samples.ndim != 1 or not (samples.dtype == np.int16 or np.issubdtype(samples.dtype, np.floating)):
        raise ValueError(f"samples are {samples.dtype} of shape {samples.shape}, need one row of int16 or floats [N]")
    if not rate > 0:
        raise ValueError(f"rate is {rate}, needs to be a positive number of samples per second")
    if not len(samples):
        return Health(("empty",), "empty: it holds no samples, so there is nothing to play", None, None, None)
    if samples.dtype != np.int16:
        wrong = int((~np.isfinite(samples)).sum())
        if wrong:
            name = "NaN or infinity"
            return Health((name,), f"{name}: {wrong} of {len(samples)} values are no numbers", None, None, None)
        samples = denormalise(cast(NDArray[np.floating], samples))
    samples = cast(Samples, samples)
    frame = max(1, min(len(samples), round(FRAME_S * rate)))
    frames = samples[: len(samples) // frame * frame].reshape(-1, frame)  # a last part of one is left out
    frame_rms = frames.std(axis=1, dtype=np.float32) / np.float32(FULL_SCALE)
    heard = np.flatnonzero(frame_rms >= SILENCE) * frame
    levels = Levels.of(samples, frames, frame_rms, rate)
    short = levels.heard_share * levels.seconds < NOISE_S
    spectrum, cycle = Spectrum.of(samples, rate, heard, notes=short), Cycle.of(samples, rate, heard)
    problems = dict(_problems(levels, spectrum, cycle))
    verdict = "; ".join(f"{name}: {meaning}" for name, meaning in problems.items()) or "healthy"
    return Health(tuple(problems), verdict, levels, spectrum, cycle)


def _problems(levels: Levels, spectrum: Spectrum | None, cycle: Cycle | None) -> Iterator[tuple[str, str]]:
    """Names what the measures show, and says what it means; what follows from a named cause is not named again."""
    still = levels.swing < 2 * SILENCE or (not levels.heard_share and levels.ac_rms < SILENCE)
    slide = not still and levels.seconds >= FRAME_S and levels.monotone_share > MOSTLY
    unheard = not levels.heard_share or (spectrum is not None and spectrum.low_share > BELOW_HEARING_SHARE)
    if still and abs(levels.dc) >= SILENCE:
        yield "constant", f"it stays at {levels.dc:.3g} of full scale and never moves, so a speaker plays nothing"
    elif still:
        yield "silent", f"peak {levels.peak:.2g} of full scale, too weak to hear"
    elif slide:
        yield "monotone", f"for {_percent(levels.monotone_share)} of the time it {_direction(levels)}"
    elif unheard:
        yield "below hearing", f"all of its movement is slower than {LOW_HZ:.0f} Hz, which no one hears"
    elif levels.silent_share > MOSTLY:
        yield "mostly silent", f"{_percent(levels.silent_share)} of the time is pauses of a second or more"
    if levels.clipped_share > CLIPPED_SHARE:
        yield "clipped", f"{_percent(levels.clipped_share)} of the samples are cut off at full scale: distortion"
    if not still and not slide and not unheard:
        cut_off = levels.swing / 2 / (math.pi * LOW_HZ * levels.seconds)  # mean of a half-wave cut off at 20 Hz
        if abs(levels.dc) > max(DC_OFFSET, cut_off) or abs(levels.dc) > max(levels.ac_rms, SILENCE, cut_off):
            yield "DC offset", f"it swings around {levels.dc:.2g} of full scale and not around 0: clicks at its ends"
        if levels.seconds >= JUDGED_S and spectrum is not None:
            yield from _steady_faults(levels, spectrum, cycle)
    if levels.seconds < SHORTEST_S:
        yield "too short", f"{1e3 * levels.seconds:.3g} ms, too little to hear a note"


def _steady_faults(levels: Levels, spectrum: Spectrum, cycle: Cycle | None) -> Iterator[tuple[str, str]]:
    """Faults that lie in what is heard for most of the time; a single note or hit may be any of them."""
    steady = levels.step_db is not None and levels.step_db < STEADY_DB
    held = levels.seconds >= NOTE_S or levels.spread_db < HELD_DB
    if held and spectrum.tone_share >= NEARLY_ALL:
        share = _percent(spectrum.tone_share)
        yield "one tone", f"a single steady tone of {spectrum.tone_hz:.0f} Hz for {share} of the sound"
    elif held and cycle is not None and cycle.share >= NEARLY_ALL:
        name = "buzz" if cycle.seconds < BUZZ_S else "stuck loop"
        yield name, f"the same {1e3 * cycle.seconds:.3g} ms repeat for {_percent(cycle.share)} of the sound"
    elif (
        held
        and spectrum.tone_hz > WHISTLE_HZ
        and spectrum.steady_share >= NEARLY_ALL
        and spectrum.peak_share > WHISTLE_SHARE
    ):
        share = _percent(spectrum.peak_share)
        yield (
            "whistle",
            f"one frequency of {spectrum.tone_hz:.0f} Hz with {share} of the energy, all the time, over everything else",
        )
    elif spectrum.flatness > FLAT and steady:
        yield "white noise", f"a steady hiss, equally strong at all frequencies (flatness {spectrum.flatness:.2f} of 1)"
        return  # its high share says nothing more
    elif spectrum.flatness > SHAPED_FLAT and levels.step_db is not None and levels.step_db < UNMOVED_DB:
        yield (
            "steady noise",
            f"a hiss that never changes, without notes or beats (flatness {spectrum.flatness:.2f} of 1)",
        )
    elif held and _noise(levels, spectrum):
        yield (
            "steady noise",
            f"it moves as noise of one colour does, by chance alone ({spectrum.departure:.2g} nepers from it), without notes or beats",
        )
    if spectrum.high_share > (HIGH_SHARE if steady else HIGH_ONLY):
        share = _percent(spectrum.high_share)
        yield "high-pitched", f"{share} of the energy is above {spectrum.high_hz:.0f} Hz, above any note"


def _noise(levels: Levels, spectrum: Spectrum) -> bool:
    """Whether all frequencies move as those of stationary noise do; in a short sound chance is large, so notes are asked for too."""
    noteless = spectrum.tonal_share is not None and spectrum.tonal_share < NOTELESS
    heard_s = levels.heard_share * levels.seconds
    return spectrum.departure < NOISE and (heard_s >= NOISE_S or (heard_s >= 0.9 * NOTE_S and noteless))


def _mean(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean()) if len(flags) else 0.0


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _direction(levels: Levels) -> str:
    rising, falling = levels.rising_share, levels.falling_share
    if min(rising, falling) > 0.1 * max(rising, falling):
        return "rises or falls without turning back"
    if max(rising, falling) < 0.1 * levels.monotone_share:
        return "stands still at one value"
    return "only ascends" if rising > falling else "only descends"


def _share_in_pauses(quiet: NDArray[np.bool_], frame_s: float) -> float:
    """Share of frames that lie in runs of quiet of a second or more, or of the whole sound when it is shorter."""
    shortest = min(len(quiet), round(PAUSE_S / frame_s))
    edges = np.flatnonzero(np.diff(np.concatenate(([False], quiet, [False])).astype(np.int8)))
    runs = edges[1::2] - edges[::2]
    return float(runs[runs >= shortest].sum() / len(quiet))


def _dynamics(frame_rms: Floats) -> tuple[float | None, float]:
    """Mean step of level between neighbouring frames and the spread of levels, dB, over what is heard."""
    heard = frame_rms >= SILENCE
    if not heard.any():
        return None, 0.0
    level = 20 * np.log10(np.maximum(frame_rms, SILENCE))
    both = heard[1:] & heard[:-1]
    low, high = np.percentile(level[heard], [5, 95])
    return float(np.abs(np.diff(level))[both].mean()) if both.any() else None, float(high - low)
