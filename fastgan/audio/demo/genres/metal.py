"""Metal: double bass drum, palm-muted power chords through much gain, a fast lead in dark scales."""

from fastgan.audio.demo.style import Layer, Style

METAL = Style(
    tempo=(132, 185),
    harmonies=(
        ("phrygian", "i5 i5 bII5 i5 i5 i5 bVI5 bVII5"),
        ("minor", "i5 bVI5 bVII5 i5"),
        ("harmonic", "i5 i5 iv5 V5 i5 bVI5 iv5 V5"),
        ("phrygian", "i5/bII5 i5 i5/bII5 bV5"),
    ),
    drums=(
        {"click": "XxxxXxxxXxxxXxxx", "fat": "....X.......X...", "ride": "X...X...X...X..."},
        {"click": "X.xxX.xxX.xxX.xx", "fat": "....X.......X...", "open": "x...x...x...x..."},
        {"click": "XxxxXxxxXxxxXxxx", "fat": "........X.......", "crash": "o...o...o...o..."},
        {"click": "X.x.X.x.X.x.X.x.", "fat": "..X...X...X...X.", "open": "x...x...x...x..."},
    ),
    fills=({"fat": "....X...XxXx....", "tom": "............xxxx"}, {"tom": "........xxxx....", "floor": "............xxxx"}),
    layers=(
        Layer(role="bass", instruments=("pick bass",), low=28, gain=0.5,
            patterns=("R.rrR.rrR.rrR.rr", "RrrrRrrrRrrrRrrr", "R.R.R.R.R.R.R.R."), send=0.0, drive=3.0,
            cabinet=2500, legato=0.9),
        Layer(role="chords", instruments=("power guitar",), low=40, gain=0.24,
            patterns=("XmmmXmmmXmmmXmX-", "X-mmX-mmX-mmX-X-", "X-----mmX-----mm", "mmXmmmXmmmXmX-X-"), drive=28.0,
            cabinet=4200, send=0.06, stacked=True, legato=0.9),
        Layer(role="melody", instruments=("lead guitar",), low=64, gain=0.22, drive=22.0, cabinet=4000, send=0.25,
            rest=0.3, echo=0.2),
    ),
    rhythms=("xxxxxxxxx---x---", "x-xxx-xxx-xxx-xx", "x---x---x-xxxxxx", "x-x-xxxxx-x-xxxx"),
    cadences=("x-x-x-x-x-------", "xxxxx-----------", "x---x-----------"),
    crash=0.8,
    drum_gain=0.8,
    loose=0.003,
    brightness=1.1,
    gain=0.62,
    reverb_s=0.8,
)  # fmt: skip
