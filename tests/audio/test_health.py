"""Every problem can be provoked and is named; sounds that resemble music are not accused."""

import json
import time
import warnings
from dataclasses import asdict

import numpy as np
import pytest

from fastgan.audio import health as module
from fastgan.audio.health import Health, examine

RATE = 22_050


def seconds(count, rate=RATE):
    return np.arange(round(count * rate)) / rate


def noise(count, rate=RATE, seed=0):
    return np.random.default_rng(seed).standard_normal(round(count * rate))


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
    "sine": ("one tone", 0.5 * np.sin(2 * np.pi * 440 * seconds(4))),
    "sine with vibrato": ("one tone", 0.5 * np.sin(2 * np.pi * 440 * seconds(4) + np.sin(2 * np.pi * 5 * seconds(4)))),
    "sine that throbs": ("one tone", np.sin(2 * np.pi * 440 * seconds(4)) * (0.4 + 0.3 * np.sin(6 * seconds(4)))),
    "sine over weak hiss": ("one tone", 0.5 * np.sin(2 * np.pi * 440 * seconds(4)) + 0.03 * noise(4)),
    "full-scale sine": ("one tone", np.sin(2 * np.pi * 100 * seconds(4))),
    "Gaussian noise": ("white noise", 0.2 * noise(4)),
    "uniform noise": ("white noise", np.random.default_rng(0).uniform(-0.5, 0.5, RATE)),
    "noise that fades out": ("white noise", 0.2 * noise(4) * np.linspace(1, 0, 4 * RATE)),
    "hiss above 6 kHz": ("high-pitched", np.diff(0.01 * noise(4), n=5)),
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
    health = examine(samples, RATE)
    assert problem in health.problems
    assert not health.ok
    assert f"{problem}: " in health.verdict
    assert len(health.problems) == 1, "nothing but the cause is named"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_values_that_are_no_numbers_are_named_and_the_rest_is_still_measured(bad, dtype):
    samples = sweep().astype(dtype)
    samples[::100] = bad
    health = examine(samples, RATE)
    assert health.problems == ("NaN or infinity",)
    assert health.bad_share == pytest.approx(0.01)
    assert health.peak == pytest.approx(0.3, rel=1e-3)


def test_nothing_but_nan():
    health = examine(np.full(RATE, np.nan), RATE)
    assert health.problems == ("NaN or infinity", "silent")


def test_floats_far_beyond_full_scale_count_as_clipped():
    health = examine(1e300 * sweep(), RATE)
    assert "clipped" in health.problems
    assert health.peak == 1.0


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
    assert words in examine(samples, RATE).verdict


def test_high_tone_is_named_for_both():
    assert examine(0.5 * np.sin(2 * np.pi * 8_000 * seconds(2)), RATE).problems == ("one tone", "high-pitched")


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


def pink(count, rate):
    hz = np.fft.rfftfreq(round(count * rate), 1 / rate)
    return np.fft.irfft(np.fft.rfft(noise(count, rate)) / np.sqrt(np.maximum(hz, 20)), round(count * rate))


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
    "pink noise": pink,
}


@pytest.mark.parametrize(("count", "rate"), [(3, 8_000), (3, 44_100), (12, 22_050)])
@pytest.mark.parametrize("sound", MUSIC.values(), ids=MUSIC)
def test_what_resembles_music_is_healthy(sound, count, rate):
    assert examine(pcm(sound(count, rate)), rate).verdict == "healthy"


def test_quiet_music_is_healthy():
    wave = chords(12, RATE)
    quiet = 0.01 / np.sqrt(np.mean(wave**2)) * wave
    health = examine(np.rint(32_768 * quiet).astype(np.int16), RATE)
    assert health.rms_dbfs == pytest.approx(-40, abs=0.1)
    assert health.verdict == "healthy"


def test_one_note_that_dies_away_is_healthy():
    assert examine(pcm(note(60, 1.5, RATE)), RATE).verdict == "healthy"


def test_one_short_drum_hit_is_healthy():
    assert examine(pcm(hit(RATE, "snare", 0)), RATE).verdict == "healthy"


def test_music_with_a_little_of_each_fault_is_healthy():
    wave = pcm(chords(12, RATE) + 0.4 * drums(12, RATE)) / 32_768
    wave[: 2 * RATE] = 0  # a pause
    wave = np.clip(wave * 1.2 + 0.01, -1, 1) + 1e-3 * noise(12)  # some peaks cut, a small offset, hiss
    assert examine(wave, RATE).verdict == "healthy"


