"""Scales, chords and progressions, in semitones above the tonic."""

import re
from typing import NamedTuple

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic": (0, 2, 3, 5, 7, 8, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "pentatonic": (0, 2, 4, 7, 9),
    "minor pentatonic": (0, 3, 5, 7, 10),
    "blues": (0, 3, 5, 6, 7, 10),
    "bebop": (0, 2, 4, 5, 7, 9, 10, 11),
}

QUALITIES = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "5": (0, 7, 12),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "9": (0, 4, 7, 10, 14),
    "m7": (0, 3, 7, 10),
    "m9": (0, 3, 7, 10, 14),
    "m7b5": (0, 3, 6, 10),
    "dim": (0, 3, 6),
}

_NUMERALS = {"I": 0, "II": 2, "III": 4, "IV": 5, "V": 7, "VI": 9, "VII": 11}
_SYMBOL = re.compile(r"([b#]?)([IV]+|[iv]+)(\w*)")


class Chord(NamedTuple):
    """A chord: its root in semitones above the tonic, and its tones in semitones above the root, ascending."""

    root: int
    tones: tuple[int, ...]

    def tone(self, number: int) -> int:
        """Semitones from the root to the 3rd, 5th or 7th (`number`); a perfect fifth or minor seventh if it has none."""
        near = {3: (3, 4, 5), 5: (6, 7, 8), 7: (9, 10, 11)}[number]
        usual = {3: 7, 5: 7, 7: 10}[number]
        return next((tone for tone in self.tones if tone in near), usual)


def parse_chord(symbol: str) -> Chord:
    """Read a Roman numeral: "I", "ii7" (lower case is minor), "bVII", "Imaj7", "iim7b5", "V9", "i5".

    Raises:
        ValueError: the symbol is not of that form.
    """
    match = _SYMBOL.fullmatch(symbol)
    if match is None or match[2].upper() not in _NUMERALS:
        raise ValueError(f"{symbol!r} is not a chord; write a Roman numeral such as 'I', 'ii7' or 'bVIImaj7'")
    accidental, numeral, quality = match.groups()
    if numeral.islower() and quality in ("", "7", "9"):
        quality = "m" + quality
    if quality not in QUALITIES:
        raise ValueError(
            f"{symbol!r} has the unknown quality {quality!r}; known are {', '.join(filter(None, QUALITIES))}"
        )
    root = _NUMERALS[numeral.upper()] + {"": 0, "b": -1, "#": 1}[accidental]
    return Chord(root % 12, QUALITIES[quality])


def parse_progression(text: str) -> list[list[Chord]]:
    """Read bars parted by spaces, each of one chord or several of equal length parted by "/"."""
    return [[parse_chord(symbol) for symbol in bar.split("/")] for bar in text.split()]


def voicing(chord: Chord, key: int, low: int) -> list[int]:
    """MIDI pitches of a chord in close position, each tone at its lowest place from `low` on: smooth from chord to chord."""
    return sorted({low + (key + chord.root + tone - low) % 12 for tone in chord.tones})


def stacked(chord: Chord, key: int, low: int) -> list[int]:
    """MIDI pitches of a chord in root position, with the root in the octave from `low` on (power chords, open guitar)."""
    root = low + (key + chord.root - low) % 12
    return [root + tone for tone in chord.tones]


def ladder(scale: str, key: int, low: int, high: int) -> list[int]:
    """All MIDI pitches of a scale within [low, high], ascending."""
    return [pitch for pitch in range(low, high + 1) if (pitch - key) % 12 in SCALES[scale]]


def chord_tone(pitch: int, chord: Chord, key: int, *, avoid: int) -> int:
    """The chord tone nearest to a MIDI pitch, the lower one of two, but never `avoid`."""
    wanted = {(key + chord.root + tone) % 12 for tone in chord.tones}
    shifts = sorted(range(-12, 13), key=lambda shift: (abs(shift), shift))
    return next(pitch + shift for shift in shifts if (pitch + shift) % 12 in wanted and pitch + shift != avoid)
