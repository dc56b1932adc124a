"""The built-in corpus: ten genres of made-up music, drawn from a seed and synthesised much faster than it plays."""

import numpy as np

from fastgan.audio.demo.compose import Note, Song, draw_song, write_score
from fastgan.audio.demo.drums import Kit, add_scaled
from fastgan.audio.demo.effects import drive, echo, master, reverb
from fastgan.audio.demo.genres import STYLES
from fastgan.audio.demo.instruments import play
from fastgan.audio.demo.style import Layer

GENRES: tuple[str, ...] = tuple(STYLES)
RATES = (8_000, 48_000)  # samples per second, lowest and highest


def synthesise(genre: str, *, seed: int, index: int, seconds: float, rate: int = 22_050) -> np.ndarray:
    """Make one clip: drums, bass, chords and melody of a song that only its arguments decide.

    The same arguments give the same samples on every call, and a longer clip begins with the samples of a shorter one.

    Args:
        genre: one of GENRES.
        seed: 0 or more, the corpus.
        index: 0 or more, the song within its genre: it has its own key, tempo, harmony, melody and instruments.
        seconds: length of the clip; at least one sample.
        rate: samples per second, 8,000 to 48,000.

    Returns:
        int16 [round(seconds * rate)], mono, below full scale.

    Raises:
        ValueError: an unknown genre (names the known ones), a negative seed or index, or a length or rate out of range.
    """
    if genre not in STYLES:
        raise ValueError(f"unknown genre {genre!r}; known are {', '.join(GENRES)}")
    if seed < 0 or index < 0:
        raise ValueError(f"seed and index are {seed} and {index}, need to be 0 or more")
    if not RATES[0] <= rate <= RATES[1]:
        raise ValueError(f"rate is {rate} Hz, needs to be within {RATES[0]} to {RATES[1]} Hz")
    samples = round(seconds * rate) if np.isfinite(seconds) else 0
    if samples < 1:
        raise ValueError(f"seconds is {seconds}, needs to be finite and long enough for one sample at {rate} Hz")

    style = STYLES[genre]
    rng = np.random.default_rng([seed, GENRES.index(genre), index])
    song = draw_song(style, rng)
    noise = int(rng.integers(2**32))
    drums, *parts = write_score(style, song, rng, seconds=samples / rate)

    mix = np.zeros(samples, np.float32)
    wet = np.zeros(samples, np.float32)
    bus = np.zeros(samples, np.float32)  # one layer at a time
    _play_drums(bus, drums, song, rate, noise)
    add_scaled(mix, 0, bus, style.drum_gain)
    add_scaled(wet, 0, bus, style.drum_gain * style.drum_send)
    for layer, notes in zip(style.layers, parts, strict=True):
        bus.fill(0.0)
        _play_layer(bus, notes, layer, song, rate, noise)
        add_scaled(mix, 0, bus, layer.gain)
        add_scaled(wet, 0, bus, layer.gain * layer.send)
    reverb(mix, wet, float(rate), style.reverb_s, style.damp)
    clip = np.empty(samples, np.int16)
    master(mix, float(rate), style.gain, clip)
    return clip


def _play_drums(bus: np.ndarray, notes: list[Note], song: Song, rate: int, noise: int) -> None:
    kit = Kit(rate, tuning=song.tuning, seed=noise)
    for number, note in enumerate(notes):
        start = round(note.start * rate)
        if start < len(bus):
            kit.hit(bus, start, note.instrument, note.velocity, number)


def _play_layer(bus: np.ndarray, notes: list[Note], layer: Layer, song: Song, rate: int, noise: int) -> None:
    for number, note in enumerate(notes):
        start = round(note.start * rate)
        if start < len(bus):
            play(
                bus,
                note.instrument,
                start=start,
                gate=max(1, round(note.length * rate)),
                rate=rate,
                pitch=note.pitch,
                velocity=note.velocity,
                brightness=song.brightness,
                seed=(noise + 2_654_435_761 * number) & 0xFFFFFFFF,
            )
    if layer.drive:
        drive(bus, float(rate), layer.drive, layer.cabinet)
    if layer.echo:
        echo(bus, round(song.bar_s * 3 / 16 * rate), layer.echo)
