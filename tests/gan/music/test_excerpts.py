"""Music in whole frames, and excerpts of it."""

from pathlib import Path

import numpy as np
import pytest

from fastgan.base.errors import BadInput
from fastgan.gan.music.excerpts import LEVEL, Excerpts, Music
from tests.conftest import tune
from tests.gan.music.common import FRAMES, RATE, corpus_of, music_of, tunes


def test_every_piece_has_one_loudness_whatever_its_clip_has(tmp_path: Path) -> None:
    loud = tune(4, rate=RATE)
    music = music_of(corpus_of(tmp_path, {"loud": loud, "soft": loud // 20}))
    for piece in music.pieces:
        sound = music.sound(piece, 0, piece.frames)
        assert float(sound.square().mean().sqrt()) == pytest.approx(LEVEL, rel=0.05)


def test_silence_around_a_piece_is_left_out(tmp_path: Path) -> None:
    quiet = np.zeros(2 * RATE, np.int16)
    music = music_of(corpus_of(tmp_path, {"padded": np.concatenate((quiet, tune(4, rate=RATE), quiet))}))
    (piece,) = music.pieces
    assert abs(piece.start - piece.clip.start - 2 * RATE) <= RATE // 20
    assert abs(FRAMES.samples(piece.frames) - 4 * RATE) <= RATE // 20 + FRAMES.hop


def test_silent_and_short_clips_are_left_out_and_too_little_music_is_refused(tmp_path: Path) -> None:
    short, silent = tune(0.5, rate=RATE), np.full(4 * RATE, 3, np.int16)
    corpus = corpus_of(tmp_path, {"long": tune(4, rate=RATE), "short": short, "silent": silent})
    assert [piece.clip.name for piece in music_of(corpus, 20).pieces] == ["long.wav"]
    with pytest.raises(BadInput, match=r"has 500 frames of sound .*--window"):
        Music(corpus, corpus.index.clips, FRAMES, 500)


def test_sound_of_frames_is_where_the_frames_are(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, tunes())
    music = music_of(corpus)
    piece = music.pieces[1]
    cut = music.sound(piece, 5, 3)
    start = piece.start + 5 * FRAMES.hop
    wanted = corpus.samples[start : start + FRAMES.samples(3)] / 32768 * piece.gain
    assert np.allclose(cut.numpy(), wanted, atol=1e-6)
    assert FRAMES.count(len(cut)) == 3


def test_excerpts_depend_on_seed_and_step_alone_and_stay_within_their_pieces(tmp_path: Path) -> None:
    music = music_of(corpus_of(tmp_path, tunes()))
    excerpts = Excerpts(music, length=8, batch=3, seed=7)
    assert excerpts.at(11).tolist() == Excerpts(music, length=8, batch=3, seed=7).at(11).tolist()
    assert excerpts.at(11).tolist() != Excerpts(music, length=8, batch=3, seed=8).at(11).tolist()
    for step in range(3 * excerpts.per_pass):
        starts = excerpts.at(step)
        for start, owner in zip(starts, excerpts.owners(starts), strict=True):
            piece = music.pieces[owner]
            assert piece.first <= start <= piece.first + piece.frames - 8


def test_a_pass_sees_all_of_the_music_and_the_next_is_cut_elsewhere(tmp_path: Path) -> None:
    music = music_of(corpus_of(tmp_path, tunes()))
    excerpts = Excerpts(music, length=8, batch=1, seed=0)
    passes = [
        np.concatenate([excerpts.at(t * excerpts.per_pass + s) for s in range(excerpts.per_pass)]) for t in (0, 1)
    ]
    covered = {frame for start in passes[0] for frame in range(start, start + 8)}
    assert len(covered) > 0.9 * len(music)
    assert set(passes[0].tolist()) != set(passes[1].tolist())


def test_too_little_music_for_a_batch_is_refused(tmp_path: Path) -> None:
    music = music_of(corpus_of(tmp_path, tunes(1, 1.0)))
    with pytest.raises(BadInput, match="less than one batch of 500"):
        Excerpts(music, length=8, batch=500, seed=0)
