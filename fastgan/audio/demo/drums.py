"""Drums and cymbals: each sound is struck once per clip (with a few variants) and then only added where it is hit."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numba import njit

from fastgan.audio.demo.voices import next_noise

VARIANTS = 3  # strokes of one sound, with different noise, taken in turn


@dataclass(frozen=True, kw_only=True)
class Drum:
    """One drum: a skin or plate (decaying partials), and filtered noise. Times are constants of exponential decay."""

    hz: float = 0.0  # pitch of the first partial
    sweep: float = 1.0  # the pitch starts at this multiple
    sweep_s: float = 0.03
    partials: tuple[float, ...] = (1.0,)  # multiples of hz
    skin: float = 0.0  # amplitude of all partials together
    skin_s: float = 0.1
    noise: float = 0.0
    noise_s: float = 0.05
    noise_hz: float = 6000.0
    low: float = 0.0  # shares of the low-, band- and high-pass outputs of the noise filter
    band: float = 0.0
    high: float = 1.0
    bursts: int = 1  # a clap is several hands, 11 ms apart
    attack_s: float = 0.0005


METAL = (1.0, 1.342, 1.483, 1.726, 1.932, 2.239, 2.546, 2.817, 3.163, 3.484, 3.911, 4.377)  # inharmonic, as plates are

DRUMS = {
    "kick": Drum(hz=50, sweep=3.6, sweep_s=0.022, skin=1.0, skin_s=0.11, noise=0.25, noise_s=0.004, low=1, high=0,
        noise_hz=3500),
    "boom": Drum(hz=44, sweep=3.2, sweep_s=0.035, skin=1.0, skin_s=0.22, noise=0.15, noise_s=0.004, low=1, high=0,
        noise_hz=2500),
    "click": Drum(hz=58, sweep=4.5, sweep_s=0.012, skin=0.9, skin_s=0.06, noise=0.9, noise_s=0.006, band=1, high=0,
        noise_hz=3800),
    "feather": Drum(hz=62, sweep=1.6, sweep_s=0.03, skin=0.8, skin_s=0.12, noise=0.05, noise_s=0.01, low=1, high=0,
        noise_hz=900),
    "snare": Drum(hz=185, sweep=1.3, partials=(1, 1.79), skin=0.5, skin_s=0.06, noise=0.6, noise_s=0.085,
        noise_hz=1900, band=0.4, high=0.7),
    "fat": Drum(hz=165, sweep=1.3, partials=(1, 1.6), skin=0.6, skin_s=0.09, noise=0.65, noise_s=0.13, noise_hz=1300,
        band=0.7, high=0.5),
    "rim": Drum(hz=420, partials=(1, 2.6, 4.1), skin=0.8, skin_s=0.018, noise=0.3, noise_s=0.01, noise_hz=2200,
        band=1, high=0),
    "clap": Drum(noise=1.3, noise_s=0.07, noise_hz=1400, band=1.0, high=0.15, bursts=3),
    "brush": Drum(noise=0.5, noise_s=0.07, noise_hz=2600, band=0.5, high=0.3, attack_s=0.012),
    "shaker": Drum(noise=0.5, noise_s=0.03, noise_hz=6500, band=0.8, high=0.5, attack_s=0.01),
    "hat": Drum(hz=3150, partials=METAL, skin=0.25, skin_s=0.02, noise=0.4, noise_s=0.022, noise_hz=7000),
    "open": Drum(hz=3150, partials=METAL, skin=0.3, skin_s=0.11, noise=0.4, noise_s=0.11, noise_hz=6500),
    "ride": Drum(hz=2350, partials=METAL, skin=0.5, skin_s=0.28, noise=0.25, noise_s=0.05, noise_hz=6000),
    "crash": Drum(hz=1900, partials=METAL, skin=0.4, skin_s=0.5, noise=0.55, noise_s=0.5, noise_hz=4200, band=0.4,
        high=0.8),
    "tom": Drum(hz=140, sweep=1.5, sweep_s=0.05, partials=(1, 1.59), skin=0.9, skin_s=0.16, noise=0.1, noise_s=0.02,
        noise_hz=2000),
    "floor": Drum(hz=88, sweep=1.5, sweep_s=0.06, partials=(1, 1.59), skin=1.0, skin_s=0.2, noise=0.1, noise_s=0.02,
        noise_hz=1500),
    "timpani": Drum(hz=98, sweep=1.05, partials=(1, 1.5, 1.99, 2.44), skin=0.9, skin_s=0.5, noise=0.12, noise_s=0.03,
        low=1, high=0, noise_hz=600),
}  # fmt: skip


@njit(cache=True, nogil=True)
def _strike_skin(
    out: np.ndarray,
    rate: float,
    hz: float,
    sweep: float,
    sweep_s: float,
    partials: np.ndarray,
    level: float,
    decay: float,
) -> None:
    """Add decaying sines; a higher partial dies sooner, and none is at or above 0.45 `rate`."""
    for number in range(len(partials)):
        top = partials[number] * hz
        if top * max(1.0, sweep) >= 0.45 * rate:
            continue
        gain = level / len(partials) ** 0.5 / (1.0 + 0.3 * number)
        fall = math.exp(-(partials[number] ** 0.5) / (decay * rate))
        if sweep == 1.0:  # a resonator needs no sine: cymbals have many partials and ring long
            last, x = 0.0, gain * math.sin(2.0 * math.pi * top / rate)
            turn = 2.0 * fall * math.cos(2.0 * math.pi * top / rate)
            for i in range(len(out)):
                out[i] += x
                last, x = x, turn * x - fall * fall * last
            continue
        glide = math.exp(-1.0 / (sweep_s * rate))
        bend = sweep - 1.0
        phase = 0.0
        for i in range(len(out)):
            out[i] += gain * math.sin(2.0 * math.pi * phase)
            phase += top * (1.0 + bend) / rate
            bend *= glide
            gain *= fall


@njit(cache=True, nogil=True)
def _strike_noise(
    out: np.ndarray,
    rate: float,
    seed: int,
    level: float,
    decay: float,
    hz: float,
    low: float,
    band: float,
    high: float,
    bursts: int,
) -> None:
    """Add decaying noise through a state-variable filter (trapezoidal, so it is stable at any frequency)."""
    g = math.tan(math.pi * min(hz, 0.4 * rate) / rate)
    k = 1.0  # half a bandwidth: a mild resonance
    scale = 1.0 / (1.0 + g * (g + k))
    s1 = s2 = 0.0
    fall = math.exp(-1.0 / (decay * rate))
    gap = int(0.011 * rate)
    gain = level
    for i in range(len(out)):
        if bursts > 1 and i % gap == 0 and 0 < i < bursts * gap:
            gain = level
        seed = next_noise(seed)
        v1 = scale * (s1 + g * (seed * 2.0**-31 - 1.0 - s2))
        v2 = s2 + g * v1
        s1 = 2.0 * v1 - s1
        s2 = 2.0 * v2 - s2
        v0 = seed * 2.0**-31 - 1.0
        out[i] += gain * (low * v2 + band * v1 + high * (v0 - k * v1 - v2))
        gain *= fall if bursts == 1 or i >= (bursts - 1) * gap else fall**4


@njit(cache=True, nogil=True)
def add_scaled(out: np.ndarray, start: int, sound: np.ndarray, gain: float) -> None:
    """Add `gain` times float32 `sound` to float32 `out` from sample `start` on, as far as `out` reaches."""
    n = min(len(sound), len(out) - start)
    here = out[start : start + n]
    scale = np.float32(gain)
    for i in range(n):
        here[i] += scale * sound[i]


def strike(drum: Drum, rate: float, seed: int) -> np.ndarray:
    """Make one stroke.

    Args:
        drum: the sound.
        rate: samples per second.
        seed: state of the noise generator, an integer in [0, 2**32).

    Returns:
        float32 [n], until it has fallen by about 55 dB; peak about 1 for a full drum.
    """
    seconds = 6.5 * max(drum.skin_s if drum.skin else 0.0, drum.noise_s if drum.noise else 0.0) + 0.011 * drum.bursts
    out = np.zeros(int(seconds * rate), np.float32)
    if drum.skin:
        _strike_skin(
            out, float(rate), float(drum.hz), float(drum.sweep), float(drum.sweep_s),
            np.array(drum.partials, np.float64), float(drum.skin), float(drum.skin_s),
        )  # fmt: skip
    if drum.noise:
        _strike_noise(
            out, float(rate), seed, float(drum.noise), float(drum.noise_s), float(drum.noise_hz),
            float(drum.low), float(drum.band), float(drum.high), drum.bursts,
        )  # fmt: skip
    edge = min(len(out), max(1, int(drum.attack_s * rate)))
    out[:edge] *= np.linspace(0.0, 1.0, edge, dtype=np.float32)
    return out


class Kit:
    """The drums of one clip, tuned as a whole; each stroke is made when it is first needed."""

    def __init__(self, rate: float, *, tuning: float, seed: int):
        """Set up the kit.

        Args:
            rate: samples per second.
            tuning: factor on every frequency, about 1.
            seed: integer in [0, 2**32).
        """
        self._rate = rate
        self._tuning = tuning
        self._seed = seed
        self._strokes: dict[tuple[str, int], np.ndarray] = {}

    def hit(self, out: np.ndarray, start: int, name: str, velocity: float, number: int) -> None:
        """Add one stroke of DRUMS[name] to float32 `out` [N] at sample `start`; `number` counts the strokes."""
        key = (name, number % VARIANTS)
        if key not in self._strokes:
            drum = DRUMS[name]
            tuned = replace(drum, hz=drum.hz * self._tuning, noise_hz=drum.noise_hz * self._tuning)
            seed = (self._seed + 40_503 * (1 + list(DRUMS).index(name) * VARIANTS + key[1])) & 0xFFFFFFFF
            self._strokes[key] = strike(tuned, self._rate, seed)
        add_scaled(out, start, self._strokes[key], velocity)
