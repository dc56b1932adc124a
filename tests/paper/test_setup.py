"""What the experiments run on: the clips are those that the trainer chooses."""

import json

import pytest

from fastgan.base.errors import BadInput
from fastgan.gan.clock import Clock
from fastgan.paper.setup import SCALES, Setup
from fastgan.train import main as train


def setup(tmp_path, data="", genres=()):
    return Setup(tmp_path / "out", str(data), genres, 3, SCALES["small"], "cpu", 1, Clock(0.0, 0.0))


def words(options) -> list[str]:
    return [word for name, value in options.items() for word in (f"--{name}", str(value))]


def test_the_trainer_takes_the_same_clips(tmp_path, music):
    made = setup(tmp_path, music(per_genre=9, seconds=0.3))
    assert (made.few, made.many, made.wanted) == (10, 18, ())
    told = made.options(made.few, fit_epochs=0, epochs=0, hidden=4)
    assert train(["--preset", "paper", *words(told), "--out", str(tmp_path / "run")]) == 0
    corpus = json.loads((tmp_path / "run" / "config.json").read_text())["corpus"]
    mine = made.clips(made.few)
    assert [corpus["train_clips"], corpus["held_out_clips"]] == list(map(len, mine))
    assert corpus["seconds"] == pytest.approx(sum(clip.length for part in mine for clip in part) / 22_050, abs=1e-3)


def test_blues_where_there_is_enough_of_it(tmp_path, music):
    folder = music(per_genre=100, genres=("Blues", "jazz"), seconds=0.1)
    made = setup(tmp_path, folder)
    assert (made.wanted, made.few, made.many) == (("Blues",), 10, 100)
    assert {clip.genre for part in made.clips(100) for clip in part} == {"Blues"}
    assert made.options(100)["genres"] == "Blues"
    asked = setup(tmp_path, folder, ("JAZZ",))
    assert (asked.wanted, asked.many) == (("JAZZ",), 100)
    assert {clip.genre for part in asked.clips(10) for clip in part} == {"jazz"}


def test_options_of_the_built_in_corpus(tmp_path):
    options = setup(tmp_path).options(10, window=32, fit_epochs=4)
    assert options["genres"] == "blues"
    assert options["seconds"] == SCALES["small"].seconds
    assert (options["clips"], options["window"], options["fit-epochs"], options["seed"], options["threads"]) == (
        10,
        32,
        4,
        3,
        1,
    )


def test_too_little_music_is_refused(tmp_path, music):
    with pytest.raises(BadInput, match="1 usable clips are there; the experiments need two"):
        _ = setup(tmp_path, music(per_genre=1, genres=("jazz",))).many
