import json
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fastgan.audio.files import read_sound
from fastgan.generate import main
from fastgan.train import main as train
from tests.conftest import RATE, tune

SMALL = "--preset paper --hidden 8 --batch 8 --fit-epochs 1 --steps-per-epoch 8 --sample-seconds 0.1".split()


@pytest.fixture(scope="module", params=["paper", "fit only", "encoder"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("run")
    (home / "music").mkdir()
    for number in range(4):
        soundfile.write(home / "music" / f"{number}.wav", tune(0.5, seed=number), RATE)
    more = {
        "paper": [],
        "fit only": ["--epochs", "0"],
        "encoder": ["--encoder", "conv", "--encoder-epochs", "1", "--window", "3"],
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASTGAN_CACHE", str(home / "cache"))
        assert (
            train(
                [
                    *SMALL,
                    "--epochs",
                    "1",
                    *more[request.param],
                    "--data",
                    str(home / "music"),
                    "--out",
                    str(home / "run"),
                ]
            )
            == 0
        )
    return home / "run"


@pytest.mark.parametrize("seconds", ["0.001", "0.1", "1.2345"])
def test_any_length_playable_by_the_strictest_reader(run: Path, tmp_path: Path, seconds: str) -> None:
    assert main([str(run), "--seconds", seconds, "--out", str(tmp_path / "a.wav")]) == 0
    with wave.open(str(tmp_path / "a.wav")) as piece:
        assert (piece.getnchannels(), piece.getsampwidth(), piece.getframerate()) == (1, 2, RATE)
        assert piece.getnframes() == round(float(seconds) * RATE)


def test_the_checkpoint_alone_is_enough(run: Path, tmp_path: Path) -> None:
    alone = tmp_path / "elsewhere"
    (run / "checkpoint").rename(alone)
    try:
        assert main([str(alone), "--seconds", "0.1", "--out", str(tmp_path / "a.wav")]) == 0
    finally:
        alone.rename(run / "checkpoint")
    assert main([str(run), "--seconds", "0.1", "--out", str(tmp_path / "b.wav")]) == 0
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


def test_many_pieces_go_into_a_folder_and_differ(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(run), "--seconds", "0.1", "--count", "3", "--out", str(tmp_path / "new" / "pieces")]) == 0
    pieces = sorted((tmp_path / "new" / "pieces").iterdir())
    assert [piece.name for piece in pieces] == [f"seed0-{n:03d}.wav" for n in (1, 2, 3)]
    assert len({piece.read_bytes() for piece in pieces}) == 3
    assert capsys.readouterr().out.count("0.10 s") == 3  # each line names the file, its length and its health


def test_the_seed_decides(run: Path, tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert main([str(run), "--seconds", "0.1", "--seed", seed, "--out", str(tmp_path / f"{name}.wav")]) == 0
    a, b, c = (read_sound(tmp_path / f"{name}.wav", RATE) for name in "abc")
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_every_way_and_both_checkpoints(run: Path, tmp_path: Path) -> None:
    for how in ("noise", "feedback", "carried"):
        for which in ("newest", "best"):
            out = tmp_path / f"{how}-{which}.wav"
            assert main([str(run), "--seconds", "0.1", "--how", how, "--checkpoint", which, "--out", str(out)]) == 0
            assert len(read_sound(out, RATE)) == round(0.1 * RATE)
    stage = json.loads((run / "log.jsonl").read_text().splitlines()[-1])["stage"]
    assert main([str(run), "--seconds", "0.1", "--out", str(tmp_path / "auto.wav")]) == 0
    same_as = tmp_path / ("noise-newest.wav" if stage == "game" else "feedback-newest.wav")
    assert (tmp_path / "auto.wav").read_bytes() == same_as.read_bytes()


def test_without_out_it_lies_in_the_run(run: Path) -> None:
    assert main([str(run), "--seconds", "0.1", "--seed", "7"]) == 0
    assert (run / "generated" / "seed7-001.wav").exists()


def test_a_stream_is_the_same_sound(run: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    told = [str(run), "--seconds", "0.1", "--out"]
    assert main([*told, str(tmp_path / "a.wav")]) == 0
    assert main([*told, str(tmp_path / "b.wav"), "--stream"]) == 0
    assert b"first sound after" in capfdbinary.readouterr().out
    assert main([*told, "-"]) == 0
    (tmp_path / "c.wav").write_bytes(capfdbinary.readouterr().out)
    sounds = [read_sound(tmp_path / f"{name}.wav", RATE) for name in "abc"]
    assert all(np.array_equal(sounds[0], sound) for sound in sounds)


def test_two_pieces_do_not_fit_the_standard_output(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(run), "--out", "-", "--count", "2"]) == 2
    assert "--out - is one sound and --count is 2; give a folder" in capsys.readouterr().err
