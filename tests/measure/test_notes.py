"""The statistics of notes on made-up activations, and the model itself where its package is installed."""

import importlib.metadata
import math
import sys

import numpy as np
import pytest

from fastgan.measure.notes import (
    HOP,
    KEPT,
    ONSET,
    WINDOW,
    Notes,
    Transcriber,
    join,
    summarise,
    windows,
)
from fastgan.measure.weights import Missing, WeightFile

RATE = 22_050


def activations(frames, cells, strength=0.9):
    """[frames, 88] of 0.1 but for the cells (frames, pitch)."""
    out = np.full((frames, 88), 0.1, np.float32)
    for rows, pitch in cells:
        out[rows, pitch] = strength
    return out


NONE = activations(100, [])


@pytest.mark.parametrize("count", [0, 1, HOP, KEPT * HOP - 1, KEPT * HOP, KEPT * HOP + 1, 100_000])
def test_kept_frames_lie_on_one_grid_and_cover_the_sound_once(count):
    """A stand-in for the model that gives the sample on which each of its frames is centred finds every 256th."""
    sound = np.arange(1, count + 1, dtype=np.float32)
    cut = windows(sound)
    assert cut.shape[1] == WINDOW
    frames = -(-count // HOP)
    padded = np.pad(cut, ((0, 0), (0, HOP)))  # the last frame of 172 is centred beyond the window
    centres = padded[:, : 172 * HOP : HOP][:, :, None]
    np.testing.assert_array_equal(join(centres, frames)[:, 0], sound[::HOP])


def test_a_window_begins_with_silence_that_is_left_out():
    first = windows(np.ones(WINDOW, np.float32))[0]
    assert not first[: 15 * HOP].any()
    assert first[15 * HOP :].all()


def test_one_note_all_the_time():
    found = summarise(activations(100, [(slice(None), 48)]), NONE, seconds=2.0)
    assert found == Notes(2.0, 1.0, 1.0, 0.0, 0.0)


def test_polyphony_is_of_voiced_frames_and_notes_per_frame_of_all():
    found = summarise(activations(100, [(slice(0, 40), 40), (slice(20, 40), 44)]), NONE, seconds=2.0)
    assert found.voiced_share == pytest.approx(0.4)
    assert found.polyphony == pytest.approx(1.5)
    assert found.notes_per_frame == pytest.approx(0.6)


def test_octaves_are_one_class_and_other_notes_share_the_bits():
    octaves = activations(100, [(slice(0, 50), 3), (slice(50, 100), 15)])
    assert summarise(octaves, NONE, seconds=1.0).pitch_class_entropy == 0
    every = activations(120, [(slice(10 * k, 10 * k + 10), 30 + k) for k in range(12)])
    assert summarise(every, activations(120, []), seconds=1.0).pitch_class_entropy == pytest.approx(math.log2(12))
    uneven = activations(100, [(slice(0, 75), 20), (slice(75, 100), 21)])
    expected = 0.75 * math.log2(4 / 3) + 0.25 * math.log2(4)
    assert summarise(uneven, NONE, seconds=1.0).pitch_class_entropy == pytest.approx(expected)


def test_classes_are_weighted_by_how_sure_the_model_is():
    one = activations(100, [(slice(0, 50), 20)], strength=0.9)
    one[50:, 21] = 0.3
    expected = 0.75 * math.log2(4 / 3) + 0.25 * math.log2(4)
    assert summarise(one, NONE, seconds=1.0).pitch_class_entropy == pytest.approx(expected, rel=1e-6)


def test_weak_activations_are_no_notes():
    weak = np.full((100, 88), 0.299, np.float32)
    assert summarise(weak, NONE, seconds=1.0) == Notes(1.0, 0.0, None, None, 0.0)
    assert summarise(weak + np.float32(0.002), NONE, seconds=1.0).polyphony == 88


def test_onsets_are_peaks_over_time_of_each_pitch():
    begins = activations(100, [])
    begins[10:13, 5] = 0.6, 0.8, 0.6  # one peak
    begins[10:13, 9] = 0.6, 0.6, 0.2  # a plateau is one too
    begins[20, 5], begins[30, 5] = 0.49, 0.5
    begins[0, 7] = begins[99, 7] = 0.9  # also at the ends
    assert summarise(NONE, begins, seconds=2.0).onsets_per_s == 5 / 2


def test_nothing_holds_no_notes():
    empty = np.empty((0, 88), np.float32)
    assert summarise(empty, empty, seconds=0.0) == Notes(0.0, 0.0, None, None, 0.0)


def test_a_missing_package_is_named_with_its_install_line(monkeypatch):
    def absent(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", absent)
    with pytest.raises(
        Missing, match=r"basic-pitch is not installed; install it with: pip install --no-deps basic-pitch==0\.4\.0"
    ):
        Transcriber.load()


def test_a_missing_runtime_is_named(monkeypatch):
    monkeypatch.setattr(WeightFile, "read", lambda self: b"")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(Missing, match=r"onnxruntime is not installed; install it with: pip install onnxruntime"):
        Transcriber.load()


@pytest.fixture(scope="module")
def transcriber():
    try:
        return Transcriber.load()
    except Missing as missing:
        pytest.skip(str(missing))


def sine(hz, seconds=5.0, rate=RATE):
    return np.rint(16_000 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.int16)


@pytest.mark.parametrize("rate", [16_000, RATE, 44_100])
def test_a_tone_is_one_note_all_the_time(transcriber, rate):
    found = transcriber.notes(sine(440, rate=rate), rate)
    assert found.seconds == 5
    assert found.voiced_share > 0.97  # its ends are two frames in 431
    assert found.polyphony == pytest.approx(1, abs=0.02)
    assert found.pitch_class_entropy < 0.1
    notes, _ = transcriber.activations(sine(440, rate=rate), rate)
    assert (notes.argmax(axis=1) == 48).mean() > 0.97, "A4 is the 49th key"


def test_a_chord_is_as_many_notes(transcriber):
    chord = (sine(261.63) // 3 + sine(329.63) // 3 + sine(392.0) // 3).astype(np.int16)
    found = transcriber.notes(chord, RATE)
    assert found.polyphony == pytest.approx(3, abs=0.3)
    assert found.pitch_class_entropy == pytest.approx(math.log2(3), abs=0.2)


def test_each_note_that_is_struck_begins_where_it_is_struck(transcriber):
    keys, strokes, time = (39, 43, 46, 51, 46, 43, 39, 43), [], np.arange(RATE // 2) / RATE
    for key in keys:
        hz = 27.5 * 2 ** (key / 12)
        strokes.append(12_000 * np.exp(-4 * time) * sum(np.sin(2 * np.pi * hz * k * time) / k for k in (1, 2, 3)) / 2)
    _, onsets = transcriber.activations(np.rint(np.concatenate(strokes)).astype(np.int16), RATE)
    for number, key in enumerate(keys):
        frame = round(number * len(time) / HOP)
        near = onsets[max(0, frame - 4) : frame + 5, key]  # 46 ms
        assert near.max() >= ONSET, f"stroke {number}"


def test_silence_and_nothing_hold_no_notes(transcriber):
    assert transcriber.notes(np.zeros(RATE, np.int16), RATE) == Notes(1.0, 0.0, None, None, 0.0)
    assert transcriber.notes(np.zeros(0, np.int16), RATE) == Notes(0.0, 0.0, None, None, 0.0)


def test_white_noise_has_few_notes_and_many_onsets(transcriber):
    noise = np.rint(3_000 * np.random.default_rng(0).standard_normal(10 * RATE)).astype(np.int16)
    found = transcriber.notes(noise, RATE)
    assert found.voiced_share < 0.3
    assert found.onsets_per_s > 30


@pytest.mark.parametrize("samples", [np.zeros((2, 100), np.int16), np.zeros(100, np.float32)])
def test_other_shapes_and_types_are_refused(samples):
    with pytest.raises(ValueError, match="need one row of int16"):
        Transcriber(session=None).notes(samples, RATE)
