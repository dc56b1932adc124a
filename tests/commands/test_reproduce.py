"""The reproduction as a command: what is done stays done, and other settings are refused. The experiments themselves: tests/paper."""

import json

import pytest

from fastgan import reproduce
from fastgan.base.command import Interrupted
from fastgan.base.document import Text


@pytest.fixture
def experiments(monkeypatch):
    """Three that note when they run; the second is stopped the first time."""
    ran: list[str] = []

    def note(name):
        def run(setup):
            ran.append(name)
            if ran == ["first", "second one"]:
                raise Interrupted
            return {"epochs": list(setup.sizes.epochs), "steps": setup.sizes.steps}

        return "in words", run

    monkeypatch.setattr(reproduce, "EXPERIMENTS", {name: note(name) for name in ("first", "second one", "third")})
    monkeypatch.setattr(
        reproduce, "report", lambda setup, results, **rest: [Text(json.dumps(results)), Text(rest["command"])]
    )
    return ran


def test_it_goes_on_where_it_was_stopped(experiments, tmp_path, capsys):
    told = ["--out", str(tmp_path / "out"), "--epochs", "4, 2", "--steps-per-epoch", "7"]
    assert reproduce.main(told) == 130
    again = f"go on with: python -m fastgan.reproduce --out {tmp_path / 'out'} --epochs '4, 2' --steps-per-epoch 7"
    assert again in capsys.readouterr().err
    assert not (tmp_path / "out" / "report.html").exists()
    assert reproduce.main(told) == 0
    assert experiments == ["first", "second one", "second one", "third"]
    text = (tmp_path / "out" / "report.md").read_text()
    assert '"epochs": [2, 4], "steps": 7' in text
    assert (tmp_path / "out" / "report.html").exists()
    assert reproduce.main(told) == 0  # the report again
    assert len(experiments) == 4


def test_other_settings_are_refused(experiments, tmp_path, capsys):
    out = ["--out", str(tmp_path / "out")]
    assert reproduce.main(out) == 130
    assert reproduce.main([*out, "--seed", "1", "--epochs", "2"]) == 2
    assert (
        "begun with other settings: --epochs 2 (the run has 3,4,5,6,7,8,40,50), --seed 1 (the run has 0)"
        in capsys.readouterr().err
    )
    assert reproduce.main([*out, "--threads", "1"]) == 0


def test_a_folder_of_something_else_is_left_alone(experiments, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    assert reproduce.main(["--out", str(tmp_path)]) == 2
    assert "holds something else; choose another --out" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_damaged_result_is_named(experiments, tmp_path, capsys):
    out = ["--out", str(tmp_path / "out")]
    assert [reproduce.main(out), reproduce.main(out)] == [130, 0]
    (tmp_path / "out" / "results" / "second-one.json").write_text("{")
    assert reproduce.main(out) == 2
    assert "second-one.json is damaged" in capsys.readouterr().err
    (tmp_path / "out" / "results" / "second-one.json").unlink()
    assert reproduce.main(out) == 0


@pytest.mark.parametrize("epochs", ["", "0", "3,x", "3;4", "-1"])
def test_epochs_are_numbers(experiments, tmp_path, epochs, capsys):
    assert reproduce.main(["--out", str(tmp_path / "out"), "--epochs", epochs]) == 2
    assert "--epochs" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_music_is_found_from_another_folder(experiments, tmp_path, music, monkeypatch):
    music(per_genre=1, name="songs")
    monkeypatch.chdir(tmp_path)
    out = ["--out", str(tmp_path / "out")]
    assert reproduce.main([*out, "--data", "songs"]) == 130
    monkeypatch.chdir(tmp_path / "songs")
    assert reproduce.main([*out, "--data", "../songs"]) == 0
