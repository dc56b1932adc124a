"""Blues: a twelve-bar shuffle, seventh chords, and a guitar or harmonica on the blue notes."""

from fastgan.audio.demo.style import Layer, Style

BLUES = Style(
    tempo=(76, 118),
    harmonies=(
        ("blues", "I7 I7 I7 I7 IV7 IV7 I7 I7 V7 IV7 I7 V7"),
        ("blues", "I7 IV7 I7 I7 IV7 IV7 I7 I7 V7 IV7 I7/IV7 I7/V7"),
        ("minor pentatonic", "i7 iv7 i7 i7 iv7 iv7 i7 i7 bVI7 V7 i7 V7"),
    ),
    drums=(
        {"kick": "X.....x....o", "snare": "...X..o..X..", "ride": "x..x.xx..x.x"},
        {"kick": "X....xx.....", "snare": "...X.o...X.o", "hat": "X.ox.oX.ox.o"},
    ),
    fills=({"snare": "...X..x.xX.X", "tom": "......x.x..."}, {"snare": "...X..xxxXXX"}),
    layers=(
        Layer(role="bass", instruments=("upright bass", "finger bass"), low=31, gain=0.62,
            patterns=("R--3--5--6--", "R-R3-35-56-5", "R--5--7--A--", "R-.8-.7-.5-."), send=0.03),
        Layer(role="chords", instruments=("clean guitar", "piano", "organ"), low=52, gain=0.34,
            patterns=("...x.....x..", "x.xx.xx.xx.x", "..x..x..x..x", "X-----..x-.x"), strum=0.008, legato=0.8),
        Layer(role="melody", instruments=("lead guitar", "lead guitar", "harmonica"), low=58, gain=0.27,
            drive=4.0, cabinet=3600, send=0.3, rest=0.3),
    ),
    rhythms=("......x.xx--", "x--x.xx-----", "...x.xx.xx--", "x.xx.xx-----", "..xx.xx.xx-."),
    cadences=("x--x-----...", "x.xx--......", "x-----......"),
    gain=0.85,
    reverb_s=1.0,
)  # fmt: skip
