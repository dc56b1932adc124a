"""Jazz: swing on the ride cymbal, a walking bass, ii-V-I in seventh chords, a horn that plays in eighths."""

from fastgan.audio.demo.style import Layer, Style

JAZZ = Style(
    tempo=(118, 190),
    harmonies=(
        ("bebop", "ii7 V7 Imaj7 Imaj7 ii7 V7 Imaj7 VI7"),
        ("bebop", "Imaj7/VI7 ii7/V7 Imaj7/VI7 ii7/V7 I7 IVmaj7 ii7/V7 Imaj7/V7"),
        ("harmonic", "iv7 bVII7 bIIImaj7 bVImaj7 iim7b5 V7 i7 i7"),
        ("dorian", "i9 i9 IV9 IV9 i9 i9 iim7b5 V7"),
        ("blues", "I7 IV7 I7 I7 IV7 IV7 I7 VI7 ii9 V9 I7/VI7 ii7/V7"),
    ),
    drums=(
        {"ride": "x..X.xx..X.x", "hat": "...x.....x..", "feather": "o..o..o..o..", "brush": "..?..?..?..?"},
        {"ride": "x..X.xx..X.x", "hat": "...x.....x..", "snare": "..?..?.?...?", "feather": "o.....o....?"},
        {"brush": "x.oX.ox.oX.o", "ride": "o..x..o..x.o", "hat": "...x.....x..", "feather": "o..o..o..o.."},
    ),
    fills=({"snare": "o.oo.oo.oo.x"}, {"snare": "......oxox.x", "tom": ".........xx."}),
    layers=(
        Layer(role="bass", instruments=("upright bass",), low=31, gain=0.52,
            patterns=("R--W--W--A--", "R--3--5--A--", "R--W--5--A--"), send=0.08, legato=1.0),
        Layer(role="chords", instruments=("piano", "piano", "clean guitar"), low=54, gain=0.42,
            patterns=("x----x......", ".....x-----.", "..x-....x--.", "...x.....x.x"), send=0.2, strum=0.004),
        Layer(role="melody", instruments=("saxophone", "trumpet", "piano"), low=60, gain=0.5, send=0.25,
            rest=0.35),
    ),
    rhythms=("x-xx-xx-xx--", "...x-xx-xx-x", "x-xx-x......", "..x--xx-xx-x", "x--x-xx-xx-.", "x-xx-xx-xx-x"),
    cadences=("x-xx-x------", "x-xx--......", "..x--x......"),
    drum_gain=0.65,
    drum_send=0.15,
    loose=0.009,
    brightness=0.95,
    gain=0.9,
    reverb_s=1.3,
)  # fmt: skip
