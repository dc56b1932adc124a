"""The preset `music` from end to end, on made-up sound."""

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from fastgan.audio.health import examine
from fastgan.base.command import Interrupted
from fastgan.evaluate import main as evaluate
from fastgan.gan.checkpoint import annotate, load_checkpoint
from fastgan.gan.clock import Clock
from fastgan.gan.music import finale, stages, tuning
from fastgan.gan.music.sample import FOUND, Taste
from fastgan.generate import main as generate
from fastgan.train import main as train
from tests.conftest import RATE, write_songs

SMALL = (
    "--hidden 16 --latents 12 --window 6 --batch 3 --encoder-epochs 1 --fit-epochs 2 --epochs 2 --steps-per-epoch 3 "
    "--sample-seconds 1 --minutes 0"
).split()


LOW_RATE = 4_000


@pytest.fixture(autouse=True, scope="module")
def short() -> Iterator[None]:
    """Few and short clips are judged."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "JUDGED", 4)
        patch.setattr(stages, "JUDGED_S", 3.2)
        patch.setattr(stages, "PUPIL", 2)
        patch.setattr(finale, "MUSIC_S", 3.0)
        patch.setattr(tuning, "CHOSEN_BY", 4)
        patch.setattr(tuning, "TOGETHER", 2)
        patch.setattr(tuning, "JUDGED", 4)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight tunes in two genres."""
    return write_songs(tmp_path_factory.mktemp("songs"))


