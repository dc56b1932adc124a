"""Rock: a back-beat, overdriven riffs on I, IV and V, eighths in the bass, a lead guitar."""

from fastgan.audio.demo.style import Layer, Style

ROCK = Style(
    tempo=(104, 146),
    harmonies=(
        ("minor pentatonic", "I5 I5 IV5 IV5 I5 I5 V5 IV5"),
        ("minor pentatonic", "I5 bVII5 IV5 I5"),
        ("pentatonic", "I5 IV5 V5 IV5"),
        ("mixolydian", "I5 V5 bVII5 IV5"),
    ),
    drums=(
        {"kick": "X.....x.X.x.....", "snare": "....X.......X...", "hat": "X.x.X.x.X.x.X.x."},
        {"kick": "X..x..x...x.....", "snare": "....X.......X..o", "hat": "X.x.X.x.X.x.X.x."},
        {"kick": "X.......X.x.....", "snare": "....X.......X...", "open": "x...x...x...x..."},
    ),
    fills=({"snare": "....X...xxxx....", "tom": "............xx..", "floor": "..............xx"}, {"snare": "....X.....xxXxxx"}),
    layers=(
        Layer(role="bass", instruments=("pick bass",), low=28, gain=0.62,
            patterns=("R.R.R.R.R.R.R.R.", "R.R.R.R.R.R.5.A.", "R..RR.R.R..RR.5."), send=0.02, legato=0.95),
        Layer(role="chords", instruments=("power guitar",), low=45, gain=0.24,
            patterns=("X---..x-x---x-x-", "X-x-..x-..x-x-..", "X-m-X-m-X-m-X-m-", "X-------x--x--x-"), drive=14.0,
            cabinet=3800, send=0.1, stacked=True, strum=0.006),
        Layer(role="melody", instruments=("lead guitar",), low=62, gain=0.23, drive=8.0, cabinet=3800, send=0.25,
            rest=0.3),
    ),
    rhythms=("x-x-x---x-x-x---", "x---x-x-x-x-....", "..x-x-x-x-x-x---", "x-x-xxx-x-------", "x--x--x-x---x-x-"),
    cadences=("x---x---x-------", "x-x-x-------....", "x--x--x-----...."),
    crash=0.7,
    drum_gain=0.6,
    loose=0.005,
    gain=0.78,
)  # fmt: skip
