"""Everything a user may do wrong: a clear message with what to do, no traceback, nothing lost, the right exit code."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from fastgan.audio.files import read_sound
from fastgan.gan.checkpoint import load_checkpoint
from fastgan.generate import main as generate
from fastgan.train import main as train
from tests.conftest import RATE, tune

SMALL = "--preset paper --hidden 8 --batch 8 --fit-epochs 1 --epochs 1 --steps-per-epoch 5 --sample-seconds 0.1".split()
Say = Callable[..., tuple[int, str]]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Say:
    """Run the trainer and give its exit code and what it said on standard error."""

    def run(*arguments: object, out: Path | None = None) -> tuple[int, str]:
        code = train([*SMALL, "--out", str(out or tmp_path / "run"), *map(str, arguments)])
        return code, capsys.readouterr().err

    return run


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small trained run, to be copied before it is harmed."""
    home = tmp_path_factory.mktemp("finished")
    (home / "music").mkdir()
    for number in range(4):
        soundfile.write(home / "music" / f"{number}.wav", tune(0.5, seed=number), RATE)
    os.environ["FASTGAN_CACHE"] = str(home / "cache")
    try:
        assert train([*SMALL, "--data", str(home / "music"), "--out", str(home / "run")]) == 0
    finally:
        del os.environ["FASTGAN_CACHE"]
    return home


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished / "run", tmp_path / "trained"))


# Folders and files.


def test_folders_without_music(say: Say, tmp_path: Path) -> None:
    assert say("--data", tmp_path / "nowhere") == (
        2,
        f"fastgan.train: no folder {tmp_path / 'nowhere'}; give a folder of wav, flac, ogg, mp3, au or aiff files\n",
    )
    (tmp_path / "empty").mkdir()
    code, said = say("--data", tmp_path / "empty")
    assert code == 2
    assert "it holds nothing" in said
    (tmp_path / "file.wav").write_bytes(b"x")
    code, said = say("--data", tmp_path / "file.wav")
    assert (code, "is a file; give the folder that holds it" in said) == (2, True)
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_folder_that_others_may_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    (secret / "rock").mkdir(parents=True)
    (secret / "rock" / "a.wav").write_bytes(b"RIFF")
    (secret / "rock").chmod(0o000)
    code = "import os, sys\nfrom fastgan.audio.folder import list_sounds\nfrom fastgan.base.command import finish\n"
    code += "from pathlib import Path\nos.setuid(65534)\nsys.exit(finish('x', lambda: list_sounds(Path(sys.argv[1])) and 0))"
    for folder in [tmp_path, *tmp_path.parents][:3]:
        folder.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", code, secret], capture_output=True, text=True)
    assert done.returncode == 2
    assert "Permission denied" in done.stderr
    assert "Traceback" not in done.stderr


def bad_files() -> dict[str, Callable[[Path], object]]:
    def nan(path: Path) -> None:
        sound = tune(0.2) / 32_768
        sound[7] = np.nan
        soundfile.write(path, sound, RATE, subtype="FLOAT")

    def header(path: Path) -> None:
        soundfile.write(path, tune(0.2), RATE)
        path.write_bytes(path.read_bytes()[:44])

    return {
        "zero_frames.wav": lambda path: soundfile.write(path, np.zeros(0, np.int16), RATE),
        "header_only.wav": header,
        "words.mp3": lambda path: path.write_text("words" * 100),
        "nothing.flac": lambda path: path.write_bytes(b""),
        "nan.wav": nan,
        "infinite.wav": lambda path: soundfile.write(path, np.array([0.1, -np.inf]), RATE, subtype="DOUBLE"),
        "one_hertz.wav": lambda path: soundfile.write(path, tune(0.2), 1),
        "megahertz.wav": lambda path: soundfile.write(path, tune(0.2), 1_000_000),
        "too_short.wav": lambda path: soundfile.write(path, tune(0.2)[:3], RATE),
    }


