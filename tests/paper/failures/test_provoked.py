"""Each failure fails as it is said to with the naive way, and does not with ours."""

import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.io import wavfile

from fastgan.audio.files import read_sound
from fastgan.audio.health import examine
from fastgan.paper.failures import provoked as failures
from fastgan.paper.failures.provoked import FAILURES, LENGTH
from fastgan.paper.failures.readers import readings
from fastgan.paper.failures.short_training import RATE


def plays(path: Path) -> bool:
    """Whether both readers take it for two seconds of mono PCM of 16 bits."""
    with wave.open(str(path)) as piece:
        shape = piece.getnchannels(), piece.getsampwidth(), piece.getframerate(), piece.getnframes()
    found = soundfile.info(str(path))
    return shape == (1, 2, RATE, LENGTH) and (found.subtype, found.frames) == ("PCM_16", LENGTH)


def test_the_table_is_whole() -> None:
    assert len({failure.name for failure in FAILURES}) == len(FAILURES) == 7
    assert len({failure.provoke for failure in FAILURES}) == 7


def test_a_batch_is_a_file_of_no_length(tmp_path: Path) -> None:
    evidence = failures.zero_length(tmp_path)
    naive, cured = evidence.files
    assert soundfile.info(str(naive)).duration < 1e-3
    assert "3 frames of 6 channels (0.000136 s)" in evidence.failed
    assert "refuses (samples have shape (3, 6)" in evidence.cured
    assert plays(cured)


def test_a_cast_makes_silence(tmp_path: Path) -> None:
    evidence = failures.silent(tmp_path)
    naive, cured = evidence.files
    rate, samples = wavfile.read(naive)
    assert (rate, len(samples), samples.any()) == (RATE, LENGTH, False)
    assert "0 of 44,100 samples differ from 0: silent" in evidence.failed
    assert plays(cured)
    assert examine(read_sound(cured, RATE), RATE).ok


def test_integers_of_64_bits_do_not_open(tmp_path: Path) -> None:
    evidence = failures.integers_of_64_bits(tmp_path)
    naive, cured = evidence.files
    with pytest.raises(soundfile.LibsndfileError) as refusal:
        soundfile.info(str(naive))
    assert refusal.value.error_string.rstrip(".") in evidence.failed
    assert "refuses (samples are int64" in evidence.cured
    assert plays(cured)


def test_doubles_do_not_open_everywhere(tmp_path: Path) -> None:
    evidence = failures.doubles(tmp_path)
    naive, cured = evidence.files
    with pytest.raises(wave.Error) as refusal, wave.open(str(naive)):
        pass
    assert str(refusal.value) in evidence.failed
    assert "DOUBLE" in evidence.failed
    assert plays(cured)


def test_a_row_leaves_an_empty_file(tmp_path: Path) -> None:
    evidence = failures.one_row(tmp_path)
    naive, cured = evidence.files
    assert naive.stat().st_size == 0
    assert "leaves 0 bytes" in evidence.failed
    assert evidence.failed.count("refuses it") == 2
    assert "refuses (samples have shape (1, 44100)" in evidence.cured
    assert plays(cured)


def test_feedback_slides_one_way_and_is_named(tmp_path: Path) -> None:
    evidence = failures.one_way(tmp_path)
    above, below, noise = (np.diff(read_sound(path, RATE).astype(int)) for path in evidence.files)
    assert (above < 0).sum() > 100 > 0 == (above > 0).sum()
    assert (below > 0).sum() > 100 > 0 == (below < 0).sum()
    assert min((noise > 0).sum(), (noise < 0).sum()) > len(noise) / 4
    assert f"falls {(above < 0).sum():,} times" in evidence.failed
    assert evidence.cured.count("is named monotone") == 2


def test_short_sequences_whistle_at_their_seams(tmp_path: Path) -> None:
    evidence = failures.high_pitch(tmp_path)
    for path, words in zip(evidence.files, (evidence.failed, evidence.cured), strict=True):
        sound = read_sound(path, RATE)
        assert examine(sound, RATE).verdict in words
        strongest = np.abs(np.fft.rfft(sound - sound.mean())).argmax() * RATE / len(sound)
        whistles = min(abs(strongest - line) for line in (3675, 7350, 11_025)) < 1
        assert whistles == (path == evidence.files[0]) == ("whistle" in words)


def test_nothing_is_left_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    quick = [failure for failure in FAILURES if failure.provoke not in (failures.one_way, failures.high_pitch)]
    made = {path for failure in quick for path in failure.provoke(tmp_path / "a" / "b").files}
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == made
    assert len(made) == 10


def test_readers_tell_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros((50, 2)), 100, subtype="PCM_24")
    assert readings(path) == (
        "the wave module finds 50 frames of 2 channels (0.5 s), 24 bits; "
        "libsndfile finds 50 frames of 2 channels (0.5 s), PCM_24"
    )
    path.write_bytes(b"no sound at all")
    assert readings(path).count("refuses it") == 2


def test_a_folder_that_cannot_be_used_is_no_refusal_of_the_samples(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        failures.doubles(tmp_path / "file")
