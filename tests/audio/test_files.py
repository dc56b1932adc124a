import io
import os
import struct
import wave
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from fastgan.audio.files import Unreadable, growing, read_sound, write_sound, writing
from fastgan.base.errors import MachineFailure
from tests.conftest import RATE, tune

TUNE = tune(1.0)
AS_FLOAT = TUNE / 32_768


def write(path: Path, data: np.ndarray, rate: int = RATE, **how: str) -> Path:
    soundfile.write(path, data, rate, **how)
    return path


# How far each may be from what went in, in steps of 16 bits: half a step of its own resolution, and one of ours for
# rounding. Lossy formats are held to the error of the format itself, measured with libsndfile alone.
@pytest.mark.parametrize(
    ("name", "subtype", "steps"),
    [
        ("a.wav", "PCM_16", 0),
        ("a.wav", "PCM_24", 0),
        ("a.wav", "PCM_32", 0),
        ("a.wav", "FLOAT", 0),
        ("a.wav", "DOUBLE", 0),
        ("a.wav", "PCM_U8", 256),
        ("a.flac", "PCM_16", 0),
        ("a.flac", "PCM_24", 0),
        ("a.au", "PCM_16", 0),
        ("a.aiff", "PCM_16", 0),
        ("a.aiff", "PCM_24", 0),
        ("a.caf", "PCM_16", 0),
        ("a.w64", "PCM_16", 0),
    ],
)
def test_lossless_formats_give_what_went_in(tmp_path: Path, name: str, subtype: str, steps: int) -> None:
    path = write(tmp_path / name, TUNE if steps == 0 and "PCM" in subtype else AS_FLOAT, subtype=subtype)
    back = read_sound(path, RATE)
    assert back.dtype == np.int16
    assert np.abs(back.astype(int) - TUNE).max() <= steps


@pytest.mark.parametrize(("name", "subtype"), [("a.ogg", "VORBIS"), ("a.ogg", "OPUS"), ("a.mp3", "MPEG_LAYER_III")])
def test_lossy_formats_are_read(tmp_path: Path, name: str, subtype: str) -> None:
    rate = 24_000 if subtype == "OPUS" else RATE
    path = write(tmp_path / name, tune(1.0, rate=rate) / 32_768, rate, subtype=subtype)
    truth, _ = soundfile.read(path)
    back = read_sound(path, rate)
    assert abs(len(back) - len(truth)) <= 1
    np.testing.assert_allclose(back[: len(truth)] / 32_768, truth[: len(back)], atol=1 / 32_768)


@pytest.mark.parametrize("channels", [2, 6, 8])
def test_channels_are_mixed_down(tmp_path: Path, channels: int) -> None:
    sound = np.stack([np.roll(AS_FLOAT, 100 * n) for n in range(channels)], axis=1)
    back = read_sound(write(tmp_path / "a.wav", sound, subtype="FLOAT"), RATE)
    assert np.abs(back / 32_768 - sound.mean(axis=1)).max() <= 1 / 32_768


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 32_000, 44_100, 48_000, 96_000, 192_000])
def test_any_rate_becomes_the_wanted_one(tmp_path: Path, rate: int) -> None:
    time = np.arange(rate) / rate
    back = read_sound(write(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 440 * time), rate, subtype="FLOAT"), RATE)
    assert abs(len(back) - RATE) <= 1
    inner = back[1000:-1000] / 32_768
    truth = 0.5 * np.sin(2 * np.pi * 440 * np.arange(1000, len(back) - 1000) / RATE)
    np.testing.assert_allclose(inner, truth, atol=2e-3)


def test_a_long_file_is_the_same_as_its_blocks(tmp_path: Path) -> None:
    long = np.tile(TUNE, 15)  # more than one block of the decoder
    np.testing.assert_array_equal(read_sound(write(tmp_path / "a.wav", long), RATE), long)
    there = read_sound(write(tmp_path / "b.wav", long, 44_100), RATE)
    assert abs(len(there) - len(long) / 2) <= 1