def rows(run: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def tensors(run: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(run / "checkpoint").tensors


@pytest.fixture(scope="module")
def run(folder: Path, short: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose generator has learnt next to nothing."""
    home = tmp_path_factory.mktemp("runs") / "run"
    assert train(["--data", str(folder), "--out", str(home), *SMALL]) == 0
    return home


@pytest.fixture(scope="module")
def without_game(folder: Path, short: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that ends with fit, at a fifth of the rate and of the work."""
    home = tmp_path_factory.mktemp("runs") / "without"
    told = [*SMALL, "--epochs", "0", "--rate", str(LOW_RATE)]
    assert train(["--data", str(folder), "--out", str(home), *told]) == 0
    return home


def test_three_stages_a_judgement_and_music(run: Path) -> None:
    log = rows(run)
    assert [(row["stage"], row["stage_epoch"]) for row in log] == [
        ("encoder", 1), ("fit", 1), ("fit", 2), ("game", 1), ("game", 2),
    ]  # fmt: skip
    assert log[0]["val_loss"] <= log[0]["linear_loss"]
    for row in log[1:]:
        assert {"kad", "variety", "newness", "val_loss"} <= row.keys()
        assert len(soundfile.read(run / str(row["sample"]))[0]) == RATE
    settings = json.loads((run / "config.json").read_text())["settings"]
    assert (settings["preset"], settings["encoder"]) == ("music", "spectral")
    assert (run / "report.html").stat().st_size > 50_000
    assert len(soundfile.read(run / "music.wav")[0]) == 3 * RATE
    assert (run / "music.png").is_file()
    made, choice = (json.loads((run / name).read_text()) for name in ("music.json", "choice.json"))
    assert (choice["kept"] == "game") == (choice["kad"]["game"] < choice["kad"]["fit"])
    assert (made["stage"], made["kad"]) == (choice["kept"], choice["kad"][choice["kept"]])
    best = load_checkpoint(run / "checkpoint", "best").state
    assert best["position"]["stage"] == choice["kept"]
    other = load_checkpoint(run / "checkpoint", "fit" if choice["kept"] == "game" else "game").state
    for name in FOUND:
        assert made[name] == best[name]
        assert 0.3 < other[name] / getattr(Taste.after(other["position"]["stage"]), name) < 3


def test_a_run_without_a_game_has_its_taste_and_its_music(without_game: Path) -> None:
    made = json.loads((without_game / "music.json").read_text())
    best = load_checkpoint(without_game / "checkpoint", "best").state
    assert made["stage"] == best["position"]["stage"] == "fit"
    assert [made[name] for name in FOUND] == [best[name] for name in FOUND]
    assert not (without_game / "choice.json").exists()


def test_a_resumed_run_is_the_run_that_never_stopped(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = ["--data", str(folder), *SMALL]
    check, calls = Clock.check, 0

    def stop_at(last: float) -> None:
        nonlocal calls
        calls = 0

        def counted(clock: Clock) -> None:
            nonlocal calls
            calls += 1
            if calls >= last:
                raise Interrupted
            check(clock)

        monkeypatch.setattr(Clock, "check", counted)

    stop_at(math.inf)
    assert train([*data, "--out", str(tmp_path / "whole")]) == 0
    parts = [0.6 * calls, 0.3 * calls]  # of what is left after the first
    stop_at(parts[0])
    assert train([*data, "--out", str(tmp_path / "parts")]) == 130
    stop_at(parts[1])
    assert train(["--resume", "--out", str(tmp_path / "parts")]) == 130
    stop_at(math.inf)
    assert train(["--resume", "--out", str(tmp_path / "parts")]) == 0
    one, other = tensors(tmp_path / "whole"), tensors(tmp_path / "parts")
    assert one.keys() == other.keys()
    assert [name for name, value in one.items() if not torch.equal(value, other[name])] == []
    for name in ("kad", "val_loss"):
        assert [row.get(name) for row in rows(tmp_path / "whole")] == [
            row.get(name) for row in rows(tmp_path / "parts")
        ]


def test_same_seed_same_music(run: Path, tmp_path: Path) -> None:
    made = {}
    for name, told in {"a": ["--seed", "3"], "b": ["--seed", "3"], "c": ["--seed", "4"]}.items():
        path = tmp_path / f"{name}.wav"
        assert generate([str(run), "--seconds", "4", "--out", str(path), "--checkpoint", "newest", *told]) == 0
        made[name] = soundfile.read(path, dtype="int16")[0]
    assert np.array_equal(made["a"], made["b"])
    assert not np.array_equal(made["a"], made["c"])
    assert len(made["a"]) == 4 * RATE


def test_music_is_level_whatever_the_generator_knows(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "music.wav"
    assert generate([str(run), "--seconds", "9", "--out", str(path), "--checkpoint", "newest"]) == 0
    sound = soundfile.read(path)[0]
    assert 0.05 < float(np.sqrt(np.square(sound).mean())) < 0.2
    assert np.abs(sound).max() < 1
    assert abs(float(sound.mean())) < 0.01
    assert not {"clipped", "DC offset", "silent"} & set(examine((sound * 32767).astype(np.int16), RATE).problems)


def test_genre_temperature_and_a_recording_to_go_on_from(run: Path, folder: Path, tmp_path: Path) -> None:
    made = []
    for told in (
        [],
        ["--genre", "Jazz"],
        ["--temperature", "0.5"],
        ["--style-strength", "2"],
        ["--prime", str(folder / "blues" / "0.wav")],
    ):
        path = tmp_path / f"{len(made)}.wav"
        assert generate([str(run), "--seconds", "2", "--out", str(path), "--checkpoint", "newest", *told]) == 0
        made.append(soundfile.read(path, dtype="int16")[0])
    assert all(not np.array_equal(made[0], other) for other in made[2:])


@pytest.mark.parametrize(
    ("told", "complaint"),
    [
        (["--genre", "polka"], "no genre 'polka' here; there are blues, jazz"),
        (["--how", "noise"], "--how is of runs on samples"),
        (["--prime", "nowhere.wav"], "nowhere.wav"),
    ],
)
def test_what_cannot_be_is_said(run: Path, told: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate([str(run), "--checkpoint", "newest", *told]) == 2
    assert complaint in capsys.readouterr().err


def test_a_silent_recording_is_nothing_to_go_on_from(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE, np.int16), RATE)
    assert generate([str(run), "--checkpoint", "newest", "--prime", str(tmp_path / "silent.wav")]) == 2
    assert "nothing to go on from" in capsys.readouterr().err


def test_a_run_on_samples_takes_no_genre(
    music: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = "--preset paper --hidden 4 --fit-epochs 1 --epochs 0 --steps-per-epoch 2 --sample-seconds 0.1".split()
    assert train(["--data", str(music(per_genre=2)), "--out", str(tmp_path / "run"), *told]) == 0
    assert generate([str(tmp_path / "run"), "--genre", "jazz"]) == 2
    assert "--genre is of runs on frames" in capsys.readouterr().err


def test_too_short_music_is_refused(
    music: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(["--data", str(music(seconds=0.5)), "--out", str(tmp_path / "run"), *SMALL]) == 2
    assert "music is judged by 3 s at a time, and the longest clip has 0.5 s" in capsys.readouterr().err


def test_the_summary_names_the_parts(capsys: pytest.CaptureFixture[str]) -> None:
    assert train(["--summary"]) == 0
    said = capsys.readouterr().out
    for part in ("SpectralEncoder", "FrameGenerator", "Critic", "lstm", "flow"):
        assert part in said


@pytest.mark.parametrize("elsewhere", [False, True])
def test_it_is_compared_with_its_music_and_with_what_its_encoder_rebuilds(
    run: Path, tmp_path: Path, elsewhere: bool
) -> None:
    sounds = tmp_path / "sounds" if elsewhere else run / "generated"
    assert generate([str(run), "--seconds", "3", "--count", "2", "--out", str(sounds), "--checkpoint", "newest"]) == 0
    told = ["--seconds", "3", "--clips", "2", "--out", str(tmp_path / "out")]
    assert evaluate([str(run), str(sounds if elsewhere else run), *told]) == 0
    found = json.loads((tmp_path / "out" / "evaluation.json").read_text())["sets"]
    panels = {one["name"]: one["panel"] for one in found}
    near, far = (
        abs(panels[name]["centroid_hz"] - panels["real, held out"]["centroid_hz"])
        for name in ("reconstruction", "white noise")
    )
    assert near < far


@pytest.mark.parametrize("name", FOUND)
def test_what_a_checkpoint_was_found_to_want_is_what_wishes_are_factors_of(
    run: Path, name: str, tmp_path: Path
) -> None:
    made = {}
    for called, found, told in (("usual", 1.0, 1.25), ("more", 1.25, 1.0), ("less", 0.8, 1.0)):
        copy = shutil.copytree(run, tmp_path / called)
        annotate(copy / "checkpoint", "best", {name: found})
        path = tmp_path / f"{called}.wav"
        wish = ["--seconds", "3", f"--{name.replace('_', '-')}", str(told), "--checkpoint", "best"]
        assert generate([str(copy), *wish, "--out", str(path)]) == 0
        made[called] = soundfile.read(path, dtype="int16")[0]
    assert np.array_equal(made["usual"], made["more"])
    assert not np.array_equal(made["usual"], made["less"])


def test_a_stream_grows_and_is_the_same_sound(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = [str(run), "--seconds", "6", "--checkpoint", "newest", "--out"]
    assert generate([*told, str(tmp_path / "a.wav")]) == 0
    assert generate([*told, str(tmp_path / "b.wav"), "--stream"]) == 0
    assert "first sound after" in capsys.readouterr().out
    assert (tmp_path / "a.wav").read_bytes()[44:] == (tmp_path / "b.wav").read_bytes()[44:]


def test_ten_minutes_take_no_more_memory_than_one(without_game: Path, tmp_path: Path) -> None:
    script = """if True:
        import resource, sys
        from fastgan.generate import main
        for seconds in ("60", "600"):
            assert main([*sys.argv[1:], "--seconds", seconds]) == 0
            print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    """
    told = [str(without_game), "--checkpoint", "newest", "--out", str(tmp_path / "a.wav")]
    done = subprocess.run([sys.executable, "-c", script, *told], capture_output=True, text=True, check=True)
    minute, ten = (int(line.split()[1]) * 1024 for line in done.stdout.splitlines() if line.startswith("peak"))
    assert soundfile.info(tmp_path / "a.wav").frames == 600 * LOW_RATE
    assert ten - minute < 8e6, "its magnitudes alone would take 19 MB"
