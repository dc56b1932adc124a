"""What a genre is made of: the style of its songs and the layers of its band.

Patterns are one bar of 4/4 each, in as many equal steps as they have letters: 16 for straight time, 12 for triplets
(a shuffle). "." is a rest and "-" holds the note before it. The other letters:
    drums   X accent, x normal, o soft, ? soft and now and then
    bass    R root, r soft root, 3 5 6 7 that tone of the chord, 4 the fifth below, 8 octave, W walk, A lead into the next root
    chords  x all tones, X accented, u up-stroke, m palm-muted, 0 to 9 single tones from the lowest up
    melody  x a note
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One instrument of the band, with how it plays and how it is mixed."""

    role: str  # "bass", "chords" or "melody"
    instruments: tuple[str, ...]  # one is drawn per song
    low: int  # lowest MIDI pitch of its register
    gain: float
    patterns: tuple[str, ...] = ()  # one is drawn per section; a melody draws motifs instead
    send: float = 0.15  # share that goes to the reverb
    drive: float = 0.0  # gain into the overdrive; 0 is clean
    cabinet: float = 4500.0  # Hz, loudspeaker of the overdrive
    legato: float = 0.95  # share of its time that a note sounds
    strum: float = 0.0  # seconds from string to string
    stacked: bool = False  # chords in root position
    echo: float = 0.0  # feedback of an echo of three sixteenths
    rest: float = 0.0  # chance that a bar of an answering phrase is silent


@dataclass(frozen=True, kw_only=True)
class Style:
    """What songs of one genre have in common."""

    tempo: tuple[float, float]  # beats per minute
    harmonies: tuple[tuple[str, str], ...]  # scale of the melody, chords
    drums: tuple[dict[str, str], ...]
    layers: tuple[Layer, ...]
    rhythms: tuple[str, ...]  # bars of melody
    cadences: tuple[str, ...]  # bars that end a phrase: they breathe
    fills: tuple[dict[str, str], ...] = ()
    drum_gain: float = 0.5
    drum_send: float = 0.1
    crash: float = 0.0  # velocity of the cymbal that opens a section
    swing: float = 0.0  # delay of every second sixteenth, as a share of its length
    loose: float = 0.006  # seconds that a player may be late
    brightness: float = 1.0
    reverb_s: float = 1.2
    damp: float = 0.4  # loss of highs in the reverb
    gain: float = 1.0  # of the whole mix
