"""From a style and a seed to a score: one song is drawn, then written down bar by bar.

Bars are written in order and each draws its random numbers in turn, and no note is ever moved to before its bar: so a
longer clip of the same song begins with exactly the notes of a shorter one.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fastgan.audio.demo.style import Layer, Style
from fastgan.audio.demo.theory import Chord, chord_tone, ladder, parse_progression, stacked, voicing

PHRASE = 4  # bars in a phrase of melody
SECTION = 8  # bars before the next section
STEPS = (-2, -1, -1, -1, 0, 1, 1, 1, 2)  # how a melody moves along its scale: mostly to a neighbour


class Note(NamedTuple):
    """One note or drum stroke."""

    start: float  # seconds
    length: float  # seconds
    pitch: float  # MIDI number; 0 for a drum
    velocity: float  # 0 to 1
    instrument: str


class Motif(NamedTuple):
    """A bar of melody before it meets its chord: when notes come, and how far each is from the one before."""

    rhythm: str
    moves: tuple[int, ...]


@dataclass(frozen=True)
class Section:
    """What the bars of one section are made from."""

    bars: list[list[Chord]]
    scale: str
    drums: dict[str, str]
    patterns: tuple[str, ...]  # one per layer
    motifs: tuple[Motif, Motif, Motif]  # two to alternate and one to end a phrase
    form: str  # such as "aaba": which motif each bar of a phrase has


@dataclass(frozen=True)
class Song:
    """Everything that is drawn once per clip."""

    key: int  # pitch class of the tonic
    bar_s: float
    brightness: float
    tuning: float  # of the drums
    instruments: tuple[str, ...]  # one per layer
    sections: tuple[Section, Section]
    form: tuple[int, ...]  # order of the sections
    intro: int  # bars before the melody comes in


def draw_song(style: Style, rng: np.random.Generator) -> Song:
    """Draw the key, tempo, instruments, harmony, patterns and motifs of one song."""
    tempo = rng.uniform(*style.tempo)
    return Song(
        key=int(rng.integers(12)),
        bar_s=4 * 60.0 / tempo,
        brightness=float(style.brightness * rng.uniform(0.88, 1.14)),
        tuning=float(rng.uniform(0.94, 1.06)),
        instruments=tuple(_pick(rng, layer.instruments) for layer in style.layers),
        sections=(_draw_section(style, rng), _draw_section(style, rng)),
        form=_pick(rng, ((0, 0, 1, 0), (0, 1, 0, 1), (0, 1))),
        intro=_pick(rng, (0, 0, 1, 2)),
    )


def write_score(style: Style, song: Song, rng: np.random.Generator, *, seconds: float) -> list[list[Note]]:
    """Write every bar that starts within `seconds`.

    Returns:
        One list of notes for the drums, then one per layer of the style, each in the order of the bars.
    """
    score: list[list[Note]] = [[] for _ in range(1 + len(style.layers))]
    for bar in range(int(np.ceil(seconds / song.bar_s))):
        section = song.sections[song.form[bar // SECTION % len(song.form)]]
        chords = section.bars[bar % len(section.bars)]
        following = section.bars[(bar + 1) % len(section.bars)][0]
        score[0] += _drum_bar(style, song, section, bar, rng)
        for number, layer in enumerate(style.layers):
            pattern, instrument = section.patterns[number], song.instruments[number]
            if layer.role == "bass":
                notes = _bass_bar(layer, song, pattern, instrument, chords, following, rng)
            elif layer.role == "chords":
                notes = _chord_bar(layer, song, pattern, instrument, chords, rng)
            else:
                notes = _melody_bar(layer, song, section, instrument, chords, bar, rng)
            origin = bar * song.bar_s
            score[1 + number] += [
                note._replace(start=_played(origin + _swung(note.start, song.bar_s, style.swing), style, rng))
                for note in notes
            ]
    return score


def _draw_section(style: Style, rng: np.random.Generator) -> Section:
    scale, progression = _pick(rng, style.harmonies)
    motifs = tuple(_draw_motif(rng, rhythms) for rhythms in (style.rhythms, style.rhythms, style.cadences))
    return Section(
        bars=parse_progression(progression),
        scale=scale,
        drums=_pick(rng, style.drums),
        patterns=tuple(_pick(rng, layer.patterns) if layer.patterns else "" for layer in style.layers),
        motifs=(motifs[0], motifs[1], motifs[2]),
        form=_pick(rng, ("aabc", "abac", "abbc", "aaac")),
    )


def _draw_motif(rng: np.random.Generator, rhythms: tuple[str, ...]) -> Motif:
    rhythm = _pick(rng, rhythms)
    moves = [int(rng.integers(-2, 3))]
    for _ in range(rhythm.count("x") + rhythm.count("X") - 1):
        moves.append(STEPS[int(rng.integers(len(STEPS)))])
    return Motif(rhythm, tuple(moves))


def _pick(rng: np.random.Generator, options):  # type: ignore[no-untyped-def]  # any tuple, one of its items
    return options[int(rng.integers(len(options)))]


def _swung(start: float, bar_s: float, swing: float) -> float:
    """Delay every second sixteenth by `swing` of its length; a start elsewhere stays."""
    step = start / bar_s * 16.0
    odd = swing and abs(step - round(step)) < 1e-6 and round(step) % 2 == 1
    return start + swing * bar_s / 16.0 if odd else start


def _played(start: float, style: Style, rng: np.random.Generator) -> float:
    """A written start, a little late as people are; the first note of a clip is not, so that it begins with sound."""
    return start + float(rng.uniform(0.0, min(style.loose, start)))


def _onsets(pattern: str) -> list[tuple[int, int, str]]:
    """Step, length in steps and letter of every note of a pattern: "-" holds a note, "." is a rest."""
    found = []
    for step, letter in enumerate(pattern):
        if letter not in ".-":
            held = len(pattern[step + 1 :]) - len(pattern[step + 1 :].lstrip("-"))
            found.append((step, 1 + held, letter))
    return found


def _drum_bar(style: Style, song: Song, section: Section, bar: int, rng: np.random.Generator) -> list[Note]:
    fills = style.fills and bar % PHRASE == PHRASE - 1 and (bar % SECTION == SECTION - 1 or rng.random() < 0.4)
    patterns = section.drums | (_pick(rng, style.fills) if fills else {})
    notes = []
    if style.crash and bar % SECTION == 0:
        notes.append(Note(bar * song.bar_s, 0.0, 0.0, style.crash, "crash"))
    for name, pattern in patterns.items():
        for step, _, letter in _onsets(pattern):
            if letter == "?" and rng.random() < 0.6:
                continue
            velocity = {"X": 1.0, "x": 0.75, "o": 0.35, "?": 0.45}[letter] * rng.uniform(0.88, 1.0)
            start = _swung(step / len(pattern) * song.bar_s, song.bar_s, style.swing)
            notes.append(Note(_played(bar * song.bar_s + start, style, rng), 0.0, 0.0, velocity, name))
    return notes


def _bass_bar(
    layer: Layer,
    song: Song,
    pattern: str,
    instrument: str,
    chords: list[Chord],
    following: Chord,
    rng: np.random.Generator,
) -> list[Note]:
    notes: list[Note] = []
    pitch = 0
    step_s = song.bar_s / len(pattern)
    for step, held, letter in _onsets(pattern):
        number = step * len(chords) // len(pattern)
        chord = chords[number]
        after = chords[number + 1] if number + 1 < len(chords) else following
        root = layer.low + (song.key + chord.root - layer.low) % 12
        if letter in "Rr":
            pitch = root
        elif letter == "8":
            pitch = root + 12
        elif letter == "6":
            pitch = root + 9
        elif letter in "357":
            pitch = root + chord.tone(int(letter))
        elif letter == "4":
            pitch = root - 5
        elif letter == "W":  # a step of a walk: any chord tone
            pitch = _pick(
                rng,
                [root + tone for tone in (chord.tone(3), chord.tone(5), chord.tone(7), 12, 2) if root + tone != pitch],
            )
        else:  # "A" leads into the next root from a half or whole tone away
            target = layer.low + (song.key + after.root - layer.low) % 12
            pitch = target + _pick(rng, (-1, 1, -2, 2))
        velocity = (0.5 if letter == "r" else 0.85) * rng.uniform(0.92, 1.0)
        notes.append(Note(step * step_s, held * step_s * layer.legato, pitch, velocity, instrument))
    return notes


def _chord_bar(
    layer: Layer, song: Song, pattern: str, instrument: str, chords: list[Chord], rng: np.random.Generator
) -> list[Note]:
    notes = []
    step_s = song.bar_s / len(pattern)
    spread = stacked if layer.stacked else voicing
    for step, held, letter in _onsets(pattern):
        tones = spread(chords[step * len(chords) // len(pattern)], song.key, layer.low)
        played, velocity, name = tones, 0.7, instrument
        if letter.isdigit():  # one string of an arpeggio; beyond the chord it goes on an octave up
            octave, tone = divmod(int(letter), len(tones))
            played = [tones[tone] + 12 * octave]
        elif letter == "X":
            velocity = 0.95
        elif letter == "u":  # an up-stroke catches the upper strings, from the top
            played, velocity = tones[:0:-1], 0.5
        elif letter == "m":
            played, velocity, name = tones[:2], 0.8, "palm mute"
        velocity *= rng.uniform(0.9, 1.0)
        for string, pitch in enumerate(played):
            delay = string * layer.strum
            notes.append(Note(step * step_s + delay, held * step_s * layer.legato, pitch, velocity, name))
    return notes


def _melody_bar(
    layer: Layer, song: Song, section: Section, instrument: str, chords: list[Chord], bar: int, rng: np.random.Generator
) -> list[Note]:
    place = bar % PHRASE
    if bar < song.intro or (layer.rest and bar // PHRASE % 2 == 1 and rng.random() < layer.rest):
        return []
    motif = section.motifs["abc".index(section.form[place])]
    scale = ladder(section.scale, song.key, layer.low, layer.low + 19)
    position = len(scale) // 2 + (bar // PHRASE % 2)  # an answering phrase lies a step higher
    step_s = song.bar_s / len(motif.rhythm)
    beat = len(motif.rhythm) // 4
    notes = []
    onsets = _onsets(motif.rhythm)
    pitch = 0
    for number, ((step, held, _), move) in enumerate(zip(onsets, motif.moves, strict=True)):
        if bar >= SECTION and rng.random() < 0.1:  # repeats are not quite alike
            move += _pick(rng, (-1, 1))
        before, way = pitch, 1 if move >= 0 else -1
        position += move
        if not 0 <= position < len(scale):  # turn round at the ends of the register
            position, way = position - 2 * move, -way
        position = min(max(position, 0), len(scale) - 1)
        pitch = scale[position]
        strong = step % beat == 0
        ends = place == PHRASE - 1 and number == len(onsets) - 1
        if strong or ends:
            chord = chords[step * len(chords) // len(motif.rhythm)]
            pitch = chord_tone(pitch, chord, song.key, avoid=before if move else 0)
        elif pitch == before and move and 0 <= position + way < len(scale):
            pitch = scale[position + way]
        velocity = (0.9 if strong else 0.75) * rng.uniform(0.9, 1.0)
        notes.append(Note(step * step_s, held * step_s * layer.legato, pitch, velocity, instrument))
    return notes