def test_measures_of_a_sine():
    health = examine(0.5 * np.sin(2 * np.pi * 441 * seconds(10)), RATE)
    assert health.seconds == 10
    assert health.peak == pytest.approx(0.5, rel=3e-3)
    assert health.rms_dbfs == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=1e-3)
    assert health.crest == pytest.approx(np.sqrt(2), rel=3e-3)
    assert health.dc == pytest.approx(0, abs=1e-6)
    assert health.zero_crossings_per_s == pytest.approx(882, abs=1)
    assert health.centroid_hz == pytest.approx(441, abs=1)
    assert health.tone_hz == pytest.approx(441, abs=0.5)
    assert health.tone_share == 1
    assert health.cycle_s == pytest.approx(1 / 441, rel=1e-2)
    assert health.flatness < 1e-6
    assert health.high_share < 1e-6
    assert health.monotone_share == health.clipped_share == health.silent_share == health.bad_share == 0


def test_measures_of_white_noise():
    health = examine(0.1 * noise(10), RATE)
    assert health.rms_dbfs == pytest.approx(-20, abs=0.1)
    assert health.flatness > 0.9
    assert health.high_share == pytest.approx(1 - 6_000 / (RATE / 2), abs=0.02)
    assert health.centroid_hz == pytest.approx(RATE / 4, rel=0.02)
    assert health.zero_crossings_per_s == pytest.approx(RATE / 2, rel=0.02)
    assert health.level_change_db < 0.5
    assert health.cycle_share == health.tone_share == 0


def test_low_rates_have_their_own_line_for_high():
    assert examine(noise(1, 8_000) / 10, 8_000).high_hz == 2_200
    assert examine(noise(1, 48_000) / 10, 48_000).high_hz == 6_000


def test_whole_int16_scale_and_blocks_agree_with_plain_numpy(monkeypatch):
    samples = np.random.default_rng(0).integers(-32_768, 32_768, 10_000).astype(np.int16)
    samples[123], samples[456] = -32_768, 32_767
    monkeypatch.setattr(module, "_BLOCK", 3_000)
    health, values = examine(samples, 8_000), samples / 32_768
    assert health.peak == 1
    assert health.dc == pytest.approx(values.mean(), abs=1e-6)
    assert health.rms_dbfs == pytest.approx(10 * np.log10(np.mean(values**2)), abs=1e-4)
    assert health.clipped_share == np.mean((samples == 32_767) | (samples <= -32_767))
    assert health.zero_crossings_per_s == np.count_nonzero(np.diff(samples < 0)) / 1.25


def test_a_short_audible_part_of_a_long_sound_is_not_missed():
    sound = np.zeros(300 * RATE, np.int16)
    sound[200 * RATE : 201 * RATE] = pcm(np.sin(2 * np.pi * 500 * seconds(1)))
    health = examine(sound, RATE)
    assert "mostly silent" in health.problems
    assert health.tone_hz == pytest.approx(500, abs=1)


@pytest.mark.parametrize("rate", [8_000, 192_000])
@pytest.mark.parametrize("length", [0, 1, 2, 3, 7, 8, 100, 399, 401, 5_000, 20_001])
@pytest.mark.parametrize("kind", ["zero", "noise", "ramp", "nan"])
def test_any_length_gives_plain_finite_values(kind, length, rate):
    ramp = np.linspace(-1, 1, length)
    samples = {"zero": 0 * ramp, "noise": noise(length, 1) / 5, "ramp": ramp, "nan": ramp * np.nan}[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        health = examine(samples, rate)
    again = json.loads(json.dumps(asdict(health), allow_nan=False))
    assert Health(**{**again, "problems": tuple(again["problems"])}) == health
    assert all(type(value) in (float, type(None)) for name, value in vars(health).items() if name != "problems")
    assert health.verdict
    assert ("too short" in health.problems) == (0 < length < 0.1 * rate)


@pytest.mark.parametrize("shape", [(3, 6), (3, 6, 1), (1, 100), ()])
def test_other_shapes_are_refused_with_what_is_needed(shape):
    with pytest.raises(ValueError, match=r"need one row \[N\]"):
        examine(np.zeros(shape), RATE)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.int32, complex, bool])
def test_other_types_are_refused_with_what_is_needed(dtype):
    with pytest.raises(ValueError, match="need int16 or floats"):
        examine(np.zeros(100, dtype), RATE)


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_rates_that_are_none_are_refused(rate):
    with pytest.raises(ValueError, match="rate is"):
        examine(np.zeros(100), rate)


def test_the_samples_are_left_as_they_were():
    samples = sweep()[::-2]
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
