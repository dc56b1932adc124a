"""Classical: functional harmony for strings with broken chords, a solo over whole phrases, soft timpani."""

from fastgan.audio.demo.style import Layer, Style

CLASSICAL = Style(
    tempo=(66, 112),
    harmonies=(
        ("major", "I IV I V I IV V7 I"),
        ("major", "I vi IV V I vi ii/V7 I"),
        ("major", "I V vi iii IV I IV V7"),
        ("harmonic", "i iv V7 i bVI iv V7 i"),
        ("harmonic", "i V7 i bVII bIII bVI iidim/V7 i"),
    ),
    drums=(
        {"timpani": "o..............."},
        {"timpani": "x...........o.o."},
        {"timpani": "o.......o......."},
    ),
    fills=({"timpani": "x.......oooooxxX"},),
    layers=(
        Layer(role="bass", instruments=("cello",), low=36, gain=0.5,
            patterns=("R-------5-------", "R---3---5---3---", "R-------R---A---", "R-----------5---"), send=0.3),
        Layer(role="chords", instruments=("strings",), low=55, gain=0.32,
            patterns=("x---------------", "x-------x-------"), send=0.5, legato=1.0),
        Layer(role="chords", instruments=("harpsichord", "piano", "harp"), low=60, gain=0.62,
            patterns=("0.1.2.1.0.1.2.1.", "0.2.1.2.0.2.1.2.", "0123432101234321", "012.012.012.012."), send=0.35,
            legato=1.4),
        Layer(role="melody", instruments=("violin", "flute", "oboe"), low=67, gain=0.5, send=0.5),
    ),
    rhythms=("x---x-x-x---x---", "x-----x-x---x---", "x-x-x-x-x---x---", "x---x---x-x-x-x-", "x-------x---x-x-"),
    cadences=("x---x---x-------", "x-x-x---x-----..", "x---x-x-x-----.."),
    drum_gain=0.4,
    drum_send=0.5,
    loose=0.014,
    gain=0.65,
    reverb_s=2.2,
    damp=0.3,
)  # fmt: skip
