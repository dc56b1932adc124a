"""Country: boom-chick bass and guitar over a train beat, a banjo roll, a fiddle or a steel guitar."""

from fastgan.audio.demo.style import Layer, Style

COUNTRY = Style(
    tempo=(92, 128),
    harmonies=(
        ("pentatonic", "I I IV I I I V V"),
        ("pentatonic", "I IV I V I IV V I"),
        ("major", "I I V V V V I I"),
        ("major", "I vi IV V I vi V I"),
    ),
    drums=(
        {"kick": "X.......X.......", "brush": "xoXoxoXoxoXoxoXo", "snare": "....o.......o..."},
        {"kick": "X.....o.X.......", "snare": "....x.......x..o", "hat": "x.x.x.x.x.x.x.x."},
        {"kick": "X...X...X...X...", "brush": "xxXxxxXxxxXxxxXx"},
    ),
    fills=({"snare": "....x...xxxxX..."},),
    layers=(
        Layer(role="bass", instruments=("upright bass", "finger bass"), low=33, gain=0.62,
            patterns=("R-----..4-----..", "R-----..5---A---", "R-----..4---5-A-"), send=0.04),
        Layer(role="chords", instruments=("steel guitar",), low=52, gain=0.5,
            patterns=("....X-u-....X-u-", "....X-u-..u-X-u-", "....X---....X-uu"), strum=0.012, legato=0.8),
        Layer(role="chords", instruments=("banjo", "banjo", "steel guitar"), low=60, gain=0.6,
            patterns=("0213021302130213", "0.2.1.3.0.2.1.3.", "0132013201320123"), legato=1.5),
        Layer(role="melody", instruments=("fiddle", "twang guitar", "pedal steel"), low=64, gain=0.5, send=0.25,
            rest=0.3),
    ),
    rhythms=("x---x-x-x-x-x---", "x-x-x---x-x-x---", "..x-x-x-x---x-x-", "x-xxx-x-x---....", "x-----x-x-x-x-x-"),
    cadences=("x---x---x-------", "x-x-x-------....", "x-x-x---x-----.."),
    drum_gain=0.65,
    gain=0.85,
    reverb_s=0.9,
)  # fmt: skip
