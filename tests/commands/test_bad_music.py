"""Music that nothing can be learnt from is told before anything is learnt; a run may lie inside its own music."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from fastgan.measure.musicnn import Musicnn
from fastgan.measure.weights import Missing
from fastgan.train import main as train
from tests.conftest import RATE, tune

MUSIC = "--hidden 16 --latents 12 --window 6 --batch 3 --encoder-epochs 1 --fit-epochs 1 --epochs 0 --steps-per-epoch 2".split()
SAMPLES = (
    "--preset paper --hidden 8 --batch 8 --fit-epochs 1 --epochs 1 --steps-per-epoch 5 --sample-seconds 0.1".split()
)


@pytest.mark.parametrize(
    ("sounds", "told", "complaint"),
    [
        ([tune(0.6)], [], "of a single clip the last seventh is held out, so give several clips or a longer one"),
        ([tune(0.45, seed=n) for n in range(3)], ["--batch", "9"], "less than one batch of 9; take a smaller batch"),
        ([np.full(4 * RATE, 9_000, np.int16)] * 3, [], "most of the music to learn from sounds the very same"),
        ([np.zeros(RATE, np.int16)] * 2, [], "of sound between silence"),
        (
            [tune(8.0, seed=n) for n in range(2)],
            ["--rate", "1000", "--latents", "96"],
            "a frame at 1,000 Hz has 65 values",
        ),
    ],
    ids=["one short clip", "less than a batch", "constant", "silent", "low rate"],
)
def test_music_that_nothing_can_be_learnt_from(
    sounds: list[np.ndarray],
    told: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_musicnn() -> None:
        raise Missing("left out", distribution="musicnn", install="pip")

    monkeypatch.setattr(Musicnn, "load", no_musicnn)
    (tmp_path / "music").mkdir()
    for number, sound in enumerate(sounds):
        soundfile.write(tmp_path / "music" / f"{number}.wav", sound, RATE, subtype="PCM_16")
    code = train(["--data", str(tmp_path / "music"), "--out", str(tmp_path / "run"), *MUSIC, *told])
    said = capsys.readouterr().err
    assert (code, complaint in said) == (2, True), said
    assert not (tmp_path / "run").exists(), "the folder is free for another try"


def test_a_run_inside_its_own_music_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "music").mkdir()
    for number in range(4):
        soundfile.write(tmp_path / "music" / f"{number}.wav", tune(0.5, seed=number), RATE)
    out = str(tmp_path / "music" / "run")
    assert train([*SAMPLES, "--data", str(tmp_path / "music"), "--out", out]) == 0
    assert list(Path(out).glob("samples/*.wav"))
    assert train(["--resume", "--out", out]) == 0, capsys.readouterr().err
