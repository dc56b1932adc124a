"""Each anchor has the property for which it is there."""

import math

import numpy as np
import pytest

from fastgan.audio.health import examine
from fastgan.audio.long_term import bin_hz, frame_length, long_term
from fastgan.measure.anchors import (
    ANCHORS,
    FADE_S,
    FRAME_S,
    TONE_HZ,
    anchors,
    copied,
    level,
    reversed_in_time,
    shaped_noise,
    shuffled,
    silence,
    tone,
    white_noise,
)
from tests.conftest import RATE, tune

CLIPS = [tune(seconds, seed=seed) for seed, seconds in enumerate((3.0, 4.0, 2.5))]
LOUD, HALF = 32_767, 16_384


def rms(samples):
    return samples.std(dtype=np.float64) / 32_768


def set_rms(clips):
    energy = sum(float(np.square(clip - clip.mean()).sum()) for clip in clips)
    return math.sqrt(energy / sum(map(len, clips))) / 32_768


def white(seconds, sigma=3_000):
    return np.rint(sigma * np.random.default_rng(9).standard_normal(round(seconds * RATE))).astype(np.int16)


@pytest.mark.parametrize("make", ANCHORS.values(), ids=ANCHORS)
def test_every_anchor_has_the_lengths_of_the_clips_and_follows_the_seed(make):
    before = [clip.copy() for clip in CLIPS]
    one, again = make(CLIPS, RATE, 1), make(CLIPS, RATE, 1)
    assert [len(clip) for clip in one] == [len(clip) for clip in CLIPS]
    for left, right in zip(one, again, strict=True):
        assert left.dtype == np.int16
        np.testing.assert_array_equal(left, right)
    for left, right in zip(CLIPS, before, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("make", [shaped_noise, white_noise, shuffled])
def test_another_seed_gives_another_sound_and_no_two_clips_share_one(make):
    clips = [CLIPS[0]] * 2
    one, other = make(clips, RATE, 1), make(clips, RATE, 2)
    assert not np.array_equal(one[0], other[0])
    assert not np.array_equal(one[0], one[1])


def test_all_of_them_by_name():
    made = anchors(CLIPS, RATE, seed=3)
    assert list(made) == list(ANCHORS)
    np.testing.assert_array_equal(made["shaped noise"][1], shaped_noise(CLIPS, RATE, 3)[1])


@pytest.mark.parametrize("make", [shaped_noise, white_noise, tone])
def test_what_is_made_is_as_loud_as_the_set(make):
    assert [rms(clip) for clip in make(CLIPS, RATE, 0)] == pytest.approx([set_rms(CLIPS)] * 3, rel=1e-3)


def test_shaped_noise_has_the_mean_spectrum_of_the_clips():
    """In each third of an octave, within five deviations of what a mean over that much noise leaves.

    Welch's estimate sees a spectrum through its window: in time, the autocorrelation times that of the window.
    """
    clips = [np.tile(tune(6, seed=seed), 20) for seed in (1, 2)]
    shape = np.mean([power / power.sum() for power in (long_term(clip, RATE) for clip in clips)], axis=0)
    length, fine = frame_length(RATE), 16 * frame_length(RATE)
    density = np.interp(np.fft.rfftfreq(fine, 1 / RATE), bin_hz(RATE), shape)
    window = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(length), fine)) ** 2)
    seen = np.fft.rfft(np.fft.irfft(density) * window).real[:: fine // length]
    for noise in shaped_noise(clips, RATE, 0):
        found = long_term(noise, RATE)
        found *= seen.sum() / found.sum()
        hz = bin_hz(RATE)
        for middle in 1_000 * 10 ** (np.arange(-12, 10) / 10):
            band = (hz >= middle * 10**-0.05) & (hz < middle * 10**0.05)
            # Powers of noise are exponential, so each of its seconds times hertz adds a deviation of its own mean.
            deviation = math.sqrt(np.square(seen[band]).sum() / (120 * hz[1])) / seen[band].sum()
            loudest = (
                math.sqrt(np.square(seen).sum() / (120 * hz[1])) / seen.sum()
            )  # of the sum, by which it is divided
            assert found[band].sum() == pytest.approx(seen[band].sum(), rel=5 * math.hypot(deviation, loudest)), middle


def test_quiet_clips_count_as_much_as_loud_ones_in_the_shape():
    low, high = np.tile(tune(6, seed=1), 5), white(30)
    both = long_term(shaped_noise([low, high // 10], RATE, 0)[0], RATE)
    above = bin_hz(RATE) > 6_000
    # Of white noise the share above 6 kHz, of two clips half of it; the tune has nearly none there.
    assert both[above].sum() / both.sum() == pytest.approx((1 - 6_000 / (RATE / 2)) / 2, abs=0.03)


def test_shaped_noise_is_gaussian_and_stationary():
    noise = shaped_noise([white(60)], RATE, 0)[0].astype(np.float64)
    count = len(noise)
    noise /= noise.std()
    assert np.mean(noise**4) == pytest.approx(3, abs=5 * math.sqrt(24 / count))
    parts = noise[: count // 10 * 10].reshape(10, -1).std(axis=1)
    np.testing.assert_allclose(parts, 1, atol=5 / math.sqrt(2 * count / 10))


def test_the_others_are_what_health_calls_them():
    for make, name in ((white_noise, "white noise"), (tone, "one tone"), (silence, "silent")):
        for clip in make(CLIPS, RATE, 0):
            assert examine(clip, RATE).problems == (name,)
    assert examine(tone(CLIPS, RATE, 0)[0], RATE).spectrum.tone_hz == pytest.approx(TONE_HZ, abs=0.5)


def test_shuffled_holds_the_same_frames_in_another_order():
    frame, fade = round(FRAME_S * RATE), round(FADE_S * RATE)
    for clip, mixed in zip(CLIPS, shuffled(CLIPS, RATE, 0), strict=True):
        whole = len(clip) // frame * frame
        before, after = (x[:whole].reshape(-1, frame) for x in (clip, mixed))
        assert not np.array_equal(before, after)
        assert sorted(map(bytes, before[:, fade:])) == sorted(map(bytes, after[:, fade:]))
        np.testing.assert_array_equal(clip[whole:], mixed[whole:])


def test_shuffled_fades_from_what_followed_to_what_comes():
    frame, fade = round(FRAME_S * RATE), round(FADE_S * RATE)
    steps = np.repeat(np.arange(0, 20_000, 1_000), frame).astype(np.int16)
    mixed = shuffled([steps], RATE, 0)[0].reshape(-1, frame)
    values = mixed[:, -1].astype(int)
    for before, now, frame_samples in zip(values[:-1], values[1:], mixed[1:], strict=True):
        follows = (before + 1_000) % 20_000
        weights = np.arange(1, fade + 1) / (fade + 1)
        np.testing.assert_allclose(frame_samples[:fade], (1 - weights) * follows + weights * now, atol=0.5)


def test_backwards_twice_is_forwards():
    for clip, twice in zip(CLIPS, reversed_in_time(reversed_in_time(CLIPS, RATE, 0), RATE, 0), strict=True):
        np.testing.assert_array_equal(clip, twice)
    np.testing.assert_array_equal(reversed_in_time(CLIPS, RATE, 0)[0], CLIPS[0][::-1])


def test_one_clip_is_copied_and_it_is_not_a_silent_one():
    clips = [np.zeros(RATE, np.int16), CLIPS[0], np.zeros(5 * RATE, np.int16)]
    for seed in range(5):
        made = copied(clips, RATE, seed)
        np.testing.assert_array_equal(made[1], CLIPS[0])
        np.testing.assert_array_equal(made[0], CLIPS[0][:RATE])
        np.testing.assert_array_equal(made[2], np.concatenate([CLIPS[0], CLIPS[0][: 2 * RATE]]))
    assert len({copied(CLIPS, RATE, seed)[0].tobytes() for seed in range(20)}) == 3


@pytest.mark.parametrize("make", [shaped_noise, white_noise, tone, copied])
@pytest.mark.parametrize("clips", [[], [np.zeros(RATE, np.int16)], [np.full(RATE, 9_000, np.int16)]])
def test_nothing_can_be_made_of_silence(make, clips):
    with pytest.raises(ValueError, match=r"nothing is heard|none of \d clips has a spectrum"):
        make(clips, RATE, 0)


@pytest.mark.parametrize("target", [0.01, 0.05, 0.1])
def test_level_reaches_the_level(target):
    assert rms(level(tune(3), target)) == pytest.approx(target, rel=1e-3)
    assert rms(level(level(tune(3), target), 0.05)) == pytest.approx(0.05, rel=1e-3)


def test_level_keeps_the_shape_and_never_clips():
    sound = tune(3)
    sound[1_000] = -32_768  # a click
    raised = level(sound, 0.9)
    assert np.abs(raised.astype(int)).max() == LOUD
    assert rms(raised) < 0.9
    np.testing.assert_allclose(raised, sound * (LOUD / 32_768), atol=0.5)


@pytest.mark.parametrize(
    "samples", [np.zeros(0, np.int16), np.zeros(100, np.int16), np.full(100, HALF, np.int16), white(1, sigma=30)]
)
def test_level_leaves_what_is_not_heard_as_it_is(samples):
    np.testing.assert_array_equal(level(samples), samples)
    assert not len(samples) or not np.shares_memory(level(samples), samples)


def test_noise_of_a_loud_set_stays_on_the_scale():
    square = np.where(np.arange(RATE) // 50 % 2, LOUD, -LOUD).astype(np.int16)
    for make in (white_noise, tone, shaped_noise):
        made = make([square], RATE, 0)[0]
        assert np.abs(made.astype(int)).max() == LOUD
        assert np.sum(np.abs(made.astype(int)) == LOUD) < 0.01 * RATE
