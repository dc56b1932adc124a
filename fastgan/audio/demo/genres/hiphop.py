"""Hip-hop: a slow boom-bap that drags its sixteenths, a sub bass, few electric piano chords, bells."""

from fastgan.audio.demo.style import Layer, Style

HIPHOP = Style(
    tempo=(78, 97),
    harmonies=(
        ("minor pentatonic", "i7 bVImaj7 i7 bVImaj7"),
        ("minor pentatonic", "i9 iv9 i9 V7"),
        ("minor", "i7 i7 bVImaj7 bVII"),
        ("dorian", "i9 IV7 i9 IV7"),
    ),
    drums=(
        {"boom": "X.....o.x.x.....", "fat": "....X.......X..o", "hat": "x.x.x.x.x.xox.x."},
        {"boom": "X..x......xx....", "fat": "....X..o....X...", "hat": "x.xxx.x.x.xxx.x."},
        {"boom": "X......x..x...o.", "clap": "....X.......X...", "fat": "....x.......x...", "hat": "xoxoxoxxxoxoxxxx"},
    ),
    fills=({"fat": "....X.......X.xx"}, {"boom": "X..x..x.........", "hat": "x.x.x.x.x.......", "open": "..............x."}),
    layers=(
        Layer(role="bass", instruments=("sub bass",), low=28, gain=0.6,
            patterns=("R-----..R-R-....", "R--R......R-5-..", "R-------..R-7-5-"), send=0.0),
        Layer(role="chords", instruments=("electric piano", "piano"), low=55, gain=0.58,
            patterns=("x-----------....", "x-----..x---....", "....x-----..x-.."), send=0.25),
        Layer(role="melody", instruments=("bells", "kalimba", "flute"), low=67, gain=0.62, send=0.4, echo=0.35,
            rest=0.2),
    ),
    rhythms=("x--x--x-....x---", "..x---x-x-------", "x---..x--x-.....", "....x-x-x--x----"),
    cadences=("x-----------....", "x--x----........", "....x-x-x-------"),
    drum_gain=0.65,
    drum_send=0.08,
    swing=0.28,
    loose=0.009,
    brightness=0.75,
    gain=0.85,
    reverb_s=1.0,
    damp=0.6,
)  # fmt: skip
