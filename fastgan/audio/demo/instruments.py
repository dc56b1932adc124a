"""The instruments, one table row each, and how one of their notes is played into a buffer."""

from dataclasses import dataclass

import numpy as np

from fastgan.audio.demo.voices import Timbre, pluck, tone, wavetable


@dataclass(frozen=True, kw_only=True)
class Plucked:
    """A plucked or struck string; the fields are those of `voices.pluck`."""

    level: float
    ring: float
    damp: float = 0.1
    pick: float = 0.2
    cutoff: float = 3000.0
    breath: float = 0.2
    release: float = 0.12


@dataclass(frozen=True, kw_only=True)
class Sustained:
    """A tone from a wavetable; the fields are those of `voices.tone`."""

    level: float
    timbre: Timbre
    attack: float = 0.005
    decay: float = 1.0
    sustain: float = 0.8
    release: float = 0.06
    shine: float = 1.0
    shine_decay: float = 0.3
    shine_floor: float = 0.5
    detune: float = 0.0
    vibrato: float = 0.0
    scoop: float = 0.0


_SAW = Timbre(tilt=1.0)
_VIOLIN = Timbre(tilt=1.1, formants=((500, 300, 1.0), (1100, 500, 0.8), (2700, 900, 0.9)), mellow=6)
_REED = Timbre(tilt=0.8, formants=((650, 350, 1.0), (1450, 500, 0.8), (2900, 700, 0.4)), mellow=4)
_PIANO = Timbre(tilt=1.35, mellow=2.2)

INSTRUMENTS: dict[str, Plucked | Sustained] = {
    # bass
    "upright bass": Plucked(level=0.5, ring=1.6, damp=0.17, pick=0.3, cutoff=900, breath=0.25, release=0.12),
    "finger bass": Plucked(level=0.4, ring=3.0, damp=0.12, pick=0.22, cutoff=1300, breath=0.15, release=0.08),
    "pick bass": Plucked(level=0.36, ring=4.0, damp=0.06, pick=0.12, cutoff=2400, breath=0.15, release=0.06),
    "dub bass": Sustained(level=0.5, timbre=Timbre(tilt=2.2, mellow=2), decay=0.6, sustain=0.6, release=0.05,
        shine_floor=0.2),
    "sub bass": Sustained(level=0.5, timbre=Timbre(tilt=3.0), decay=0.8, sustain=0.7, release=0.08, scoop=0.6),
    "synth bass": Sustained(level=0.42, timbre=_SAW, decay=0.25, sustain=0.55, release=0.03, shine_decay=0.09,
        shine_floor=0.25),
    "octave bass": Plucked(level=0.42, ring=2.2, damp=0.05, pick=0.12, cutoff=2200, breath=0.2, release=0.05),
    "cello": Sustained(level=0.3, timbre=_VIOLIN, attack=0.09, release=0.12, shine=0.7, vibrato=0.12),
    # strings that are plucked
    "clean guitar": Plucked(level=0.28, ring=2.6, damp=0.06, pick=0.17, cutoff=3200, release=0.15),
    "steel guitar": Plucked(level=0.26, ring=3.2, damp=0.03, pick=0.12, cutoff=5200, release=0.2),
    "banjo": Plucked(level=0.4, ring=0.9, damp=0.04, pick=0.08, cutoff=6500, breath=0.3, release=0.2),
    "skank guitar": Plucked(level=0.34, ring=1.2, damp=0.07, pick=0.1, cutoff=4200, breath=0.3, release=0.03),
    "funk guitar": Plucked(level=0.32, ring=1.2, damp=0.03, pick=0.07, cutoff=6000, breath=0.3, release=0.03),
    "harpsichord": Plucked(level=0.32, ring=2.4, damp=0.015, pick=0.07, cutoff=8000, breath=0.1, release=0.12),
    "harp": Plucked(level=0.3, ring=3.0, damp=0.1, pick=0.4, cutoff=2600, breath=0.05, release=0.6),
    "power guitar": Plucked(level=0.5, ring=5.0, damp=0.04, pick=0.12, cutoff=3800, breath=0.1, release=0.05),
    "palm mute": Plucked(level=0.6, ring=0.45, damp=0.14, pick=0.12, cutoff=2600, breath=0.15, release=0.03),
    # keys
    "piano": Sustained(level=0.3, timbre=_PIANO, attack=0.003, decay=0.8, sustain=0.05, release=0.12,
        shine_decay=0.25, shine_floor=0.15, detune=0.012),
    "electric piano": Sustained(level=0.3, timbre=Timbre(stops=(1, 0.25, 0.1, 0.18, 0.05, 0, 0.12, 0.1), mellow=1.2),
        decay=1.2, sustain=0.15, release=0.06, shine_decay=0.18, shine_floor=0.2, detune=0.06),
    "organ": Sustained(level=0.2, timbre=Timbre(stops=(1, 0.9, 0.6, 0.5, 0, 0.3, 0, 0.35), mellow=9), sustain=1.0,
        release=0.03, detune=0.05, vibrato=0.06),
    "bubble organ": Sustained(level=0.24, timbre=Timbre(stops=(1, 0.8, 0.7, 0.3), mellow=9), decay=0.1, sustain=0.5,
        release=0.02),
    # pads and stabs
    "strings": Sustained(level=0.2, timbre=_VIOLIN, attack=0.25, release=0.3, shine=0.6, shine_floor=0.9, detune=0.13,
        vibrato=0.1),
    "disco strings": Sustained(level=0.24, timbre=Timbre(tilt=0.85, mellow=6), attack=0.05, release=0.12,
        shine_floor=0.9, detune=0.15, vibrato=0.12),
    "synth pad": Sustained(level=0.22, timbre=_SAW, attack=0.06, release=0.25, shine=0.5, shine_decay=0.8,
        shine_floor=0.5, detune=0.16),
    "brass": Sustained(level=0.26, timbre=Timbre(tilt=0.7, formants=((900, 900, 1.0), (2200, 900, 0.5)), mellow=2),
        attack=0.035, release=0.06, shine_decay=0.5, shine_floor=0.6, detune=0.08),
    # melody
    "flute": Sustained(level=0.32, timbre=Timbre(stops=(1, 0.35, 0.12, 0.05), mellow=3), attack=0.06, release=0.1,
        vibrato=0.2),
    "oboe": Sustained(level=0.28, timbre=Timbre(tilt=0.5, formants=((1100, 450, 1.0), (2700, 600, 0.5))), attack=0.04,
        release=0.08, vibrato=0.15),
    "violin": Sustained(level=0.3, timbre=_VIOLIN, attack=0.07, release=0.12, shine_floor=0.8, vibrato=0.28),
    "fiddle": Sustained(level=0.34, timbre=_VIOLIN, attack=0.03, release=0.06, shine_floor=0.9, vibrato=0.2,
        scoop=0.7),
    "saxophone": Sustained(level=0.34, timbre=_REED, attack=0.03, release=0.07, shine_decay=0.6, shine_floor=0.6,
        vibrato=0.22, scoop=0.8),
    "trumpet": Sustained(level=0.3, timbre=Timbre(tilt=0.6, formants=((1200, 900, 1.0), (2600, 1000, 0.5)), mellow=2),
        attack=0.025, release=0.06, shine_decay=0.7, shine_floor=0.6, vibrato=0.12),
    "harmonica": Sustained(level=0.3,
        timbre=Timbre(tilt=0.6, even=0.7, formants=((900, 500, 1.0), (2400, 800, 0.7)), mellow=4), attack=0.04,
        release=0.06, vibrato=0.3, scoop=1.0, detune=0.06),
    "melodica": Sustained(level=0.3, timbre=Timbre(tilt=0.7, even=0.5, mellow=5), attack=0.03, release=0.06,
        vibrato=0.15, detune=0.04),
    "twang guitar": Plucked(level=0.45, ring=2.6, damp=0.02, pick=0.1, cutoff=5500, release=0.15),
    "pedal steel": Sustained(level=0.3, timbre=Timbre(tilt=1.3, mellow=3), attack=0.02, decay=2.0, sustain=0.5,
        release=0.2, vibrato=0.22, scoop=2.0),
    "lead guitar": Sustained(level=0.4, timbre=Timbre(tilt=1.1, mellow=4), attack=0.006, decay=1.5, sustain=0.6,
        release=0.05, vibrato=0.3, scoop=0.9),
    "synth lead": Sustained(level=0.28, timbre=Timbre(tilt=0.9, even=0.6, mellow=5), attack=0.008, release=0.08,
        shine_decay=0.2, shine_floor=0.6, detune=0.1, vibrato=0.12),
    "bells": Sustained(level=0.3, timbre=Timbre(stops=(1, 0, 0, 0.5, 0, 0, 0, 0.2, 0, 0.12), mellow=1.5),
        attack=0.002, decay=0.5, sustain=0.0, release=0.3, shine_decay=0.15, shine_floor=0.1),
    "kalimba": Plucked(level=0.6, ring=0.8, damp=0.12, pick=0.45, cutoff=2400, breath=0.1, release=0.3),
}  # fmt: skip


