"""Sound made ready to be heard, as it comes: without offset, at one loudness, without clipping, with fades at both ends."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt, sosfilt_zi

LOUDNESS = 0.1
"""Root mean square that sound is brought to, of full scale: -20 dBFS, as music is often mixed at (Katz's K-20, 2000)."""

LOWEST_HZ = 20.0
FADE_S = 0.01
FIRST_S = 5.0
"""What the first gain rests on, so much is held back at the beginning."""

SLOW_S = 20.0
"""How long the gain takes to follow what comes: slower than any phrase, so that dynamics stay."""

_KNEE = 0.7  # of full scale, where peaks begin to be bent: a sine of the loudness has its peak at 0.14
_MOST = 10.0  # gain: what is weaker than that is meant to be quiet

Floats = NDArray[np.float32]


class Leveller:
    """Levels one sound that comes in blocks.

    Args:
        rate: Hz.
    """

    def __init__(self, rate: int):
        self._rate, self._fade = rate, max(1, round(FADE_S * rate))
        self._filter = butter(2, LOWEST_HZ, "highpass", fs=rate, output="sos")
        self._state: NDArray[np.float64] | None = None
        self._power: float | None = None
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
        if self._power is None and len(self._held) < FIRST_S * self._rate:
            return np.empty(0, np.float32)
        return self._release(self._level(), self._fade)

    def finish(self) -> Floats:
        """Give back the rest, faded out."""
        rest = self._release(self._level(), 0)
        length = min(self._fade, len(rest))
        rest[len(rest) - length :] *= np.linspace(1, 0, length, dtype=np.float32)
        return rest

    def _level(self) -> Floats:
        """What is held back, at its loudness."""
        block, self._held = self._held, np.empty(0, np.float32)
        if not len(block):
            return block
        now = float(np.square(block, dtype=np.float64).mean())
        share = 1.0 if self._power is None else 1 - math.exp(-len(block) / (SLOW_S * self._rate))
        self._power = now if self._power is None else self._power + share * (now - self._power)
        gain = min(_MOST, LOUDNESS / max(math.sqrt(self._power), 1e-9))
        before = gain if self._gain is None else self._gain
        self._gain = gain
        return bend(block * np.linspace(before, gain, len(block), dtype=np.float32))

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
    """Bend peaks above 0.7 so that none reaches 1: the same below, smooth above."""
    over = np.maximum(np.abs(samples) - _KNEE, 0)
    return np.where(over > 0, np.sign(samples) * (_KNEE + (1 - _KNEE) * np.tanh(over / (1 - _KNEE))), samples)