def test_only_bad_files(say: Say, tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    for name, make in bad_files().items():
        make(tmp_path / "music" / name)
    (tmp_path / "music" / "too_short.wav").unlink()
    code, said = say("--data", tmp_path / "music")
    assert code == 2
    assert "none of the 8 sound files" in said
    assert all(name in said for name in bad_files() if name != "too_short.wav")


def test_bad_files_among_good_ones_are_listed(say: Say, music: Callable[..., Path], tmp_path: Path) -> None:
    folder = music()
    for name, make in bad_files().items():
        make(folder / "jazz" / name)
    good = {
        "surround.wav": np.stack([tune(0.5)] * 8, axis=1),
        "renamed.mp3": tune(0.5),
        os.fsdecode(b"caf\xe9.wav"): tune(0.5),
    }
    for name, samples in good.items():
        soundfile.write(os.fsencode(folder / "jazz" / name), samples, RATE, format="WAV")
    soundfile.write(folder / "jazz" / "cut.wav", tune(0.5), RATE)
    os.truncate(folder / "jazz" / "cut.wav", 9_000)
    os.symlink(folder, folder / "blues" / "loop")
    code, said = say("--data", folder)
    assert (code, said) == (0, "")
    quarantine = json.loads((tmp_path / "run" / "quarantine.json").read_text())
    assert {Path(bad["file"]).name for bad in quarantine["skipped"]} == set(bad_files())
    assert all(len(bad["reason"]) > 20 for bad in quarantine["skipped"])
    assert [Path(note["file"]).name for note in quarantine["noted"] if "damaged" in note["note"]] == ["cut.wav"]
    assert json.loads((tmp_path / "run" / "config.json").read_text())["corpus"]["clips"] == 8 + 3 + 1


def test_clips_shorter_than_a_window(say: Say, music: Callable[..., Path]) -> None:
    code, said = say("--data", music(seconds=0.05), "--window", 5000)
    assert code == 2
    assert "the longest has 1,102; take a smaller --window" in said
    code, said = say("--data", music(seconds=0.05), "--window", 300, "--batch", 100)
    assert code == 2
    assert "less than one batch of 100; take a smaller batch" in said


# Options.


@pytest.mark.parametrize(
    ("option", "value"),
    [(option, value) for option in ("window", "batch", "rate", "hidden") for value in (0, -1, 10**15)]
    + [
        ("clips", -1),
        ("clips", 10**15),
        ("clips", 5000),
        ("seed", -1),
        ("minutes", -1),
        ("minutes", "nan"),
        ("lr", -1),
        ("lr", "inf"),
    ]
    + [
        ("fit-epochs", -1),
        ("steps-per-epoch", -3),
        ("sample-seconds", 0),
        ("window", "six"),
        ("batch", "1.5"),
        ("seconds", 0),
    ],
)
def test_numbers_that_make_no_sense(
    say: Say, music: Callable[..., Path], tmp_path: Path, option: str, value: object
) -> None:
    code, said = say("--data", music(), f"--{option}={value}")
    assert code == 2
    assert f"--{option}" in said or "clips wanted" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--genres", "polka"], "no genre 'polka' here; there are blues, jazz"),
        (["--windw", "7"], "did you mean --window"),
        (["--encoder", "transformer"], "invalid choice: 'transformer'"),
        (["--preset", "musik"], "invalid choice: 'musik'"),
        (["--device", "cuda:99"], "use --device cpu"),
        (["--device", "toaster"], "no device 'toaster'"),
        (["--backend", "cuda"], "--backend cuda cannot run here"),
        (["--backend", "abacus"], "invalid choice"),
        (["--wiNdow"], "unrecognized"),
    ],
)
def test_words_that_make_no_sense(say: Say, music: Callable[..., Path], arguments: list[str], message: str) -> None:
    code, said = say("--data", music(), *arguments)
    assert code == 2
    assert message in said


# The output folder.


