"""Sets of clips whose worth is known, made from real ones: they say what a distance of a generated set means.

Each anchor has a clip for each real one, of the same length. Some keep the real sound and spoil one thing (its order, its
direction, its variety); the others hold no music at all.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from fastgan.audio.health import SILENCE
from fastgan.audio.long_term import bin_hz, long_term
from fastgan.audio.scale import FULL_SCALE

TONE_HZ = 440.0
FRAME_S, FADE_S = (
    0.05,
    0.005,
)  # what is shuffled: shorter than most notes; and a fade too short to hear, without a click
LEVEL = (
    0.05  # -26 dBFS, as speech is measured at (ITU-T P.56 and P.810): leaves room for a crest factor of 20, or 26 dB
)

Samples = NDArray[np.int16]
Clips = Sequence[Samples]


def anchors(clips: Clips, rate: int, seed: int = 0) -> dict[str, list[Samples]]:
    """All anchors of some real clips.

    Args:
        clips: int16 [N] each, of any lengths.
        rate: Hz.
        seed: of noise, order and choice; the same seed gives the same samples.

    Returns:
        By name, as many clips as were given, each as long as its real one. Those without music are as loud as the real set.

    Raises:
        ValueError: there is no clip, or nothing is heard in them.
    """
    return {name: make(clips, rate, seed) for name, make in ANCHORS.items()}


def level(samples: Samples, rms: float = LEVEL) -> Samples:
    """Bring a sound [N] to a root mean square (without its mean, 0 to 1 of full scale), without clipping it.

    One gain for all samples: the shape stays. Where that gain would push a peak over full scale, the largest one that does not
    is taken, so the sound stays quieter than asked. What is too weak to hear (below -60 dBFS) comes back as it is: a gain would
    turn rounding into noise, and hide that it is silent.
    """
    now = _rms([samples])
    if now < SILENCE:
        return samples.copy()
    highest = (FULL_SCALE - 1) / np.abs(samples.astype(np.int32)).max()
    return np.rint(samples * min(rms / now, highest)).astype(np.int16)


def shaped_noise(clips: Clips, rate: int, seed: int) -> list[Samples]:
    """Stationary Gaussian noise with the mean power spectrum of the clips, each clip counted alike whatever its loudness.

    The spectrum is that of `fastgan.audio.long_term`, with bins of about 5 Hz, interpolated. It has the timbre of the style
    on average and no beats; where the mean of few clips has lines, bands of noise as narrow as they are still sound like notes.
    """
    spectra = [power / power.sum() for clip in clips if (power := long_term(clip, rate)) is not None]
    if not spectra:
        raise ValueError(f"none of {len(clips)} clips has a spectrum: they stand still or are shorter than 0.2 s")
    shape = np.mean(spectra, axis=0)
    rms = _loudness(clips)

    def make(length: int, random: np.random.Generator) -> Samples:
        count = fft.next_fast_len(length, real=True)
        gain = np.sqrt(np.interp(np.fft.rfftfreq(count, 1 / rate), bin_hz(rate), shape))
        return _scaled(fft.irfft(fft.rfft(random.standard_normal(count)) * gain, count)[:length], rms)

    return _each(clips, seed, make)


def white_noise(clips: Clips, rate: int, seed: int) -> list[Samples]:
    """Gaussian noise, equally strong at all frequencies."""
    rms = _loudness(clips)
    return _each(clips, seed, lambda length, random: _scaled(random.standard_normal(length), rms))


def tone(clips: Clips, rate: int, seed: int) -> list[Samples]:
    """A sine of 440 Hz, the same in all clips."""
    rms = _loudness(clips)

    def make(length: int, _: np.random.Generator) -> Samples:
        return _scaled(np.sin(2 * np.pi * TONE_HZ / rate * np.arange(length)), rms)

    return _each(clips, seed, make)


def silence(clips: Clips, rate: int, seed: int) -> list[Samples]:
    """Nothing but zeros."""
    return _each(clips, seed, lambda length, _: np.zeros(length, np.int16))


def shuffled(clips: Clips, rate: int, seed: int) -> list[Samples]:
    """The clips with their frames of 50 ms in random order: every sound is there, and no course of events.

    Each frame fades over 5 ms out of what followed the frame before it (its clip's start, after the last one). Fades are
    linear, so they stay between the two sounds and cannot clip. What is left at the end, less than a frame, stays there.
    """
    frame, fade = round(FRAME_S * rate), round(FADE_S * rate)
    ramp = np.arange(1, fade + 1) / (fade + 1)

    def shuffle(clip: Samples, random: np.random.Generator) -> Samples:
        whole = len(clip) // frame * frame
        order = random.permutation(whole // frame)
        out = clip.copy()
        if len(order) < 2:
            return out
        frames = clip[:whole].reshape(-1, frame)
        mixed = frames[order].astype(np.float64)
        follows = np.roll(frames, -1, axis=0)[order[:-1], :fade]
        mixed[1:, :fade] = (1 - ramp) * follows + ramp * mixed[1:, :fade]
        out[:whole] = np.rint(mixed).astype(np.int16).reshape(-1)
        return out

    return [shuffle(clip, random) for clip, random in zip(clips, _randoms(clips, seed), strict=True)]


def reversed_in_time(clips: Clips, rate: int, seed: int) -> list[Samples]:
    """The clips backwards: the same spectrum and notes, with notes that swell and break off."""
    return [clip[::-1].copy() for clip in clips]


def copied(clips: Clips, rate: int, seed: int) -> list[Samples]:
    """One of the clips, again and again, repeated or cut to the length of each: real sound without variety."""
    heard = [clip for clip in clips if _rms([clip]) >= SILENCE]
    if not heard:
        raise ValueError(_UNHEARD.format(len(clips)))
    chosen = heard[np.random.default_rng(seed).integers(len(heard))]
    return [np.resize(chosen, len(clip)) for clip in clips]


ANCHORS: dict[str, Callable[[Clips, int, int], list[Samples]]] = {
    "reversed": reversed_in_time,
    "shuffled": shuffled,
    "one clip copied": copied,
    "shaped noise": shaped_noise,
    "white noise": white_noise,
    "440 Hz tone": tone,
    "silence": silence,
}

_UNHEARD = "nothing is heard in the {} clips, so no anchor can be made from them; give it music"


def _each(clips: Clips, seed: int, make: Callable[[int, np.random.Generator], Samples]) -> list[Samples]:
    return [make(len(clip), random) for clip, random in zip(clips, _randoms(clips, seed), strict=True)]


def _randoms(clips: Clips, seed: int) -> list[np.random.Generator]:
    """A generator for each clip, so that a clip's noise does not depend on the lengths of those before it."""
    return [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(len(clips))]


def _loudness(clips: Clips) -> float:
    """Root mean square of a whole set."""
    rms = _rms(clips)
    if rms < SILENCE:
        raise ValueError(_UNHEARD.format(len(clips)))
    return rms


def _rms(clips: Clips) -> float:
    """Of all samples of the clips, each clip without its mean, 0 to 1 of full scale; 0 for none."""
    count = sum(len(clip) for clip in clips)
    energy = sum(float(np.square(clip - clip.mean(dtype=np.float64)).sum()) for clip in clips if len(clip))
    return math.sqrt(energy / count) / FULL_SCALE if count else 0.0


def _scaled(sound: NDArray[np.float64], rms: float) -> Samples:
    """A sound [N] at a root mean square, quieter where its peak would leave the scale."""
    if not len(sound):
        return np.zeros(0, np.int16)
    gain = min(rms * FULL_SCALE / sound.std(), (FULL_SCALE - 1) / np.abs(sound).max())
    return np.rint(sound * gain).astype(np.int16)
