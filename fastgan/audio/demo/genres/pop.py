"""Pop: the four chords in synthesiser pads and broken chords, a bright lead, claps."""

from fastgan.audio.demo.style import Layer, Style

POP = Style(
    tempo=(98, 126),
    harmonies=(
        ("pentatonic", "I V vi IV"),
        ("major", "vi IV I V"),
        ("pentatonic", "I vi IV V"),
        ("major", "IV I V vi"),
    ),
    drums=(
        {"kick": "X.....x.X.......", "clap": "....X.......X...", "hat": "x.x.x.x.x.x.x.x."},
        {"kick": "X...X...X...X...", "clap": "....X.......X...", "hat": "xoxoxoxoxoxoxoxo"},
        {"kick": "X..x..x...x.....", "snare": "....X.......X...", "shaker": "xoxoxoxoxoxoxoxo"},
    ),
    fills=({"clap": "....X.......X.XX"}, {"snare": "....X...x.x.xxxx"}),
    layers=(
        Layer(role="bass", instruments=("synth bass",), low=31, gain=0.62,
            patterns=("R.R.R.R.R.R.R.R.", "R--R--R-R--R--R-", "R-----R-R---R-5-"), send=0.02, legato=0.85),
        Layer(role="chords", instruments=("synth pad",), low=55, gain=0.42,
            patterns=("x---------------", "x--x--x---x-x---"), send=0.3),
        Layer(role="chords", instruments=("electric piano", "kalimba", "clean guitar"), low=64, gain=0.6,
            patterns=("0.1.2.1.0.1.2.3.", "0..1..2.0..1..2.", "..0.2.1...0.2.3."), send=0.3, legato=1.2,
            echo=0.25),
        Layer(role="melody", instruments=("synth lead",), low=67, gain=0.42, send=0.3, echo=0.2, rest=0.15),
    ),
    rhythms=("x-x-x--x--x-x---", "..x-x-x-x--x----", "x--x--x-x-x-x---", "x-x-x-x---x-x-x-"),
    cadences=("x--x--x---------", "x-x-x-------....", "x-------x-----.."),
    crash=0.5,
    drum_gain=0.6,
    loose=0.002,
    brightness=1.15,
    gain=0.85,
)  # fmt: skip
