"""Pitched voices: a plucked string and a sustained tone, each added into a float32 buffer note by note.

Every kernel is causal and starts from nothing at the note's first sample, so that what a note sounds like never depends
on where the clip ends. Phases are float64 and start anew with each note: they cannot drift over a long clip.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numba import njit

TABLE = 2048  # samples in one period of a wavetable; a power of two, so that wrapping is a bit mask
BLOCK = 64  # samples between two looks at envelope and vibrato; straight lines join them


@njit(cache=True, nogil=True)
def next_noise(state: int) -> int:
    """Next state of a linear congruential generator modulo 2**32; the product stays below 2**53, so no int64 overflow.

    `state * 2**-31 - 1` is white noise in [-1, 1).
    """
    return (state * 1664525 + 1013904223) & 0xFFFFFFFF


@njit(cache=True, nogil=True)
def _string_taps(delay: float, damp: float, gain: float, taps: np.ndarray) -> None:
    """Write the six taps that delay by `delay - int(delay - 1)` samples, soften by `damp` and scale by `gain`."""
    d = delay - int(delay - 1.0)  # within [1, 2), where third-order Lagrange interpolation never amplifies
    a = -(d - 1.0) * (d - 2.0) * (d - 3.0) / 6.0
    b = d * (d - 2.0) * (d - 3.0) / 2.0
    c = -d * (d - 1.0) * (d - 3.0) / 2.0
    e = d * (d - 1.0) * (d - 2.0) / 6.0
    keep = 1.0 - 2.0 * damp
    taps[0] = gain * damp * e
    taps[1] = gain * (damp * c + keep * e)
    taps[2] = gain * (damp * b + keep * c + damp * e)
    taps[3] = gain * (damp * a + keep * b + damp * c)
    taps[4] = gain * (keep * a + damp * b)
    taps[5] = gain * damp * a


@njit(cache=True, nogil=True)
def _next_period(new: np.ndarray, old: np.ndarray, out: np.ndarray, taps: np.ndarray) -> None:
    """One trip round the string: no sample depends on another of the same trip, so this runs as vectors."""
    a, b, c, d, e, f = taps[0], taps[1], taps[2], taps[3], taps[4], taps[5]
    for i in range(len(out)):
        x = a * old[i] + b * old[i + 1] + c * old[i + 2] + d * old[i + 3] + e * old[i + 4] + f * old[i + 5]
        new[i] = x
        out[i] += x


@njit(cache=True, nogil=True)
def pluck(
    out: np.ndarray,
    start: int,
    gate: int,
    rate: float,
    hz: float,
    level: float,
    seed: int,
    ring: float,
    damp: float,
    pick: float,
    cutoff: float,
    breath: float,
    release: float,
) -> None:
    """Add one plucked string: a Karplus-Strong loop with Lagrange tuning, after Jaffe and Smith (1983).

    Args:
        out: float32 [N], added to.
        start: first sample.
        gate: samples until the string is damped.
        rate: samples per second.
        hz: pitch, below `rate / 4`.
        level: amplitude (RMS, of the first period).
        seed: state of the noise generator.
        ring: seconds until the open string has fallen by 60 dB.
        damp: loss of high partials per trip, 0 (none) to 0.25.
        pick: where the string is plucked, as a share of its length within (0, 1).
        cutoff: Hz, low-pass of the pluck.
        breath: share of noise in the pluck, 0 to 1.
        release: seconds until the damped string has fallen by 60 dB.
    """
    delay = rate / hz
    period = int(delay - 1.0)
    trip = period - 1  # samples made at once: the newest sample that a trip needs is one period less one old
    past = period + 4
    line = np.empty(past + trip, np.float32)
    smooth = 1.0 - math.exp(-2.0 * math.pi * min(cutoff, 0.45 * rate) / rate)
    x = y = mean = power = 0.0
    for i in range(-past, past):  # the first pass only settles the low-pass
        seed = next_noise(seed)
        phase = i / delay
        wave = 1.0 - pick if phase - math.floor(phase) < pick else -pick
        wave += breath * (seed * 2.0**-31 - 1.0 - wave)
        x += smooth * (wave - x)
        y += smooth * (x - y)
        if i >= 0:
            line[i] = y
            mean += y / past
            power += y * y / past
    scale = level / math.sqrt(max(power - mean * mean, 1e-9))
    for i in range(past):
        line[i] = scale * (line[i] - mean)

    taps = np.empty(6, np.float32)
    _string_taps(delay, damp, 10.0 ** (-3.0 * delay / (rate * ring)), taps)
    damped = min(len(out), start + gate)
    stop = min(len(out), start + min(gate + int(release * rate), int(1.3 * ring * rate)))
    open_string = True
    first = start
    while first < stop:
        if open_string and first >= damped:
            open_string = False
            _string_taps(delay, damp, 10.0 ** (-3.0 * delay / (rate * release)), taps)
        n = min(trip, stop - first)
        _next_period(line[past:], line[:past], out[first : first + n], taps)
        for i in range(past):
            line[i] = line[i + trip]
        first += trip


@njit(cache=True, nogil=True)
def _envelope(t: float, gate: float, attack: float, decay: float, sustain: float, release: float) -> float:
    """Loudness at `t` seconds: straight up in `attack`, down to `sustain` with time constant `decay`, then released."""
    held = min(t, gate)
    value = held / attack if held < attack else sustain + (1.0 - sustain) * math.exp((attack - held) / decay)
    return value if t <= gate else value * math.exp((gate - t) / release)


@njit(cache=True, nogil=True)
def _add_wave(
    out: np.ndarray,
    table: np.ndarray,
    phase: np.float32,
    step: np.float32,
    gain: np.float32,
    gain_step: np.float32,
    shine: np.float32,
    shine_step: np.float32,
) -> None:
    """Add a stretch of a wavetable, read with linear interpolation; gain and shine move along straight lines."""
    for i in range(len(out)):
        at = phase + step * np.float32(i)  # float32 will do within one block
        k = int(at)
        part = at - np.float32(k)
        k &= TABLE - 1
        dark = table[k, 0] + part * table[k, 1]
        extra = table[k, 2] + part * table[k, 3]
        out[i] += (gain + gain_step * np.float32(i)) * (dark + (shine + shine_step * np.float32(i)) * extra)


@njit(cache=True, nogil=True)
def tone(
    out: np.ndarray,
    start: int,
    gate: int,
    rate: float,
    hz: float,
    level: float,
    seed: int,
    table: np.ndarray,
    attack: float,
    decay: float,
    sustain: float,
    release: float,
    shine: float,
    shine_decay: float,
    shine_floor: float,
    detune: float,
    vibrato: float,
    scoop: float,
) -> None:
    """Add one sustained tone: a wavetable that moves from bright to dark, with envelope, vibrato and a second voice.

    Args:
        out: float32 [N], added to.
        start: first sample.
        gate: samples until release.
        rate: samples per second.
        hz: pitch.
        level: amplitude (RMS, at full envelope).
        seed: any integer in [0, 2**32); sets the phases.
        table: float32 [TABLE, 4], from `wavetable`.
        attack: seconds to full level.
        decay: seconds, time constant of the fall to `sustain`.
        sustain: share of the level that is held, 0 to 1.
        release: seconds, time constant after the gate.
        shine: share of the bright period at the start, 0 to 1.
        shine_decay: seconds, time constant of its fall.
        shine_floor: share of `shine` that it falls to.
        detune: semitones between the two voices; 0 means one voice.
        vibrato: depth in semitones; it grows in over the first 0.4 s.
        scoop: semitones below the pitch at which the note starts.
    """
    gate_s = gate / rate
    stop = min(len(out), start + gate + int(6.0 * release * rate))
    first_phase = seed * 2.0**-32 * TABLE
    second_phase = (seed * 7 % 4294967296) * 2.0**-32 * TABLE
    voices = 2 if detune > 0.0 else 1
    level *= 1.0 if voices == 1 else 0.7
    gain = 0.0
    glow = shine
    for first in range(start, stop, BLOCK):
        t = (first - start) / rate
        later = t + BLOCK / rate
        bend = vibrato * min(1.0, t / 0.4) * math.sin(2.0 * math.pi * (5.2 * t + first_phase / TABLE))
        bend -= scoop * math.exp(-t / 0.05)
        step = TABLE * hz / rate * 2.0 ** (bend / 12.0)
        next_gain = level * _envelope(later, gate_s, attack, decay, sustain, release)
        next_glow = shine * (shine_floor + (1.0 - shine_floor) * math.exp(-later / shine_decay))
        slope = np.float32((next_gain - gain) / BLOCK)
        fade = np.float32((next_glow - glow) / BLOCK)
        now = (np.float32(gain), slope, np.float32(glow), fade)
        here = out[first : min(first + BLOCK, stop)]
        _add_wave(here, table, np.float32(first_phase), np.float32(step), *now)
        first_phase = (first_phase + step * BLOCK) % TABLE
        if voices == 2:
            step *= 2.0 ** (detune / 12.0)
            _add_wave(here, table, np.float32(second_phase), np.float32(step), *now)
            second_phase = (second_phase + step * BLOCK) % TABLE
        gain = next_gain
        glow = next_glow


@dataclass(frozen=True, kw_only=True)
class Timbre:
    """The spectrum of a sustained sound."""

    tilt: float = 1.0  # harmonic k has amplitude k ** -tilt
    even: float = 1.0  # factor on even harmonics: 0 is a square wave or a clarinet
    stops: tuple[float, ...] = ()  # amplitudes of the first harmonics, in place of tilt (an organ's drawbars)
    formants: tuple[tuple[float, float, float], ...] = ()  # centre in Hz, width in Hz, gain
    mellow: float = 3.0  # the dark period falls by 12 dB an octave from this multiple of the pitch


@lru_cache(maxsize=512)
def wavetable(timbre: Timbre, hz: float, rate: float, brightness: float) -> np.ndarray:
    """A dark and a bright period of a tone, with no harmonic above 0.45 `rate`, laid out for one look per sample.

    Args:
        timbre: the spectrum.
        hz: the pitch that the table will be read at; formants stay where they are in Hz.
        rate: samples per second.
        brightness: about 1; larger is brighter.

    Returns:
        float32 [TABLE, 4], read-only: the dark period, its slope, bright minus dark, its slope. The RMS of the bright one is 1.
    """
    k = np.arange(1, max(2, min(TABLE // 8, int(0.45 * rate / hz) + 1)))  # [K], harmonic numbers
    amplitude: np.ndarray = np.zeros(len(k))
    if timbre.stops:
        amplitude[: len(timbre.stops)] = timbre.stops[: len(k)]
    else:
        amplitude = k ** -(timbre.tilt / brightness) * np.where(k % 2 == 0, timbre.even, 1.0)
    if timbre.formants:
        body = [gain * np.exp(-(((k * hz - centre) / width) ** 2)) for centre, width, gain in timbre.formants]
        amplitude = amplitude * (0.15 + np.sum(body, axis=0))
    amplitude /= np.sqrt(0.5 * (amplitude**2).sum())
    dark = amplitude / (1.0 + (k / (timbre.mellow * brightness)) ** 2)
    spectrum = np.zeros((2, TABLE // 2 + 1), complex)
    spectrum[:, 1 : len(k) + 1] = -0.5j * TABLE * np.stack((dark, amplitude))  # sine phases
    low, high = np.fft.irfft(spectrum, TABLE)
    extra = high - low
    table = np.stack((low, np.roll(low, -1) - low, extra, np.roll(extra, -1) - extra), axis=1).astype(np.float32)
    table.setflags(write=False)
    return table
