"""The veto: which clips of a set are no music, and what is wrong with a set whose clips, one by one, look healthy.

A distance to real music cannot refuse by itself: silence may come out nearer to one style than another style does, and one
good clip copied ten times comes out near. So this is asked first.
"""

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastgan.audio.health import MOSTLY, Health, examine
from fastgan.audio.spectra import LONGEST_CYCLE_S
from fastgan.measure.log_mel import hop_s, log_mel

BLEMISHES = frozenset(
    {"DC offset", "clipped"}
)  # music is still there: 16 of 119 published clips of one style have an offset
TOLERATED = (
    0.2  # of the clips: of 179 real ones none was degenerate, so at most 1.7 % are (95 %), and 3 of 10 by 0.06 %
)
TWIN = 0.95  # correlation; see `likeness`
STUCK = 0.95  # correlation of a clip with itself; see `loop`
ALIKE_DB = 0.5  # between mean spectra; see `apart_db`
FEWEST = 4  # clips, before all of them can be called alike
MOST = 64  # clips that are compared with each other, evenly from all: 2,016 pairs

_BANDS = 40
_STILL_DB = 0.1  # rms of all movement: a steady tone has less, stationary noise some 3 dB

Samples = NDArray[np.int16]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Verdicts:
    """What is wrong with a set of clips.

    Attributes:
        clips: what is wrong with each clip (`fastgan.audio.health`).
        degenerate: numbers of the clips that are no music, whatever else they are; blemishes (offset, clipping) do not count.
        loops_s: what each clip repeats, in seconds, from 0.25 s up; None where it moves on or is degenerate.
        problems: names of what is wrong with the set, worst first.
        verdict: a sentence: "healthy", or each problem of the set with its number and what it means.
    """

    clips: tuple[Health, ...]
    degenerate: tuple[int, ...]
    loops_s: tuple[float | None, ...]
    problems: tuple[str, ...]
    verdict: str

    @property
    def ok(self) -> bool:
        """Whether the set may be measured against real music; otherwise its distance means nothing."""
        return not self.problems


@dataclass(frozen=True)
class Course:
    """How the levels of a sound move, [F, bands], dB: its mean spectrum, and what is left without it."""

    mean: Floats  # [bands]
    moving: Floats  # [F, bands], zeros for a sound that stands still
    energy: Floats  # of all frames before each, [F + 1]

    @classmethod
    def of(cls, samples: Samples, rate: int) -> "Course | None":
        """Of a sound [N]; None for one that is shorter than two frames."""
        levels = log_mel(samples, rate, _BANDS)
        if len(levels) < 2:
            return None
        mean = levels.mean(axis=0)
        moving = levels - mean
        if math.sqrt(float(np.square(moving).mean())) < _STILL_DB:
            moving[:] = 0  # what is left is rounding, and would resemble itself
        return cls(mean, moving, np.concatenate([[0.0], np.cumsum(np.square(moving).sum(axis=1))]))


def veto(clips: Sequence[Samples], rate: int) -> Verdicts:
    """Judge a set of clips before it is compared with real music.

    Args:
        clips: int16 [N] each, of any lengths.
        rate: Hz.

    Returns:
        Plain values and sentences.

    Raises:
        ValueError: there are no clips, one is not a row of int16 or floats, or the rate is not positive.
    """
    if not clips:
        raise ValueError("there are no clips to judge; give at least one")
    healths = tuple(examine(clip, rate) for clip in clips)
    degenerate = tuple(n for n, health in enumerate(healths) if set(health.problems) - BLEMISHES)
    courses = {n: Course.of(clip, rate) for n, clip in enumerate(clips) if n not in degenerate}
    loops = tuple(loop(course, hop_s(rate)) if (course := courses.get(n)) else None for n in range(len(clips)))
    there = _spread([course for course in courses.values() if course is not None])
    problems: dict[str, str] = {}
    if len(degenerate) > TOLERATED * len(clips):
        names = Counter(next(p for p in healths[n].problems if p not in BLEMISHES) for n in degenerate)
        listed = ", ".join(f"{name} ({count})" for name, count in names.most_common())
        problems["degenerate clips"] = f"{len(degenerate)} of {len(clips)} clips are no music: {listed}"
    twins = _twins(there)
    if twins > MOSTLY * len(there):
        problems["copies"] = f"{twins} of {len(there)} clips hold the same sound as another clip"
    elif len(there) >= FEWEST and (apart := apart_db(there)) < ALIKE_DB:
        problems["all alike"] = (
            f"the mean spectra of the clips differ by {apart:.2g} dB only: one timbre, whatever the clip"
        )
    stuck = [length for length in loops if length is not None]
    if len(stuck) > MOSTLY * len(clips):
        middle = float(np.median(stuck))
        problems["stuck loops"] = (
            f"{len(stuck)} of {len(clips)} clips repeat one stretch, of {middle:.2g} s in the median"
        )
    verdict = "; ".join(f"{name}: {meaning}" for name, meaning in problems.items()) or "healthy"
    return Verdicts(healths, degenerate, loops, tuple(problems), verdict)


