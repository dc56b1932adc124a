"""Every problem can be provoked and is named; sounds that resemble music are not accused."""

import json
import time
import warnings
from dataclasses import asdict

import numpy as np
import pytest

from fastgan.audio import demo
from fastgan.audio.demo import GENRES, synthesise
from fastgan.audio.health import examine

RATE = 22_050


def coloured(count, rate=RATE, slope=0.5, seed=0):
    """Noise whose power falls by hz ** (2 * slope) above 20 Hz: 0 for white, 0.5 for pink, 1 for brown."""
    hz = np.maximum(np.fft.rfftfreq(round(count * rate), 1 / rate), 20)
    return np.fft.irfft(np.fft.rfft(noise(count, rate, seed)) / hz**slope, round(count * rate))


def in_bands(count, centres, width, rate=RATE):
    """Noise in bands as narrow as notes: stationary, and it hums."""
    hz = np.fft.rfftfreq(round(count * rate), 1 / rate)
    gain = np.sum([np.exp(-0.5 * ((hz - centre) / width) ** 2) for centre in centres], axis=0)
    return np.fft.irfft(np.fft.rfft(noise(count, rate)) * gain, round(count * rate))


def seconds(count, rate=RATE):
    return np.arange(round(count * rate)) / rate


def noise(count, rate=RATE, seed=0):
    return np.random.default_rng(seed).standard_normal(round(count * rate))


def int16(values):
    """Floats in [-1, 1] -> int16; what is louder is clipped."""
    return np.clip(np.rint(32_768 * values), -32_768, 32_767).astype(np.int16)


def pcm(values, peak=0.7):
    """Floats at a wanted peak -> int16."""
    return np.rint(values * (peak * 32_767 / np.abs(values).max())).astype(np.int16)


def sweep(count=4.0, level=0.3):
    """A sound with nothing wrong with it: a vibrato siren that never holds a frequency."""
    t = seconds(count)
    return level * np.sin(2 * np.pi * (300 * t + 40 * t**2))