def test_too_loud_floats_saturate(tmp_path: Path) -> None:
    back = read_sound(write(tmp_path / "a.wav", np.array([0.0, 1.0, 1.5, -1.5]), subtype="FLOAT"), RATE)
    np.testing.assert_array_equal(back, [0, 32_767, 32_767, -32_768])


def test_names_need_not_be_utf8(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.wav"
    os.rename(write(tmp_path / "a.wav", TUNE), path)
    np.testing.assert_array_equal(read_sound(os.fsdecode(path), RATE), TUNE)


def test_the_name_need_not_fit_the_content(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", TUNE).rename(tmp_path / "a.mp3")
    np.testing.assert_array_equal(read_sound(path, RATE), TUNE)


def with_nan(path: Path) -> None:
    sound = AS_FLOAT.copy()
    sound[2205] = np.nan
    write(path, sound, subtype="FLOAT")


def header_only(path: Path) -> None:
    write(path, TUNE)
    path.write_bytes(path.read_bytes()[:44])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.write_bytes(b""), "empty .0 bytes."),
        (lambda path: path.write_text("these are words\n" * 99), "no sound in it"),
        (lambda path: path.write_bytes(os.urandom(5_000)), "no sound in it"),
        (lambda path: path.write_bytes(b"RIFF"), "no sound in it"),
        (header_only, "0 frames"),
        (lambda path: write(path, TUNE[:0]), "0 frames"),
        (with_nan, "nan at 0.100 s"),
        (lambda path: write(path, np.array([0.1, np.inf]), subtype="FLOAT"), "inf at"),
        (lambda path: write(path, TUNE * 1.0, subtype="FLOAT"), r"values in \[-1, 1\]"),
        (lambda path: write(path, TUNE, 1), "sample rate of 1 Hz"),
        (lambda path: write(path, TUNE, 1_000_000), "sample rate of 1,000,000 Hz"),
        (lambda path: None, "cannot be opened"),
    ],
    ids="empty words noise stub header zero_frames nan inf unscaled 1Hz 1MHz missing".split(),
)
def test_bad_files_say_why(tmp_path: Path, make: object, reason: str) -> None:
    make(tmp_path / "a.wav")
    with pytest.raises(Unreadable, match=reason):
        read_sound(tmp_path / "a.wav", RATE)


@pytest.mark.parametrize(
    ("name", "share"), [("a.wav", 0.5), ("a.au", 0.5), ("a.mp3", 0.5), ("a.flac", 0.9), ("a.aiff", 0.5)]
)
def test_of_a_truncated_file_the_sound_before_the_damage_is_kept(tmp_path: Path, name: str, share: float) -> None:
    from fastgan.audio.files import decode

    long = np.tile(TUNE, 30)
    path = write(tmp_path / name, long)
    whole = read_sound(path, RATE)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    blocks: list[np.ndarray] = []
    note = decode(path, RATE, blocks.append)
    assert note is not None
    assert "before the damage" in note
    kept = np.concatenate(blocks)
    assert 0.2 * len(whole) < len(kept) < 0.95 * len(whole)
    if not name.endswith("mp3"):
        np.testing.assert_array_equal(kept[:-1], whole[: len(kept) - 1])


def test_headers_of_programs_that_write_into_a_pipe_are_fine(tmp_path: Path) -> None:
    from fastgan.audio.files import decode

    path = write(tmp_path / "a.wav", TUNE)
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    blocks: list[np.ndarray] = []
    assert decode(path, RATE, blocks.append) is None
    np.testing.assert_array_equal(np.concatenate(blocks), TUNE)


# The writer: each way in which the paper's files broke is refused or cannot happen.


