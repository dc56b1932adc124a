"""Where the beats of a piece are: from how strongly something begins in each frame to a beat count that runs through all of them.

The tempo is the strongest of the autocorrelation, weighted towards 120 beats a minute; beats are the path that is both regular and
on onsets, found by dynamic programming. Source: Ellis, "Beat tracking by dynamic programming", 2007.
"""

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

SLOWEST, FASTEST = 60.0, 200.0  # beats a minute
USUAL, OCTAVES = 120.0, 0.9  # where most tempi are, and how far they spread
TIGHT = 100.0  # how much regularity counts against onsets, in spreads of onset strength; Ellis' value
_SPAN_S = 10.0  # over which onset strength is brought to one spread: quiet parts have beats too
_SPREAD = (0.6, 1.6)  # distance of two beats, in periods
_REFINED = 8  # beats over which the period is read: frames are too coarse for one

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Beats:
    """The beats of a piece.

    Attributes:
        count: float64 [T], at each frame the number of beats before it, with the part of the one that is on.
        period: frames from beat to beat.
        regularity: correlation of what begins with what began a beat earlier, 0 to 1.
    """

    count: Floats
    period: float
    regularity: float


def find_beats(strength: Floats, frames_per_s: float) -> Beats:
    """Find the beats of a piece.

    Args:
        strength: [T], how much energy rises in each frame, on any scale; see `onset_strength`.
        frames_per_s: frames in a second.

    Returns:
        A count for every frame; where there is no pulse, that of the likeliest tempo.

    Raises:
        ValueError: fewer than three frames, NaN or infinity.
    """
    if len(strength) < 3 or not np.isfinite(strength).all():
        raise ValueError(f"{len(strength)} frames of onset strength; beats take three or more finite ones")
    onsets = _levelled(np.asarray(strength, np.float64), frames_per_s)
    period = _period(onsets, frames_per_s)
    places = _track(onsets, period)
    frames = np.arange(len(onsets))
    count = np.interp(frames, places, np.arange(len(places), dtype=np.float64))
    before, after = frames < places[0], frames > places[-1]
    count[before] = (frames[before] - places[0]) / period
    count[after] = len(places) - 1 + (frames[after] - places[-1]) / period
    return Beats(count - count[0], period, _regularity(onsets, round(period)))


def onset_strength(levels: NDArray[np.floating]) -> Floats:
    """How much levels [T, bands] rise from frame to frame, falls counted as 0, mean over the bands: [T], 0 at first."""
    rises = np.maximum(np.diff(np.asarray(levels), axis=0), 0).mean(axis=1, dtype=np.float64)
    return np.concatenate(([0.0], rises))


def _levelled(strength: Floats, frames_per_s: float) -> Floats:
    """Strength above its mean over a second, in its own spreads over ten."""
    above = np.maximum(strength - _smooth(strength, round(frames_per_s)), 0)
    spread = np.sqrt(_smooth(above * above, round(_SPAN_S * frames_per_s)))
    return above / np.maximum(spread, 1e-9 + 1e-3 * spread.max())


def _smooth(values: Floats, width: int) -> Floats:
    """Mean over about `width` values around each, fewer at the ends."""
    half = max(1, width) // 2
    sums = np.concatenate(([0.0], np.cumsum(values)))
    first = np.maximum(np.arange(len(values)) - half, 0)
    last = np.minimum(np.arange(len(values)) + half + 1, len(values))
    return (sums[last] - sums[first]) / (last - first)


def _period(onsets: Floats, frames_per_s: float) -> float:
    count = len(onsets)
    spectrum = np.fft.rfft(onsets - onsets.mean(), 2 * count)
    match = np.fft.irfft(np.abs(spectrum) ** 2)[:count]
    per_minute = frames_per_s * 60
    lags = np.arange(max(1, int(per_minute / FASTEST)), int(per_minute / SLOWEST) + 2)
    lags = lags[lags < count]
    if not len(lags) or match[0] <= 0:
        return per_minute / USUAL
    # A true beat returns after two and four of its periods as well.
    score = sum(share * np.where(n * lags < count, match[np.minimum(n * lags, count - 1)], 0) for n, share in _RETURNS)
    score = score * np.exp(-0.5 * (np.log2(lags * USUAL / per_minute) / OCTAVES) ** 2)
    lag = int(lags[np.argmax(score)])
    over = min(_REFINED, max(1, (count - 1) // (lag + 1)))
    near = np.arange(over * lag - over // 2, over * lag + over // 2 + 1)
    near = near[(near > 0) & (near < count)]
    return float(near[np.argmax(match[near])]) / over


def _regularity(onsets: Floats, period: int) -> float:
    """Correlation with the onsets a period earlier, or a frame beside it: periods are no whole frames."""
    found = 0.0
    for lag in (lag for lag in (period - 1, period, period + 1) if 0 < lag < len(onsets)):
        one, other = (part - part.mean() for part in (onsets[:-lag], onsets[lag:]))
        power = math.sqrt(float((one @ one) * (other @ other)))
        if power > 0:
            found = max(found, float(one @ other) / power)
    return found


_RETURNS = ((1, 1.0), (2, 0.5), (4, 0.25))


def _track(onsets: Floats, period: float) -> NDArray[np.int64]:
    """Frames of the beats, at least one."""
    score, back = _walk(onsets, period, int(period * _SPREAD[0]), int(period * _SPREAD[1]) + 1, TIGHT)
    last = max(0, len(onsets) - max(1, int(period)))
    place, places = last + int(np.argmax(score[last:])), []
    while place >= 0:
        places.append(place)
        place = int(back[place])
    return np.array(places[::-1])


@njit(cache=True)
def _walk(onsets, period, nearest, farthest, tight):  # type: ignore[no-untyped-def]
    """Best score of a path of beats that ends in each frame, and the beat before it, -1 for none."""
    score, back = onsets.copy(), np.full(len(onsets), -1)
    for frame in range(len(onsets)):
        best, found = 0.0, -1
        for distance in range(max(1, nearest), farthest):
            if distance > frame:
                break
            value = score[frame - distance] - tight * np.log(distance / period) ** 2
            if found < 0 or value > best:
                best, found = value, frame - distance
        if found >= 0:
            score[frame] = onsets[frame] + best
            back[frame] = found
    return score, back