FAULTY = {
    "empty": ("empty", np.zeros(0, np.int16)),
    "digital silence": ("silent", np.zeros(RATE, np.int16)),
    "unscaled floats cast to int16": ("silent", np.random.default_rng(0).uniform(-1, 1, RATE).astype(np.int16)),
    "noise of -70 dBFS": ("silent", 10 ** (-70 / 20) * noise(2)),
    "one value": ("constant", np.full(RATE, 9_000, np.int16)),
    "one value with dither": ("constant", 0.3 + 1e-4 * noise(1)),
    "ascending": ("monotone", np.linspace(-0.9, 0.9, 3 * RATE)),
    "descending": ("monotone", np.linspace(32_000, -32_000, 3 * RATE).astype(np.int16)),
    "slide to a fixed point": ("monotone", np.rint(32_767 * (0.5 - 0.4 * np.exp(-9 * seconds(5)))).astype(np.int16)),
    "slide after a second of sound": ("monotone", np.concatenate([sweep(1), 0.2 * np.exp(-seconds(4) / 2) + 0.1])),
    "slow swing": ("below hearing", 0.8 * np.sin(2 * np.pi * 8 * seconds(5))),
    "drifting level with jitter": ("below hearing", 0.1 + 0.05 * seconds(5) + 1e-4 * noise(5)),
    "one click": ("mostly silent", np.eye(1, 10 * RATE, 5_000)[0]),
    "sound, then nothing": ("mostly silent", np.concatenate([sweep(2), np.zeros(3 * RATE)])),
    "overdriven": ("clipped", np.clip(8 * sweep(), -1, 1)),
    "offset": ("DC offset", sweep() + 0.2),
    "offset stronger than a quiet sound": ("DC offset", sweep(level=0.02) + 0.03),
    "a random walk of six steps, again and again": (
        "steady noise",
        0.1 * np.cumsum(noise(4)[: 4 * RATE // 6 * 6].reshape(-1, 6), axis=1).reshape(-1),
    ),
    "sine": ("one tone", 0.5 * np.sin(2 * np.pi * 440 * seconds(4))),
    "sine with vibrato": ("one tone", 0.5 * np.sin(2 * np.pi * 440 * seconds(4) + np.sin(2 * np.pi * 5 * seconds(4)))),
    "sine that throbs": ("one tone", np.sin(2 * np.pi * 440 * seconds(4)) * (0.4 + 0.3 * np.sin(6 * seconds(4)))),
    "sine over weak hiss": ("one tone", 0.5 * np.sin(2 * np.pi * 440 * seconds(4)) + 0.03 * noise(4)),
    "full-scale sine": ("one tone", np.sin(2 * np.pi * 100 * seconds(4))),
    "whistle over hiss": ("whistle", 0.1 * np.sin(2 * np.pi * 3_675 * seconds(4)) + 0.06 * noise(4)),
    "whistle over a melody": (
        "whistle",
        0.2 * np.sin(2 * np.pi * 2_500 * seconds(4))
        + 0.1 * np.sin(2 * np.pi * (300 * seconds(4) + 40 * seconds(4) ** 2)),
    ),
    "Gaussian noise": ("white noise", 0.2 * noise(4)),
    "uniform noise": ("white noise", np.random.default_rng(0).uniform(-0.5, 0.5, RATE)),
    "noise that fades out": ("white noise", 0.2 * noise(4) * np.linspace(1, 0, 4 * RATE)),
    "chirps above 6 kHz": ("high-pitched", 0.5 * np.sin(2 * np.pi * (7_000 * seconds(4) + 400 * seconds(4) ** 2))),
    "sawtooth": ("buzz", 0.8 * ((110 * seconds(4)) % 1 - 0.5)),
    "sawtooth between the samples": ("buzz", 0.8 * ((333.7 * seconds(4)) % 1 - 0.5)),
    "square wave": ("buzz", 0.5 * np.sign(np.sin(2 * np.pi * 123 * seconds(4)))),
    "cycle of six samples": ("buzz", np.tile([0.1, 0.5, 0.3, -0.4, -0.2, -0.3], 10_000)),
    "held chord": ("buzz", sum(0.2 * np.sin(2 * np.pi * f * seconds(4)) for f in (220, 275, 330))),
    "loop of 136 ms": ("stuck loop", np.tile(0.2 * noise(0.136), 40)),
    "loop of 240 ms under hiss": ("stuck loop", np.tile(0.2 * noise(0.24), 20) + 0.01 * noise(4.8, seed=1)),
    "50 ms of music": ("too short", sweep(0.05)),
}


@pytest.mark.parametrize(("problem", "samples"), FAULTY.values(), ids=FAULTY)
def test_each_fault_is_named(problem, samples):
    health = examine(samples if samples.dtype == np.int16 else int16(samples), RATE)
    assert health.problems == (problem,), "nothing but the cause is named"
    assert health.verdict.startswith(f"{problem}: ")


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.linspace(-0.9, 0.9, RATE), "only ascends"),
        (np.linspace(0.9, -0.9, RATE), "only descends"),
        (np.concatenate([np.linspace(0.9, 0.1, RATE // 10), np.full(9 * RATE, 0.1)]), "stands still"),
        (np.abs(np.linspace(-0.9, 0.9, 4 * RATE)), "rises or falls"),
    ],
)
def test_a_monotone_sound_says_which_way_it_goes(samples, words):
    assert words in examine(int16(samples), RATE).verdict


def test_high_tone_is_named_for_both():
    assert examine(int16(0.5 * np.sin(2 * np.pi * 8_000 * seconds(2))), RATE).problems == ("one tone", "high-pitched")


def test_high_hiss_is_named_for_both():
    assert examine(int16(np.diff(0.01 * noise(4), n=5)), RATE).problems == ("steady noise", "high-pitched")


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100])
@pytest.mark.parametrize("count", [2, 5, 30])
def test_pink_noise_is_no_music(count, rate):
    for seed in range(5):
        assert examine(pcm(coloured(count, rate, seed=seed)), rate).problems == ("steady noise",)


@pytest.mark.parametrize("count", [8, 30])
def test_noise_of_any_colour_is_no_music(count):
    for sound in (coloured(count, slope=0.6), coloured(count, slope=0.8), in_bands(count, range(200, 3_000, 90), 8)):
        assert examine(pcm(sound), RATE).problems == ("steady noise",)


def test_noise_in_narrow_bands_is_not_judged_when_it_is_short():
    """It stands out as notes do, and by chance it moves as far from noise as some music."""
    assert examine(pcm(in_bands(2, range(200, 3_000, 90), 8)), RATE).verdict == "healthy"


def test_noise_that_moves_is_no_steady_noise():
    """Waves of three seconds on a shore, and hiss that is played, an octave up and down."""
    waves = coloured(12) * (0.2 + np.sin(np.pi * seconds(12) / 3) ** 2)
    played = np.concatenate([in_bands(0.5, (400 * 2 ** (n % 3),), 60 * 2 ** (n % 3)) for n in range(24)])
    for sound in (waves, played):
        assert examine(pcm(sound), RATE).verdict == "healthy"


@pytest.mark.parametrize("genre", GENRES)
def test_drums_alone_are_healthy(genre, monkeypatch):
    """Some of them are little more than bursts of noise."""
    monkeypatch.setattr(demo, "_play_layer", lambda *told: None)
    for index in range(3):
        sound = synthesise(genre, seed=1, index=index, seconds=8)
        for samples in (sound, sound[: 2 * RATE]):
            assert examine(samples, RATE).verdict == "healthy"


def hertz(pitch):
    return 440 * 2 ** ((pitch - 69) / 12)


def note(pitch, count, rate, *, partials=6, decay=3.0, vibrato=0.0):
    t = seconds(count, rate)
    phase = 2 * np.pi * hertz(pitch) * t + vibrato * hertz(pitch) / 5.5 * np.sin(2 * np.pi * 5.5 * t)
    heard = [k for k in range(1, partials + 1) if k * hertz(pitch) < rate / 2.2]
    wave = np.sum([np.sin(k * phase) / k**1.2 for k in heard], axis=0)
    return wave * np.exp(-decay * t) * np.minimum(1, t / 0.005)


def melody(pitches, count, length, rate, **kind):
    return np.concatenate([note(pitches[i % len(pitches)], length, rate, **kind) for i in range(round(count / length))])


def chords(count, rate):
    wave = np.zeros(round((count + 4) * rate))
    for i in range(round(count)):
        for pitch in ((48, 60, 64, 67), (45, 57, 60, 64), (41, 53, 57, 60), (43, 55, 59, 62))[i % 4]:
            tone = note(pitch, 1.5, rate, partials=8, decay=2.0)
            wave[i * rate : i * rate + len(tone)] += 0.2 * tone
    return wave[: round(count * rate)]


def hit(rate, drum, seed):
    t = seconds(0.3, rate)
    kick = np.sin(2 * np.pi * (50 * t + 8 * (1 - np.exp(-30 * t)))) * np.exp(-20 * t)
    hiss = noise(0.3, rate, seed)[: len(t)]
    return {"kick": kick, "snare": 0.6 * hiss * np.exp(-18 * t), "hat": 0.2 * hiss * np.exp(-60 * t)}[drum]


def drums(count, rate, pattern=("kick", "hat", "snare", "hat"), beat=0.25):
    wave = np.zeros(round((count + 1) * rate))
    for i in range(round(count / beat)):
        start, sound = round(i * beat * rate), hit(rate, pattern[i % len(pattern)], seed=i)
        wave[start : start + len(sound)] += sound
    return wave[: round(count * rate)]


def talk(count, rate, cut=None):
    """Noise in syllables, four a second and a breath now and then; `cut` darkens it (Hz)."""
    t = seconds(count, rate)
    wave = noise(count, rate)
    if cut:
        wave = np.fft.irfft(np.fft.rfft(wave) / (1 + (np.fft.rfftfreq(len(t), 1 / rate) / cut) ** 2), len(t))
    return wave * np.maximum(0, np.sin(2 * np.pi * 4 * t) + 0.5 * np.sin(2 * np.pi * 0.7 * t))


MUSIC = {
    "chords": chords,
    "chords and drums": lambda s, rate: chords(s, rate) + 0.4 * drums(s, rate),
    "drum kit": drums,
    "bass drum alone, the same hit each half second": lambda s, rate: drums(s, rate, ("kick",), 0.5),
    "snare alone": lambda s, rate: drums(s, rate, ("snare",), 0.5),
    "sub-bass line of pure sines": lambda s, rate: melody((28, 28, 31, 33, 35), s, 0.25, rate, partials=1, decay=1.0),
    "bass line": lambda s, rate: melody((28, 28, 31, 33, 35), s, 0.25, rate, decay=1.0),
    "flute": lambda s, rate: melody((72, 74, 76, 79, 67), s, 0.5, rate, partials=2, decay=0.5, vibrato=0.006),
    "flute in the notes of one chord": lambda s, rate: melody((72, 76, 79, 76), s, 0.5, rate, partials=1, decay=0.5),
    "fast arpeggio": lambda s, rate: melody((48, 55, 60, 64, 67, 72), s, 0.125, rate, partials=3),
    "slow piano with rests": lambda s, rate: melody((60, 67, 64, 72), s, 1.5, rate, decay=5.0),
    "speech-like noise": talk,
    "dark speech-like noise": lambda s, rate: talk(s, rate, cut=700),
}


@pytest.mark.parametrize(("count", "rate"), [(3, 8_000), (3, 44_100), (12, 22_050)])
@pytest.mark.parametrize("sound", MUSIC.values(), ids=MUSIC)
def test_what_resembles_music_is_healthy(sound, count, rate):
    assert examine(pcm(sound(count, rate)), rate).verdict == "healthy"


def test_quiet_music_is_healthy():
    wave = chords(12, RATE)
    quiet = 0.01 / np.sqrt(np.mean(wave**2)) * wave
    health = examine(int16(quiet), RATE)
    assert health.levels.ac_rms == pytest.approx(0.01, rel=1e-2)
    assert health.verdict == "healthy"


def test_one_note_that_dies_away_is_healthy():
    assert examine(pcm(note(60, 1.5, RATE)), RATE).verdict == "healthy"


def test_one_short_drum_hit_is_healthy():
    assert examine(pcm(hit(RATE, "snare", 0)), RATE).verdict == "healthy"


def test_music_with_a_little_of_each_fault_is_healthy():
    wave = pcm(chords(12, RATE) + 0.4 * drums(12, RATE)) / 32_768
    wave[: 2 * RATE] = 0  # a pause
    wave = np.clip(wave * 1.2 + 0.01, -1, 1) + 1e-3 * noise(12)  # some peaks cut, a small offset, hiss
    assert examine(int16(wave), RATE).verdict == "healthy"


def test_levels_of_a_sine():
    health = examine(int16(0.5 * np.sin(2 * np.pi * 441 * seconds(10))), RATE)
    levels = health.levels
    assert levels.seconds == 10
    assert levels.peak == pytest.approx(0.5, rel=3e-3)
    assert levels.swing == pytest.approx(1, rel=3e-3)
    assert levels.ac_rms == pytest.approx(0.5 / np.sqrt(2), rel=1e-4)
    assert levels.dc == pytest.approx(0, abs=1e-5)
    assert levels.step_db < 0.1
    assert levels.spread_db < 0.1
    assert levels.heard_share == 1
    assert levels.monotone_share == levels.clipped_share == levels.silent_share == 0


def test_levels_of_the_whole_scale_agree_with_plain_numpy():
    samples = np.random.default_rng(0).integers(-32_768, 32_768, 10_000).astype(np.int16)
    samples[123], samples[456] = -32_768, 32_767
    levels, values = examine(samples, 8_000).levels, samples / 32_768
    assert levels.peak == 1
    assert levels.dc == pytest.approx(values.mean(), abs=1e-6)
    assert levels.ac_rms == pytest.approx(values.std(), rel=1e-5)
    assert levels.clipped_share == np.mean((samples == 32_767) | (samples <= -32_767))


def test_a_short_audible_part_of_a_long_sound_is_not_missed():
    sound = np.zeros(300 * RATE, np.int16)
    sound[200 * RATE : 201 * RATE] = pcm(np.sin(2 * np.pi * 500 * seconds(1)))
    health = examine(sound, RATE)
    assert "mostly silent" in health.problems
    assert health.spectrum.tone_hz == pytest.approx(500, abs=1)


@pytest.mark.parametrize("rate", [8_000, 192_000])
@pytest.mark.parametrize("length", [0, 1, 2, 3, 7, 8, 100, 399, 401, 5_000, 20_001])
@pytest.mark.parametrize("kind", ["zero", "noise", "ramp"])
def test_any_length_gives_plain_finite_values(kind, length, rate):
    ramp = np.linspace(-1, 1, length)
    samples = {"zero": 0 * ramp, "noise": noise(length, 1) / 5, "ramp": ramp}[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        health = examine(int16(samples), rate)
    plain = {**asdict(health), "problems": list(health.problems)}
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert health.verdict
    assert ("too short" in health.problems) == (0 < length < 0.1 * rate)


@pytest.mark.parametrize("shape", [(3, 6), (3, 6, 1), (1, 100), ()])
def test_other_shapes_are_refused_with_what_is_needed(shape):
    with pytest.raises(ValueError, match="need one row of int16 or floats"):
        examine(np.zeros(shape, np.int16), RATE)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.complex64, bool])