def play(
    out: np.ndarray,
    name: str,
    *,
    start: int,
    gate: int,
    rate: int,
    pitch: float,
    velocity: float,
    brightness: float,
    seed: int,
) -> None:
    """Add one note to a buffer.

    Args:
        out: float32 [N], added to.
        name: a key of INSTRUMENTS.
        start: first sample.
        gate: samples until it is let go.
        rate: samples per second.
        pitch: MIDI number (69 is 440 Hz); taken down by octaves where `rate` cannot hold it.
        velocity: 0 to 1; a harder note is louder and brighter.
        brightness: factor about 1 on what makes the sound bright.
        seed: integer in [0, 2**32) for what is random in a note.
    """
    instrument = INSTRUMENTS[name]
    hz = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
    while hz > rate / 5.0:
        hz /= 2.0
    level = instrument.level * velocity
    if isinstance(instrument, Plucked):
        cutoff = instrument.cutoff * brightness * (0.5 + 0.6 * velocity)
        pluck(
            out, start, gate, float(rate), hz, level, seed, instrument.ring, instrument.damp, instrument.pick,
            cutoff, instrument.breath, instrument.release,
        )  # fmt: skip
        return
    tone(
        out, start, gate, float(rate), hz, level, seed, wavetable(instrument.timbre, hz, rate, brightness),
        instrument.attack, instrument.decay, instrument.sustain, instrument.release,
        instrument.shine * (0.4 + 0.6 * velocity), instrument.shine_decay, instrument.shine_floor,
        instrument.detune, instrument.vibrato, instrument.scoop,
    )  # fmt: skip
