"""Sound made ready to be heard, as it comes: without offset, at one loudness, without clipping, with fades at both ends."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt, sosfilt_zi

LOUDNESS = 0.1
"""Root mean square that sound is brought to, of full scale: -20 dBFS, as music is often mixed at (Katz's K-20, 2000)."""

LOWEST_HZ = 20.0
FADE_S = 0.01
FIRST_S = 0.5
"""So much is held back at the beginning, for a first look at it."""

EXPECTED_S = 2.0
"""As much as this is what was expected trusted, beside what was heard."""

SLOW_S = 20.0
"""How long the gain takes to follow what comes, later on: slower than any phrase, so that dynamics stay."""

_QUIET = 1e-3  # of the expected power: pauses do not make what follows them loud

_KNEE = 0.7  # of full scale, where peaks begin to be bent: a sine of the loudness has its peak at 0.14
_TOP = 0.999  # what they come to at most: no sample of 16 bits is a full one
_BURST = 1.5  # to which the peaks of a block may come before they are bent: what is louder would be cut flat
_MOST = 10.0  # gain: what is weaker than that is meant to be quiet

Floats = NDArray[np.float32]


class Leveller:
    """Levels one sound that comes in blocks.

    Args:
        rate: Hz.
        expected: root mean square that the sound will have, about, of full scale.
    """

    def __init__(self, rate: int, expected: float):
        self._rate, self._fade = rate, max(1, round(FADE_S * rate))
        self._expected, self._level, self._heard_s = expected**2, math.log(expected), 0.0
        self._filter = butter(2, LOWEST_HZ, "highpass", fs=rate, output="sos")
        self._state: NDArray[np.float64] | None = None
        self._held = np.empty(0, np.float32)  # filtered, not yet levelled
        self._tail = np.empty(0, np.float32)  # done, but for the fade if it is the end
        self._gain: float | None = None
        self._begun = False

    def push(self, block: Floats) -> Floats:
        """Take in samples [n], give back those that are done [m]; m lags behind n."""
        if self._state is None and len(block):
            self._state = sosfilt_zi(self._filter) * block[0]
        if len(block):
            filtered, self._state = sosfilt(self._filter, block, zi=self._state)
            self._held = np.concatenate((self._held, filtered.astype(np.float32)))
        if self._gain is None and len(self._held) < FIRST_S * self._rate:
            return np.empty(0, np.float32)
        return self._release(self._levelled(), self._fade)

    def finish(self) -> Floats:
        """Give back the rest, faded out."""
        rest = self._release(self._levelled(), 0)
        length = min(self._fade, len(rest))
        rest[len(rest) - length :] *= np.linspace(1, 0, length, dtype=np.float32)
        return rest

    def _levelled(self) -> Floats:
        """What is held back, at its loudness."""
        block, self._held = self._held, np.empty(0, np.float32)
        if not len(block):
            return block
        power = float(np.square(block, dtype=np.float64).mean())
        here, seconds = math.log(max(power, _QUIET * self._expected)) / 2, len(block) / self._rate
        self._heard_s += seconds
        # Of logarithms: an expectation that is far off is left behind sooner.
        self._level += (here - self._level) * max(
            seconds / (EXPECTED_S + self._heard_s), 1 - math.exp(-seconds / SLOW_S)
        )
        most = min(_MOST, _BURST / max(float(np.abs(block).max()), 1e-9))
        gain = min(most, LOUDNESS / math.exp(self._level))
        before = gain if self._gain is None else self._gain
        self._gain = gain
        way = self._fade if before > most else len(block)  # down at once, but without a click
        gains = np.full(len(block), gain, np.float32)
        gains[:way] = np.linspace(before, gain, way, dtype=np.float32)[: len(block)]
        return bend(block * gains)

    def _release(self, done: Floats, keep: int) -> Floats:
        """Everything that is done but for the last `keep` samples; the first ever are faded in."""
        every = np.concatenate((self._tail, done))
        if not self._begun and len(every):
            length = min(self._fade, len(every))
            every[:length] *= np.linspace(0, 1, length, dtype=np.float32)
            self._begun = True
        cut = max(0, len(every) - keep)
        self._tail = every[cut:]
        return every[:cut]


def bend(samples: Floats) -> Floats:
    """Bend peaks above 0.7 so that none comes above 0.999: the same below, smooth above."""
    over, room = np.maximum(np.abs(samples) - _KNEE, 0), _TOP - _KNEE
    return np.where(over > 0, np.sign(samples) * (_KNEE + room * np.tanh(over / room)), samples)
