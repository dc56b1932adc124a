"""Which clips a run uses: with enough sound, split, and the same again from its settings."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fastgan.audio.corpus import Corpus, open_folder
from fastgan.base.errors import BadInput
from fastgan.gan.selection import select
from tests.conftest import RATE, tune

MUSIC = {"encoder": "spectral", "window": 6, "group": 2, "rate": RATE, "genres": "", "clips": 0, "seed": 0}
SAMPLES = MUSIC | {"encoder": "none"}


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Seven tunes, a silent clip, one that is silent but for an instant, and one that is short."""
    folder = tmp_path / "some"
    folder.mkdir()
    for number in range(7):
        soundfile.write(folder / f"tune{number}.wav", tune(1.0, seed=number), RATE)
    hardly = np.zeros(RATE, np.int16)
    hardly[9_000:12_000] = tune(1.0)[:3_000]
    for name, samples in {"silent": np.zeros(RATE, np.int16), "hardly": hardly, "short": tune(0.2)}.items():
        soundfile.write(folder / f"{name}.wav", samples, RATE)
    return open_folder(folder, RATE)


def test_music_is_what_can_be_heard(corpus: Corpus) -> None:
    found = select(corpus, MUSIC)
    assert sorted(clip.name for clip in found.train + found.held_out) == [f"tune{n}.wav" for n in range(7)]
    assert (len(found.train), len(found.held_out)) == (6, 1)
    reasons = {one["file"]: one["reason"] for one in found.left_out}
    assert "are less than the 8,704 of one window" in reasons["short.wav"]
    assert "0.0 s are left, and 0.4 are needed" in reasons["silent.wav"]
    assert "0.2 s are left" in reasons["hardly.wav"] or "0.1 s are left" in reasons["hardly.wav"]


def test_samples_need_no_sound(corpus: Corpus) -> None:
    found = select(corpus, SAMPLES)
    assert len(found.train + found.held_out) == 10
    assert found.left_out == []


@pytest.mark.parametrize("settings", [MUSIC, SAMPLES, MUSIC | {"seed": 3, "clips": 4}], ids=("music", "samples", "few"))
def test_the_same_settings_give_the_same_sides(corpus: Corpus, settings: dict[str, object]) -> None:
    one, same = select(corpus, settings), select(corpus, settings)
    assert one == same
    assert (
        len({one.digest, same.digest})
        == 1
        < len({select(corpus, settings | {"seed": seed}).digest for seed in range(9)})
    )


def test_nothing_but_silence_is_refused(music: Callable[..., Path], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE, np.int16), RATE)
    with pytest.raises(BadInput, match=r"no clip has 0\.4 s of sound between silence"):
        select(open_folder(tmp_path, RATE), MUSIC)
    with pytest.raises(BadInput, match=r"no clip holds a window and the value after it"):
        select(open_folder(tmp_path, RATE), MUSIC | {"window": 600})
