"""The judgement of clips while a run trains, and the description of sound that needs no network."""

from pathlib import Path

import numpy as np
import pytest

from fastgan.base.errors import BadInput
from fastgan.gan.music.excerpts import Music
from fastgan.measure.judge import COLLAPSED, Judge, open_judge
from fastgan.measure.timbre import BANDS, Timbre
from fastgan.ops.stft import Frames
from tests.conftest import RATE, tune
from tests.gan.music.common import RATE as LOW
from tests.gan.music.common import corpus_of, tunes


def ignore(share: float) -> None:
    """Nobody watches."""


def noise(seconds: float, seed: int) -> np.ndarray:
    """White noise."""
    return (3000 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.int16)


@pytest.fixture(scope="module")
def judge() -> Judge:
    """Who knows twelve tunes."""
    return Judge(
        Timbre(),
        [tune(6, seed=n) for n in range(12)],
        [tune(6, seed=n) for n in range(20, 23)],
        RATE,
        ignore,
        "the test",
    )


def test_other_tunes_are_nearer_than_noise_and_louder_ones_as_near(judge: Judge) -> None:
    others = [tune(6, seed=n) for n in range(40, 44)]
    near, wrong = judge(others)
    assert not wrong
    far, _ = judge([noise(6, n) for n in range(4)])
    assert near["kad"] < 10 < far["kad"]
    assert judge([clip // 3 for clip in others])[0]["kad"] == pytest.approx(near["kad"], abs=1.5)


def test_what_is_no_music_is_named(judge: Judge) -> None:
    assert judge([np.zeros(6 * RATE, np.int16)] * 4)[1]
    assert judge([tune(6, seed=50)] * 4)[1]  # one clip, copied
    assert not judge([tune(6, seed=n) for n in range(50, 54)])[1]


def test_clips_that_only_the_listener_finds_alike_are_named(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = judge._model.embed
    monkeypatch.setattr(judge._model, "embed", lambda *a, **k: honest(*a, **k) * 0.05)  # to whom they hardly differ
    found, wrong = judge([tune(6, seed=n) for n in range(50, 54)])
    assert found["variety"] < COLLAPSED
    assert wrong == (f"no variety ({found['variety']:.2f} of that of music): all clips are alike",)


def test_copies_of_what_was_learnt_are_not_new(judge: Judge) -> None:
    copied, _ = judge([tune(6, seed=n) for n in range(4)])
    fresh, _ = judge([tune(6, seed=n) for n in range(40, 44)])
    assert copied["newness"] < 0.1 < 0.5 < fresh["newness"]
    assert fresh["variety"] > 0.3


def test_it_says_who_listens_and_what_other_music_gets(judge: Judge) -> None:
    assert judge.describe().startswith("judged by KAD on the test: held-out music has ")
    short = Judge(Timbre(), [tune(6)], [tune(3.1, seed=1)], RATE, ignore, "the test")
    assert short.describe() == "judged by KAD on the test"  # one stretch has no distance
    with pytest.raises(BadInput, match="takes two"):
        Judge(Timbre(), [tune(3.1)], [tune(3.1, seed=1)], RATE, ignore, "the test")


def test_a_judge_of_a_run_listens_to_its_music(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, tunes(6, 14.0))
    music = [
        Music(corpus, clips, Frames.of_rate(LOW), 20) for clips in (corpus.index.clips[:4], corpus.index.clips[4:])
    ]
    judge = open_judge(music[0], music[1], tick=ignore)
    assert judge([tune(6, rate=LOW, seed=9), tune(6, rate=LOW, seed=10)])[0]["kad"] < 30


def test_timbre_has_a_row_for_each_patch_and_refuses_less() -> None:
    assert Timbre().embed(tune(10), RATE, hop_s=3.0).shape == (3, 3 * BANDS)
    assert Timbre().embed(tune(3), RATE).shape == (1, 3 * BANDS)
    with pytest.raises(ValueError, match=r"2\.900 s; a patch is 3"):
        Timbre().embed(tune(2.9), RATE)


def test_timbre_tells_a_sound_from_its_reverse() -> None:
    sound = tune(12)
    one, other = (Timbre().embed(s, RATE, hop_s=3.0).mean(0) for s in (sound, sound[::-1].copy()))
    assert np.abs(one[2 * BANDS :] - other[2 * BANDS :]).mean() > 3 * np.abs(one[:BANDS] - other[:BANDS]).mean()