def likeness(one: Course, other: Course) -> float:
    """How far two sounds are the same, whatever lies between their starts: the highest correlation of their movements, to 1.

    Pearson's correlation of log-mel levels without each band's mean, over the parts that overlap, at every shift by which at least
    half of the shorter one does. Copies give 1, also later or at another loudness; of some 1,400 pairs of real clips of one style the
    closest, parts of one looped track, gave 0.938.
    """
    return float(np.max(_match(one, other)[1], initial=0.0))


def loop(course: Course, step_s: float) -> float | None:
    """The stretch that a sound repeats exactly, seconds, from 0.25 s to half of it; None where it moves on.

    The shortest shift at which the correlation of the sound with itself (as in `likeness`) peaks at 0.95 and more. Of 179 real
    clips of 30 s the highest peak was 0.900, of a drum machine; loops cut out of two gave 0.989 and more. Shorter cycles are
    those of `fastgan.audio.spectra`.
    """
    lags, match = _match(course, course)
    match = match[lags >= LONGEST_CYCLE_S / step_s]
    lags = lags[lags >= LONGEST_CYCLE_S / step_s]
    left, here, right = match[:-2], match[1:-1], match[2:]
    bend = np.maximum(2 * here - left - right, 1e-12)
    height = here + (right - left) ** 2 / (8 * bend)  # between the shifts, by a parabola
    peaks = np.flatnonzero((here > left) & (here >= right) & (height >= STUCK))
    return float((lags[1 + peaks[0]] + ((right - left) / (2 * bend))[peaks[0]]) * step_s) if len(peaks) else None


def apart_db(courses: Sequence[Course]) -> float:
    """How far the mean spectra of some sounds are apart: the median over pairs of the rms difference over bands, dB.

    Each spectrum is taken without its mean level, so loudness does not count.
    """
    shapes = [course.mean - course.mean.mean() for course in courses]
    return float(np.median([np.sqrt(np.square(a - b).mean()) for a, b in itertools.combinations(shapes, 2)]))


def _spread(courses: list[Course]) -> list[Course]:
    """At most 64 of them, evenly from all: the cost of pairs is the same for any number."""
    places = np.linspace(0, len(courses) - 1, min(len(courses), MOST)).round().astype(int)
    return [courses[place] for place in places]


def _twins(courses: Sequence[Course]) -> int:
    """How many of the sounds are like another one."""
    like: set[int] = set()
    for (n, one), (m, other) in itertools.combinations(enumerate(courses), 2):
        if not {n, m} <= like and likeness(one, other) >= TWIN:
            like |= {n, m}
    return len(like)


def _match(one: Course, other: Course) -> tuple[NDArray[np.intp], Floats]:
    """Shifts in frames by which `other` is late, and the correlation at each; shifts with half of the shorter overlapping."""
    count, length = len(one.moving), len(other.moving)
    lags = np.arange(-count + 1, length)
    begin, end = np.maximum(0, -lags), np.minimum(count, length - lags)
    enough = 2 * (end - begin) >= min(count, length)
    lags, begin, end = lags[enough], begin[enough], end[enough]
    size = 1 << (count + length - 1).bit_length()
    spectra = (np.fft.rfft(course.moving, size, axis=0) for course in (one, other))
    products = np.fft.irfft((np.conj(next(spectra)) * next(spectra)).sum(axis=1), size)[lags % size]
    energy = (one.energy[end] - one.energy[begin]) * (other.energy[end + lags] - other.energy[begin + lags])
    there = energy > 1e-12 * max(one.energy[-1] * other.energy[-1], 1e-12)
    return lags, np.where(there, products / np.sqrt(np.where(there, energy, 1.0)), 0.0)
