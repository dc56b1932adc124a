"""The trainer from end to end, on made-up sound."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from fastgan.audio.files import read_sound
from fastgan.gan import tuning
from fastgan.gan.checkpoint import load_checkpoint
from fastgan.train import main
from tests.conftest import RATE

SMALL = (
    "--preset paper --hidden 10 --batch 8 --fit-epochs 2 --epochs 2 --steps-per-epoch 12 --sample-seconds 0.2".split()
)


PLAIN = ["--backend", "reference"]  # "auto" may be Triton's interpreter here, which takes minutes


def rows(run: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def weights(run: Path, which: str = "newest") -> dict[str, torch.Tensor]:
    return load_checkpoint(run / "checkpoint", which).tensors


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture
def trained(music: Callable[..., Path], tmp_path: Path) -> Path:
    assert main(["--data", str(music()), "--out", str(tmp_path / "run"), *SMALL]) == 0
    return tmp_path / "run"


def test_one_command_leaves_all_that_is_promised(
    music: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = tmp_path / "run"
    assert main(["--data", str(music()), "--out", str(trained), *SMALL]) == 0
    config = json.loads((trained / "config.json").read_text())
    assert config["settings"]["window"] == 6
    assert config["corpus"] | {"seconds": 0, "digest": ""} == {
        "clips": 8, "train_clips": 7, "held_out_clips": 1, "seconds": 0, "genres": {"blues": 4, "jazz": 4}, "skipped": 0, "digest": "",
    }  # fmt: skip
    log = rows(trained)
    assert [(row["epoch"], row["stage"], row["stage_epoch"]) for row in log] == [
        (1, "fit", 1), (2, "fit", 2), (3, "game", 1), (4, "game", 2),
    ]  # fmt: skip
    fit, game = log[0], log[2]
    assert fit.keys() >= {"loss", "accuracy", "val_loss", "val_accuracy", "zero_share", "val_zero_share", "linear_mse"}
    assert game.keys() >= {"d_loss", "g_loss", "accuracy_real", "accuracy_fake", "val_g_loss"}
    assert all(row.keys() >= {"seconds", "windows_per_s", "steps", "health"} for row in log)
    for row in log:
        sound = read_sound(trained / str(row["sample"]), RATE)
        assert len(sound) == round(0.2 * RATE)
        assert (trained / str(row["sample"]).replace(".wav", ".png")).read_bytes()[:4] == b"\x89PNG"
    assert any((trained / "events").iterdir())
    assert "<audio" in (trained / "report.html").read_text()
    said = capsys.readouterr().out
    assert "stage" in said
    assert "fit" in said
    assert "python -m fastgan.generate" in said


def test_keras_accuracy_is_the_share_of_zeros(trained: Path) -> None:
    for row in rows(trained)[:2]:
        assert row["accuracy"] == pytest.approx(row["zero_share"], abs=1e-6)
        assert row["val_accuracy"] == pytest.approx(row["val_zero_share"], abs=1e-6)


def test_best_is_the_lowest_held_out_loss_of_the_last_stage(trained: Path) -> None:
    log = rows(trained)[2:]
    best = min(log, key=lambda row: float(str(row["val_g_loss"])))
    state = load_checkpoint(trained / "checkpoint", "best").state
    assert state["position"]["epoch"] == best["epoch"]
    assert state["position"]["best"] == best["val_g_loss"]


def test_same_seed_same_bits(music: Callable[..., Path], tmp_path: Path) -> None:
    data = str(music())
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        torch.manual_seed(hash(name))
        assert main(["--data", data, "--out", str(tmp_path / name), "--seed", seed, *SMALL]) == 0
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not same(weights(tmp_path / "a"), weights(tmp_path / "c"))
    timeless = [{k: v for k, v in row.items() if k not in ("seconds", "windows_per_s")} for row in rows(tmp_path / "a")]
    assert timeless == [
        {k: v for k, v in row.items() if k not in ("seconds", "windows_per_s")} for row in rows(tmp_path / "b")
    ]


@pytest.mark.parametrize(
    "extra",
    [
        ["--encoder", "conv", "--encoder-epochs", "1", "--window", "4"],
        ["--dtype", "float64"],
        ["--backend", "reference"],
    ],
)
def test_other_settings_train_too(music: Callable[..., Path], tmp_path: Path, extra: list[str]) -> None:
    assert main(["--data", str(music()), "--out", str(tmp_path / "run"), *SMALL, *extra]) == 0
    log = rows(tmp_path / "run")
    assert log[0]["stage"] == ("encoder" if "conv" in extra else "fit")
    assert all(np.isfinite(float(str(row.get("val_loss", row.get("val_g_loss"))))) for row in log)


def test_stages_may_be_left_out(music: Callable[..., Path], tmp_path: Path) -> None:
    data = str(music())
    assert main(["--data", data, "--out", str(tmp_path / "fit"), *SMALL, "--epochs", "0"]) == 0
    assert {row["stage"] for row in rows(tmp_path / "fit")} == {"fit"}
    assert main(["--data", data, "--out", str(tmp_path / "game"), *SMALL, "--fit-epochs", "0"]) == 0
    assert {row["stage"] for row in rows(tmp_path / "game")} == {"game"}


def test_an_epoch_is_once_over_all_windows(music: Callable[..., Path], tmp_path: Path) -> None:
    data = music(per_genre=1, seconds=0.05)
    arguments = [
        "--preset",
        "paper",
        "--data",
        str(data),
        "--out",
        str(tmp_path / "run"),
        "--hidden",
        "4",
        "--fit-epochs",
        "1",
        "--epochs",
        "1",
    ]
    assert main([*arguments, "--sample-seconds", "0.2"]) == 0
    steps = [row["steps"] for row in rows(tmp_path / "run")]
    assert steps == [183 // 32, 183 // 32]  # one clip of 1,102 samples: 183 windows of 6 with the value after them


def test_the_built_in_corpus_needs_no_data(tmp_path: Path) -> None:
    assert (
        main(["--clips", "4", "--seconds", "1", "--genres", "jazz,rock", "--out", str(tmp_path / "run"), *SMALL]) == 0
    )
    assert json.loads((tmp_path / "run" / "config.json").read_text())["corpus"]["genres"] == {"jazz": 2, "rock": 2}


def test_bad_files_end_up_in_the_quarantine(music: Callable[..., Path], tmp_path: Path) -> None:
    data = music()
    (data / "jazz" / "jazz.00054.wav").write_bytes(b"words" * 50)
    soundfile.write(data / "jazz" / "short.wav", np.ones(5, np.int16), RATE)
    soundfile.write(data / "jazz" / "twin.wav", read_sound(data / "jazz" / "jazz.00001.wav", RATE), RATE)
    assert main(["--data", str(data), "--out", str(tmp_path / "run"), *SMALL]) == 0
    quarantine = json.loads((tmp_path / "run" / "quarantine.json").read_text())
    assert [bad["file"] for bad in quarantine["skipped"]] == ["jazz/jazz.00054.wav", "jazz/short.wav"]
    assert quarantine["noted"] == [{"file": "jazz/twin.wav", "note": "the same sound as jazz/jazz.00001.wav"}]


def test_summary_prints_table_4_and_trains_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["--preset", "paper", "--summary"]) == 0
    assert capsys.readouterr().out.count("198,273") == 4
    assert os.listdir(tmp_path) == []


def test_runs_are_numbered_when_no_folder_is_named(
    music: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = str(music())
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert main(["--data", data, *SMALL, "--epochs", "0"]) == 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["paper-001", "paper-002"]


# Resuming: the weights of a run that was stopped are those of one that never was.

STEPS = [
    "--preset",
    "paper",
    "--hidden",
    "10",
    "--batch",
    "8",
    "--fit-epochs",
    "2",
    "--epochs",
    "2",
    "--steps-per-epoch",
    "60",
    "--sample-seconds",
    "0.2",
]


def start(data: Path, out: Path, *more: str) -> "subprocess.Popen[str]":
    command = [
        sys.executable,
        "-m",
        "fastgan.train",
        "--data",
        str(data),
        "--out",
        str(out),
        "--save-every",
        "0.02",
        *STEPS,
        *more,
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(out: Path, stage: str, step: int, process: "subprocess.Popen[str]") -> None:
    """Until a checkpoint of that stage and step, or a later one, is there."""
    while process.poll() is None:
        for path in (out / "checkpoint").glob(f"{stage}-*-*"):
            if int(path.name.split("-")[-1]) >= step:
                return
        time.sleep(0.002)


def test_killed_at_several_moments_the_weights_are_the_same(music: Callable[..., Path], tmp_path: Path) -> None:
    data = music()
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert main(["--data", str(data), "--out", str(whole), *STEPS]) == 0
    process = start(data, killed)
    moments = [("fit", 5), ("fit", 70), ("game", 3), ("game", 61)]
    deaths = 0
    for stage, step in moments:
        wait_for(killed, stage, step, process)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            deaths += 1
        process.wait()
        process = subprocess.Popen(
            [sys.executable, "-m", "fastgan.train", "--resume", "--out", str(killed), "--save-every", "0.02"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    _, complaint = process.communicate()
    assert process.returncode == 0, complaint
    assert deaths >= 2
    assert same(weights(whole), weights(killed))
    assert same(weights(whole, "best"), weights(killed, "best"))
    timeless = [
        [{k: v for k, v in row.items() if k not in ("seconds", "windows_per_s")} for row in rows(run)]
        for run in (whole, killed)
    ]
    assert timeless[0] == timeless[1]
    assert [list(row) for row in timeless[0]] == [list(row) for row in timeless[1]]  # columns in their order, too
    for row in rows(whole):
        assert (whole / str(row["sample"])).read_bytes() == (killed / str(row["sample"])).read_bytes()


def test_killed_before_the_first_checkpoint(music: Callable[..., Path], tmp_path: Path) -> None:
    data = music()
    process = start(data, tmp_path / "run")
    while not (tmp_path / "run" / "config.json").exists() and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert main(["--resume", "--out", str(tmp_path / "run")]) == 0
    assert main(["--data", str(data), "--out", str(tmp_path / "whole"), *STEPS]) == 0
    assert same(weights(tmp_path / "run"), weights(tmp_path / "whole"))


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_saves_and_says_how_to_go_on(music: Callable[..., Path], tmp_path: Path, which: signal.Signals) -> None:
    data = music()
    process = start(data, tmp_path / "run", "--save-every", "1000", "--steps-per-epoch", "100000")
    time.sleep(0.1)
    while not (tmp_path / "run" / "run.lock").exists() and process.poll() is None:
        time.sleep(0.01)
    time.sleep(1.5)
    process.send_signal(which)
    said, complaint = process.communicate(timeout=60)
    assert process.returncode == 130, complaint
    assert f"python -m fastgan.train --resume --out {tmp_path / 'run'}" in complaint
    assert "Traceback" not in said + complaint
    assert load_checkpoint(tmp_path / "run" / "checkpoint").state["position"]["epoch_step"] > 0
    assert (tmp_path / "run" / "report.html").exists()


def test_a_finished_run_resumes_to_nothing_and_may_be_longer(trained: Path) -> None:
    before = weights(trained)
    assert main(["--resume", "--out", str(trained)]) == 0
    assert same(before, weights(trained))
    assert main(["--resume", "--out", str(trained), "--epochs", "3"]) == 0
    assert [row["epoch"] for row in rows(trained)] == [1, 2, 3, 4, 5]
    assert not same(before, weights(trained))
    before = weights(trained)
    assert main(["--resume", "--out", str(trained), "--epochs", "0"]) == 0  # a stage that is over is not begun again
    assert same(before, weights(trained))


def test_minutes_end_in_time_with_every_stage_seen(music: Callable[..., Path], tmp_path: Path) -> None:
    data = music()
    began = time.monotonic()
    assert start(data, tmp_path / "short", "--fit-epochs", "1", "--epochs", "1", "--steps-per-epoch", "1").wait() == 0
    shortest = time.monotonic() - began  # imports, and the ends of two epochs: what this machine needs for them today
    began = time.monotonic()
    process = start(data, tmp_path / "run", "--minutes", "0.2", "--steps-per-epoch", "10000000", "--batch", "32")
    _, complaint = process.communicate(timeout=240)
    assert process.returncode == 0, complaint
    assert time.monotonic() - began < 0.2 * 60 + 3 + shortest
    log = rows(tmp_path / "run")
    assert {row["stage"] for row in log} == {"fit", "game"}
    assert all(row["stopped_early"] for row in log)
    assert (tmp_path / "run" / "report.html").exists()


def test_plain_lines_when_nobody_watches(music: Callable[..., Path], tmp_path: Path) -> None:
    process = start(music(), tmp_path / "run")
    said, _ = process.communicate()
    assert "\x1b" not in said
    assert "\r" not in said
    assert sum(line.startswith(("fit ", "game ")) for line in said.splitlines()) == 4


def test_the_batch_may_be_left_to_the_machine(
    music: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tuning, "_TIMED", 0.01)
    out = tmp_path / "run"
    arguments = ["--data", str(music()), "--out", str(out), *SMALL, "--batch", "auto", "--epochs", "1"]
    assert main(arguments) == 0
    settings = json.loads((out / "config.json").read_text())["settings"]
    assert settings["batch"] % 32 == 0
    assert settings["lr"] == pytest.approx(1e-3 * (settings["batch"] / 32) ** 0.5)
    assert "learning rate" in capsys.readouterr().out
    assert main(["--resume", "--out", str(out), "--batch", "auto", "--epochs", "2"]) == 0  # stays what it was
    assert json.loads((out / "config.json").read_text())["settings"]["batch"] == settings["batch"]
    assert main([*arguments[:-4], "--batch", "auto", "--lr", "0.002", "--out", str(tmp_path / "other")]) == 0
    assert json.loads((tmp_path / "other" / "config.json").read_text())["settings"]["lr"] == 0.002


def test_bfloat16_trains_weights_in_float32(music: Callable[..., Path], tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert main(["--data", str(music()), "--out", str(out), *SMALL, "--precision", "bfloat16", *PLAIN]) == 0
    assert weights(out)["generator.lstm.weight_hh_l0"].dtype == torch.float32
    assert all(np.isfinite(float(str(row.get("val_loss", row.get("val_g_loss"))))) for row in rows(out))
