"""Reggae: the one drop on beat three, chops between the beats, and a bass that carries the tune."""

from fastgan.audio.demo.style import Layer, Style

REGGAE = Style(
    tempo=(66, 86),
    harmonies=(
        ("mixolydian", "I bVII I bVII"),
        ("minor pentatonic", "i7 iv7 i7 iv7"),
        ("major", "I IV I V"),
        ("minor", "i bVII bVI bVII"),
        ("pentatonic", "I ii IV I"),
    ),
    drums=(
        {"kick": "........X.......", "rim": "........X.......", "hat": "x.oxx.oxx.oxx.ox"},
        {"kick": "........X.......", "snare": "........X.....o.", "hat": "o.x.o.x.o.x.o.x."},
        {"kick": "x...x...X...x...", "rim": "........X..o....", "hat": "o.x.o.xoo.x.o.x."},
    ),
    fills=({"tom": "..........x.xx..", "floor": "..............xx"}, {"snare": "........X..x.x.x"}),
    layers=(
        Layer(role="bass", instruments=("dub bass",), low=28, gain=0.7,
            patterns=("R-.R5---..R-7-5-", "..R-R-5-R---....", "R---3-5-..5-3-R-", "....R-R-5---R-.."), send=0.0,
            legato=0.9),
        Layer(role="chords", instruments=("skank guitar",), low=57, gain=0.55,
            patterns=("..X...X...X...X.", "..X...X...X...Xx"), strum=0.004, legato=0.7, send=0.2),
        Layer(role="chords", instruments=("bubble organ",), low=57, gain=0.62,
            patterns=(".xx..xx..xx..xx.", "..xx..x...xx..x."), legato=0.6, send=0.15),
        Layer(role="melody", instruments=("melodica", "brass", "organ"), low=62, gain=0.62, send=0.3, echo=0.4,
            rest=0.5),
    ),
    rhythms=("x-x-x---..x-x---", "..x-x-x-x-......", "x---x-x-x-------", "....x-x-x-x-x---"),
    cadences=("x---x-----......", "x-x-x-----......", "x-------........"),
    swing=0.12,
    loose=0.008,
    drum_gain=0.75,
    drum_send=0.2,
    brightness=0.85,
    gain=0.85,
    reverb_s=1.5,
)  # fmt: skip