def test_an_output_folder_in_use_keeps_what_it_holds(
    say: Say, music: Callable[..., Path], run: Path, tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    code, said = say("--data", music(), out=run)
    assert code == 2
    assert "holds a run; continue it with --resume, or choose another --out" in said
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.txt").write_text("x")
    code, said = say("--data", music(), out=tmp_path / "papers")
    assert (code, "is not empty and holds no run" in said) == (2, True)
    code, said = say("--data", music(), out=Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")))
    assert (code, "caf\\xe9 is not UTF-8; choose another --out" in said) == (2, True)
    code, said = say("--data", music(), out=tmp_path / "papers" / "thesis.txt")
    assert (code, "is a file; choose a folder" in said) == (2, True)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder that refuses even root")
def test_an_output_folder_that_cannot_be_written(say: Say, music: Callable[..., Path]) -> None:
    code, said = say("--data", music(), out=Path("/proc/nobody/can/write"))
    assert code == 2
    assert "choose a path that you may use" in said


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MB, where this machine lets us have one."""
    (tmp_path / "disk").mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", tmp_path / "disk"], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"no tmpfs here: {done.stderr.strip()}")
    yield tmp_path / "disk"
    subprocess.run(["umount", tmp_path / "disk"], check=True)


def test_a_full_disk_under_the_cache(
    say: Say, music: Callable[..., Path], small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTGAN_CACHE", str(small_disk))
    code, said = say("--data", music(per_genre=10, seconds=5))
    assert code == 1
    assert "No space left" in said
    assert "free some space" in said
    assert sum(path.stat().st_size for path in small_disk.rglob("*") if path.is_file()) == 0  # nothing half-made stays


def test_a_full_disk_under_the_run_loses_nothing(
    say: Say, music: Callable[..., Path], small_disk: Path, tmp_path: Path
) -> None:
    data, out = music(), small_disk / "run"
    code, said = say("--data", data, "--epochs", 10_000, "--hidden", 64, out=out)
    assert code == 1
    assert "free some space" in said
    assert said.count("\n") == 1
    subprocess.run(["mount", "-o", "remount,size=40m", small_disk], check=True)  # the user makes room
    code, said = say("--resume", "--epochs", 3, "--hidden", 64, out=out)
    assert (code, said) == (0, "")
    assert (
        train([*SMALL, "--hidden", "64", "--data", str(data), "--epochs", "3", "--out", str(tmp_path / "whole")]) == 0
    )
    whole, full = (load_checkpoint(folder / "checkpoint").tensors for folder in (tmp_path / "whole", out))
    assert all(torch.equal(whole[name], full[name]) for name in whole)  # as if the disk had never been full


def test_a_full_disk_under_a_new_piece(run: Path, small_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate([str(run), "--seconds", "120", "--out", str(small_disk / "a.wav")]) == 1
    assert "free some space" in capsys.readouterr().err
    assert list(small_disk.iterdir()) == []


# Checkpoints and resuming.


def harmed(run: Path, how: str) -> None:
    home = run / "checkpoint" / json.loads((run / "checkpoint" / "index.json").read_text())["newest"]
    state, tensors = home / "state.json", home / "tensors.safetensors"
    if how == "truncated":
        os.truncate(tensors, 1000)
    elif how == "pickle":
        tensors.write_bytes(pickle.dumps({"weights": [1, 2]}))
    elif how == "version":
        state.write_text(json.dumps(json.loads(state.read_text()) | {"format": 2}))
    elif how == "shape":
        value = json.loads(state.read_text())
        value["settings"]["hidden"] = 9
        state.write_text(json.dumps(value))
        config = json.loads((run / "config.json").read_text())
        config["settings"]["hidden"] = 9
        (run / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("truncated", "is damaged (1,000 bytes, wrong checksum)"),
        ("pickle", "is a pickle"),
        ("version", "has format 2, this version reads 1"),
        ("shape", "needs (36, 1)"),
    ],
)
def test_checkpoints_that_cannot_be_used(
    run: Path, say: Say, capsys: pytest.CaptureFixture[str], how: str, message: str
) -> None:
    harmed(run, how)
    code, said = say("--resume", "--hidden", 9 if how == "shape" else 8, out=run)
    assert (code, message in said) == (2, True), said
    assert generate([str(run), "--seconds", "0.1"]) == 2
    assert message in capsys.readouterr().err


def test_resuming_with_other_settings_names_them(say: Say, run: Path, music: Callable[..., Path]) -> None:
    before = (run / "log.jsonl").read_bytes()
    code, said = say("--resume", "--window", 8, "--seed", 5, out=run)
    assert code == 2
    assert "--window 8 (the run has 6), --seed 5 (the run has 0); leave them out" in said
    code, said = say("--resume", "--data", music(), out=run)
    assert (code, "--data" in said) == (2, True)
    assert (run / "log.jsonl").read_bytes() == before


def test_resuming_what_is_not_there(say: Say, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = say("--resume", out=tmp_path / "nowhere")
    assert (code, "no run in" in said) == (2, True)
    assert train(["--resume"]) == 2
    assert "--resume needs --out" in capsys.readouterr().err


def test_resuming_when_the_music_changed(say: Say, finished: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = json.loads((run / "config.json").read_text())
    assert config["corpus"]["train_clips"] == 3
    extra = finished / "music" / "extra.wav"
    soundfile.write(extra, tune(0.5, seed=77), RATE)
    try:
        code, said = say("--resume", "--epochs", 2, out=run)
    finally:
        extra.unlink()
    assert code == 2
    assert "the music has changed" in said


def test_damaged_settings_and_logs(say: Say, run: Path) -> None:
    log = (run / "log.jsonl").read_text()
    (run / "log.jsonl").write_text(log + '{"epoch": 3, "torn')  # a killed process: cut off, and gone on with
    assert say("--resume", "--epochs", 2, out=run)[0] == 0
    (run / "log.jsonl").write_text("{torn\n" + log)
    code, said = say("--resume", "--epochs", 3, out=run)
    assert (code, "damaged in line 1" in said) == (2, True)
    (run / "config.json").write_text("{")
    code, said = say("--resume", out=run)
    assert (code, "config.json is damaged" in said) == (2, True)


def test_two_processes_do_not_share_a_run(say: Say, run: Path) -> None:
    import filelock

    with filelock.FileLock(run / "run.lock"):
        code, said = say("--resume", "--epochs", 2, out=run)
    assert code == 2
    assert "in use by another process" in said


# Making music.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seconds", "0"], "--seconds is 0.0"),
        (["--seconds", "-3"], "--seconds"),
        (["--count", "0"], "--count is 0"),
        (["--count", "2", "--out", "a.wav"], "is one file and --count is 2; give a folder"),
        (["--device", "cuda:7"], "use --device cpu"),
        (["--backend", "cuda"], "cannot run here"),
        (["--checkpoint", "worst"], "invalid choice"),
        (["--out", "/proc/nobody/x.wav"], "choose a path that you may use"),
    ],
)
def test_what_cannot_be_made(run: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert generate([str(run), *arguments]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_music_from_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate([str(tmp_path / "nowhere")]) == 2
    assert "train first, or give the folder of a run" in capsys.readouterr().err
    assert generate([]) == 2
    assert "RUN" in capsys.readouterr().err


def test_an_existing_file_is_replaced_whole(run: Path, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("old")
    assert generate([str(run), "--seconds", "0.1", "--out", str(tmp_path / "a.wav")]) == 0
    assert len(read_sound(tmp_path / "a.wav", RATE)) == round(0.1 * RATE)
