"""Sets of sounds: cut, levelled, split as a run split them."""

import json

import numpy as np
import pytest
import soundfile

from fastgan.audio.corpus import open_folder
from fastgan.base.errors import BadInput
from fastgan.gan.selection import select
from fastgan.measure.anchors import LEVEL
from fastgan.measure.sets import choose, cut, evenly, read_generated, read_real
from fastgan.train import main as train
from tests.conftest import RATE, tune


def rms(samples):
    return float(samples.std()) / 32_768


def test_pieces_are_whole_and_of_one_loudness():
    sound = tune(2.3)
    pieces = cut(sound, RATE)
    assert [len(piece) for piece in pieces] == [RATE, RATE]
    assert all(rms(piece) == pytest.approx(LEVEL, rel=0.01) for piece in pieces)
    ratio = pieces[1][sound[RATE : 2 * RATE] != 0] / sound[RATE : 2 * RATE][sound[RATE : 2 * RATE] != 0]
    assert np.median(ratio) == pytest.approx(LEVEL / rms(sound[RATE : 2 * RATE]), rel=0.02)
    assert cut(sound[: RATE - 1], RATE) == []


def test_the_chosen_are_spread():
    pieces = [np.full(1, number, np.int16) for number in range(10)]
    assert [int(piece[0]) for piece in choose(pieces, 4)] == [0, 3, 6, 9]
    assert choose(pieces, 20) == pieces
    assert evenly(7, 3) == [0, 3, 6]
    assert evenly(3, 7) == [0, 1, 2]


def test_a_folder_is_split_by_file(music):
    real = read_real(music(per_genre=7, seconds=1.2), RATE, 0.5, seed=0)
    assert (len(real.train), len(real.held_out), real.rate) == (24, 4, RATE)
    heard = {piece.tobytes() for piece in real.train}
    assert not heard & {piece.tobytes() for piece in real.held_out}
    assert real.split.startswith("12 recordings to learn from and 2 held out: each file counts")


def test_a_folder_is_split_by_recording(tmp_path):
    """Seven recordings in three parts each: all parts of the one that is held out are."""
    for song in range(7):
        for part in range(3):
            samples = tune(1.0, seed=10 * song + part)
            soundfile.write(tmp_path / f"song{'abcdefg'[song]}-{part}.wav", samples, RATE, subtype="PCM_16")
    real = read_real(tmp_path, RATE, 1.0, seed=0, group="name")
    assert (len(real.train), len(real.held_out)) == (18, 3)
    parts = [cut(tune(1.0, seed=10 * song + part), RATE)[0].tobytes() for song in range(7) for part in range(3)]
    assert len({parts.index(piece.tobytes()) // 3 for piece in real.held_out}) == 1
    assert real.split.startswith("6 recordings to learn from and 1 held out: files of one folder whose names")
    with pytest.raises(BadInput, match=r"the 21 files in .* are one recording by --group folder; two are needed"):
        read_real(tmp_path, RATE, 1.0, seed=0, group="folder")


def test_a_run_is_split_as_it_was(tmp_path, music):
    folder = music(per_genre=9, seconds=1.0)
    told = [
        "--preset",
        "paper",
        "--data",
        str(folder),
        "--clips",
        "8",
        "--seed",
        "5",
        "--fit-epochs",
        "0",
        "--epochs",
        "0",
        "--hidden",
        "4",
    ]
    assert train([*told, "--out", str(tmp_path / "run")]) == 0
    real = read_real(tmp_path / "run", 44_100, 1.0, seed=0, group="name")
    assert real.split.endswith("the split of the run")
    split = json.loads((tmp_path / "run" / "config.json").read_text())["corpus"]
    assert (len(real.train), len(real.held_out), real.rate) == (split["train_clips"], split["held_out_clips"], RATE)


def test_short_clips_change_no_side_of_a_run_and_changed_music_is_refused(tmp_path):
    """What is too short for a piece is left out after the split: else a clip that was learnt from could stand for new music."""
    folder = tmp_path / "uneven"
    folder.mkdir()
    for number in range(14):
        soundfile.write(folder / f"{number:02d}.wav", tune(0.5 + 0.1 * (number % 7), seed=number), RATE)
    told = ["--preset", "paper", "--data", str(folder), "--fit-epochs", "0", "--epochs", "0", "--hidden", "4"]
    for seed in range(3):
        run = tmp_path / f"run{seed}"
        assert train([*told, "--seed", str(seed), "--out", str(run)]) == 0
        corpus = open_folder(folder, RATE)
        selection = select(corpus, json.loads((run / "config.json").read_text())["settings"])
        real = read_real(run, RATE, 0.75, seed=0)
        for side, pieces in ((selection.train, real.train), (selection.held_out, real.held_out)):
            long = [clip for clip in side if clip.length >= round(0.75 * RATE)]
            wanted = [
                piece for clip in long for piece in cut(corpus.samples[clip.start :][: clip.length], round(0.75 * RATE))
            ]
            assert [piece.tobytes() for piece in pieces] == [piece.tobytes() for piece in wanted]
    with pytest.raises(BadInput, match=r"no clip that is .* has 2 s; take fewer --seconds"):
        read_real(run, RATE, 2.0, seed=0)
    (folder / "03.wav").unlink()
    with pytest.raises(BadInput, match=r"has changed since it was trained"):
        read_real(run, RATE, 0.75, seed=0)


def test_what_is_missing_is_said(tmp_path, music):
    with pytest.raises(BadInput, match=r"has 1 different sound of 0\.5 s or more; two are needed"):
        read_real(music(per_genre=1, genres=("jazz",)), RATE, 0.5, seed=0)
    (tmp_path / "same").mkdir()
    for name in "ab":
        soundfile.write(tmp_path / "same" / f"{name}.wav", tune(1.0), RATE)
    with pytest.raises(BadInput, match=r"has 1 different sound of 0\.5 s or more"):
        read_real(tmp_path / "same", RATE, 0.5, seed=0)
    with pytest.raises(BadInput, match=r"has no different sounds of 5 s or more"):
        read_real(tmp_path / "same", RATE, 5.0, seed=0)
    with pytest.raises(BadInput, match=r"is not there; make sounds first: python -m fastgan.generate"):
        read_generated(tmp_path / "nothing", RATE, 1.0)
    with pytest.raises(BadInput, match=r"none of 4 sounds .* has 5 s"):
        read_generated(music(per_genre=2, seconds=0.5, name="made"), RATE, 5.0)