def test_other_types_are_refused_with_what_is_needed(dtype):
    with pytest.raises(ValueError, match="need one row of int16 or floats"):
        examine(np.zeros(100, dtype), RATE)


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_rates_that_are_none_are_refused(rate):
    with pytest.raises(ValueError, match="rate is"):
        examine(np.zeros(100, np.int16), rate)


def test_the_samples_are_left_as_they_were():
    samples = int16(sweep())[::-2]
    before = samples.copy()
    examine(samples, RATE)
    np.testing.assert_array_equal(samples, before)


@pytest.mark.parametrize(("rate", "count"), [(192_000, 30), (44_100, 600)])
def test_it_takes_less_than_the_budget(rate, count):
    samples = np.tile(pcm(noise(10, rate)), count // 10)
    spent = []
    for _ in range(3):  # the machine may be busy with something else
        start = time.process_time()
        examine(samples, rate)
        spent.append(time.process_time() - start)
    assert min(spent) < 0.5 * count / 30  # measured 0.1 to 0.2 s for 30 s


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_are_judged_as_they_would_be_written(dtype):
    sound = sweep().astype(dtype)
    assert examine(sound, RATE) == examine(int16(sound), RATE)
    assert "clipped" in examine(9 * sound, RATE).problems


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_named(value):
    sound = sweep()
    sound[77] = value
    health = examine(sound, RATE)
    assert health.problems == ("NaN or infinity",)
    assert f"1 of {len(sound)} values" in health.verdict