def test_what_is_written_is_a_plain_wav_that_reads_back(tmp_path: Path) -> None:
    write_sound(tmp_path / "a.wav", TUNE, RATE)
    np.testing.assert_array_equal(read_sound(tmp_path / "a.wav", RATE), TUNE)
    with wave.open(str(tmp_path / "a.wav")) as plain:  # the strictest of readers
        assert (plain.getnchannels(), plain.getsampwidth(), plain.getframerate(), plain.getnframes()) == (
            1,
            2,
            RATE,
            len(TUNE),
        )
    assert struct.unpack("<H", (tmp_path / "a.wav").read_bytes()[20:22]) == (1,)  # format 1: PCM


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_become_16_bits_and_saturate(tmp_path: Path, dtype: type) -> None:
    write_sound(tmp_path / "a.wav", np.array([0, 0.5, 1.0, -1.0, 7.0], dtype), RATE)
    np.testing.assert_array_equal(read_sound(tmp_path / "a.wav", RATE), [0, 16_384, 32_767, -32_768, 32_767])


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros((3, 6), np.int16), r"shape \(3, 6\)"),  # a batch of sequences: 6 channels of 3 frames elsewhere
        (np.zeros((1, 661_500), np.int16), r"one channel"),
        (np.zeros(0, np.int16), "at least one sample"),  # length 0
        (np.zeros(9, np.int64), "int64"),  # elsewhere a file that nothing opens
        (np.array([0.0, np.nan]), "NaN"),
        (np.array([0.0, np.inf]), "infinite"),
    ],
)
def test_what_breaks_files_elsewhere_is_refused(tmp_path: Path, samples: np.ndarray, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        write_sound(tmp_path / "a.wav", samples, RATE)
    assert os.listdir(tmp_path) == []


def test_rates_that_no_player_knows_are_refused(tmp_path: Path) -> None:
    for rate in (0, -1, 1, 10_000_000):
        with pytest.raises(ValueError, match="rate is"):
            write_sound(tmp_path / "a.wav", TUNE, rate)


def test_a_disk_that_changes_data_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = soundfile.SoundFile.blocks

    def lie(sound: soundfile.SoundFile, *how: int, **more: str) -> Iterator[np.ndarray]:
        for block in blocks(sound, *how, **more):
            block[5] ^= 1
            yield block

    monkeypatch.setattr("soundfile.SoundFile.blocks", lie)
    with pytest.raises(MachineFailure, match="does not read back"):
        write_sound(tmp_path / "a.wav", TUNE, RATE)
    assert os.listdir(tmp_path) == []


def test_a_long_sound_is_written_block_by_block(tmp_path: Path) -> None:
    with writing(tmp_path / "a.wav", RATE) as write:
        for start in range(0, len(TUNE), 1000):
            write(TUNE[start : start + 1000])
            assert not (tmp_path / "a.wav").exists()
    assert np.array_equal(read_sound(tmp_path / "a.wav", RATE), TUNE)


def test_a_sound_that_breaks_off_leaves_what_was_there(tmp_path: Path) -> None:
    write_sound(tmp_path / "a.wav", TUNE, RATE)

    def break_off() -> None:
        with writing(tmp_path / "a.wav", RATE) as write:
            write(TUNE[:100])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()
    assert np.array_equal(read_sound(tmp_path / "a.wav", RATE), TUNE)
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_a_growing_sound_is_whole_at_every_moment(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"

    def break_off() -> None:
        with growing(path, RATE, len(TUNE)) as write:
            for end in range(1000, len(TUNE), 1000):
                write(TUNE[end - 1000 : end])
                assert np.array_equal(soundfile.read(path, dtype="int16")[0], TUNE[:end])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()
    assert np.array_equal(soundfile.read(path, dtype="int16")[0], TUNE[: (len(TUNE) - 1) // 1000 * 1000])


def test_a_sound_to_the_standard_output_is_a_wav(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with growing("-", RATE, len(TUNE)) as write:
        write(TUNE[:1000])
        write(TUNE[1000:])
    assert np.array_equal(soundfile.read(io.BytesIO(capfdbinary.readouterr().out), dtype="int16")[0], TUNE)


@pytest.mark.parametrize("open_file", [writing, partial(growing, length=10)])
def test_a_rate_that_is_none_is_refused(open_file: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="rate is 3 Hz"), open_file(tmp_path / "a.wav", 3):
        pass
    assert list(tmp_path.iterdir()) == []
