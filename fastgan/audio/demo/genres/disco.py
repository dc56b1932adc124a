"""Disco: four on the floor with open hats between, octaves in the bass, strings in stabs and long lines."""

from fastgan.audio.demo.style import Layer, Style

DISCO = Style(
    tempo=(112, 130),
    harmonies=(
        ("dorian", "i7 i7 IV7 IV7"),
        ("minor", "i7 bVII bVImaj7 V7"),
        ("minor", "i7 iv7 bVII7 bIIImaj7 bVImaj7 iim7b5 V7 V7"),
        ("dorian", "ii7 V7 ii7 V7 Imaj7 vi7 ii7 V7"),
    ),
    drums=(
        {"kick": "X...X...X...X...", "clap": "....X.......X...", "open": "..X...X...X...X.", "hat": "xo.oxo.oxo.oxo.o"},
        {"kick": "X...X...X...X...", "snare": "....X.......X..o", "open": "..X...X...X...X.", "shaker": "xoxoxoxoxoxoxoxo"},
    ),
    fills=({"snare": "....X.....xxXxXX"}, {"tom": "........x.xxx...", "floor": "............x.xx"}),
    layers=(
        Layer(role="bass", instruments=("octave bass", "synth bass"), low=31, gain=0.66,
            patterns=("R.8.R.8.R.8.R.8.", "R.8.R.8.R.8.5.7.", "R.R8..R8R.R8..78"), send=0.02, legato=0.8),
        Layer(role="chords", instruments=("funk guitar", "electric piano"), low=57, gain=0.36,
            patterns=("..xx..x...xx..x.", "x.xx.xx.x.xx.xx.", "..x...x...x..xx."), legato=0.6, strum=0.004),
        Layer(role="chords", instruments=("disco strings",), low=64, gain=0.36,
            patterns=("x---------------", "X-..........x-x-", "......X-..X-----"), send=0.35),
        Layer(role="melody", instruments=("disco strings", "brass", "synth lead"), low=67, gain=0.6, send=0.3,
            rest=0.4),
    ),
    rhythms=("x--x--x-x-x-....", "..x-x-x--x--x---", "x-x-..x-x-x-..x-", "x--x--x---x-x---"),
    cadences=("x--x--x---------", "x-x-x-----......"),
    crash=0.5,
    drum_gain=0.55,
    brightness=1.1,
    gain=0.85,
)  # fmt: skip
