"""Music from a game, of any length."""

import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fastgan.audio.corpus import open_folder
from fastgan.audio.files import write_sound
from fastgan.base.errors import BadInput
from fastgan.config import PRESETS, TrainConfig
from fastgan.gan.music.excerpts import Music
from fastgan.gan.music.game import MusicGame
from fastgan.gan.music.guide import CYCLES, Course
from fastgan.gan.music.latents import Latents
from fastgan.gan.music.sample import (
    FITTED,
    PLAYED,
    Taste,
    continued,
    make_clips,
    make_levels,
    make_piece,
    make_steps,
    rebuild,
)
from fastgan.ops.stft import Frames
from tests.conftest import tune
from tests.gan.music.common import FRAMES, RATE, corpus_of, music_of, small_game, tunes


def ignore(share: float) -> None:
    """Nobody watches."""


@pytest.fixture
def game(tmp_path: Path) -> MusicGame:
    """One that knows some music and has corrections and a flow that do something."""
    music, game = music_of(corpus_of(tmp_path, tunes(4, 12.0))), small_game()
    game.encoder.fit_components(FRAMES.magnitudes(music.sound(p, 0, p.frames)) for p in music.pieces)
    kept = Latents(music, game.encoder, game.genres, ignore)
    game.styles.fit(kept.means, kept.genres, kept.periods, kept.regularities)
    torch.manual_seed(0)
    for weight in game.encoder.synthesis.parameters():
        torch.nn.init.normal_(weight, std=0.02)
    torch.nn.init.normal_(game.average.flow.velocity.weight, std=0.05)
    return game


def course(game: MusicGame, *rows: int) -> Course:
    return Course.of_rows(game.styles, torch.tensor(rows), game.step_s)


def test_levels_are_the_same_however_they_are_cut(game: MusicGame) -> None:
    steps = torch.randn(2, 40, 12 * game.group)
    whole = torch.cat(list(make_levels(game, iter([steps]))), 1)
    parts = torch.cat(list(make_levels(game, iter(steps.split((7, 1, 20, 12), dim=1)))), 1)
    assert whole.shape[1] == parts.shape[1] == 40 * game.group - game.encoder.decoder_reach
    assert torch.allclose(whole, parts, atol=1e-6)
    direct = game.encoder.decode(game.part(steps))
    assert torch.allclose(whole, direct[:, : whole.shape[1]], atol=1e-6)


def whole_piece(*arguments: Any, **named: Any) -> np.ndarray:
    """All of a piece."""
    return np.concatenate([*make_piece(*arguments, **named)])


def test_the_first_samples_do_not_depend_on_how_many_follow(game: MusicGame) -> None:
    one, other = (
        whole_piece(game, course(game, 3), length, seed=5, taste=FITTED, tick=ignore)
        for length in (9 * RATE, 12 * RATE)
    )
    assert len(one) == 9 * RATE
    assert np.array_equal(one[: 8 * RATE], other[: 8 * RATE])


def test_pieces_made_together_are_those_made_alone(game: MusicGame) -> None:
    together = next(make_steps(game, course(game, 3, 20), seeds=[1, 2], taste=FITTED))
    alone = [next(make_steps(game, course(game, row), seeds=[seed], taste=FITTED)) for row, seed in ((3, 1), (20, 2))]
    assert torch.allclose(together, torch.cat(alone), atol=1e-4)
    assert not torch.allclose(together[0], together[1], atol=0.1)


def test_the_fine_grain_of_frames_is_made_from_less_noise(game: MusicGame) -> None:
    """Seen where the flow leaves noise as it is."""
    torch.nn.init.zeros_(game.average.flow.velocity.weight)
    calm, lively = (
        next(make_steps(game, course(game, 3), seeds=[1], taste=Taste(2.0, fine, 0.2, 2)))[0].unflatten(-1, (2, 12))
        for fine in (0.25, 1.0)
    )
    assert torch.equal(calm[..., :5], lively[..., :5])  # two fifths of twelve
    assert torch.allclose(calm[..., 5:], lively[..., 5:] / 4)
    assert lively.std() == pytest.approx(2, rel=0.2)


def test_clips_have_the_length_and_the_level_that_they_are_judged_at(game: MusicGame) -> None:
    clips = make_clips(game, course(game, 3, 20), length=5000, seeds=[1, 2], taste=FITTED, tick=ignore)
    assert [len(clip) for clip in clips] == [5000, 5000]
    for clip in clips:
        assert np.sqrt(np.square(clip / 32768).mean()) == pytest.approx(0.05, rel=0.05)


def test_rebuilt_music_sounds_like_it(game: MusicGame) -> None:
    for weight in game.encoder.synthesis.parameters():
        torch.nn.init.zeros_(weight)
    sound = tune(4, rate=RATE, seed=1) / 32768
    back = rebuild(game, torch.from_numpy(sound).float() * (0.05 / sound.std())) / 32768
    assert 0 <= len(sound) - len(back) < FRAMES.window
    one, other = (
        np.log10(np.abs(np.fft.rfft(part[: len(back)])) ** 2 + 1e-3) for part in (sound * (0.05 / sound.std()), back)
    )
    assert np.corrcoef(one, other)[0, 1] > 0.6


def test_a_piece_goes_on_in_the_beat_and_the_style_of_a_recording(game: MusicGame) -> None:
    recording = tune(8, rate=RATE, seed=2)
    how, prime = continued(game, recording, genre=1)
    assert how.style is not None
    assert how.style[0, -2:].tolist() == [0, 1]
    assert prime.guide.shape[:2] == prime.steps.shape[:2]
    both = torch.cat((prime.guide, how.steps(0, 8).to(prime.guide)), 1)[0]
    beat = game.styles.size + CYCLES.index(8.0)
    angle = torch.atan2(both[:, beat], both[:, beat + len(CYCLES)])
    turned = torch.remainder(angle[1:] - angle[:-1], 2 * torch.pi)
    assert turned.std() < 0.3 * turned.mean()  # no jump where the recording ends
    made = whole_piece(game, how, 2 * RATE, seed=0, taste=FITTED, prime=prime, tick=ignore)
    assert len(made) == 2 * RATE
    unprimed = whole_piece(game, how, 2 * RATE, seed=0, taste=FITTED, tick=ignore)
    assert not np.array_equal(made, unprimed)


@pytest.mark.parametrize("recording", [np.zeros(RATE, np.int16), tune(0.1, rate=RATE), np.empty(0, np.int16)])
def test_nothing_to_go_on_from_is_refused(game: MusicGame, recording: np.ndarray) -> None:
    with pytest.raises(BadInput, match="nothing to go on from"):
        continued(game, recording, None)


def test_a_generator_that_diverged_is_named(game: MusicGame) -> None:
    with torch.no_grad():
        game.average.enter.weight[0, 0] = float("nan")
    with pytest.raises(BadInput, match="diverged"):
        whole_piece(game, course(game, 3), RATE, seed=0, taste=FITTED, tick=ignore)
    with pytest.raises(BadInput, match="diverged"):
        make_clips(game, course(game, 3), length=RATE, seeds=[0], taste=FITTED, tick=ignore)


def test_it_streams_in_bounded_pieces(game: MusicGame) -> None:
    blocks = list(islice(make_levels(game, make_steps(game, course(game, 3), seeds=[1], taste=FITTED)), 4))
    assert {block.shape[1] for block in blocks[1:]} == {16 * game.group}


@pytest.mark.parametrize("taste", [FITTED, PLAYED], ids=["after fit", "after the game"])
def test_the_first_sound_comes_within_half_a_second(tmp_path: Path, any_threads: Any, taste: Taste) -> None:
    """Networks of the size of the preset on one core, by the processor's time: other programs are not to decide."""
    any_threads(1)
    preset = TrainConfig(**PRESETS["music"])
    rate, frames = preset.rate, Frames.of_rate(preset.rate)
    sizes = {"hidden": preset.hidden, "latents": preset.latents, "group": preset.group}
    game = MusicGame.build(rate=rate, genres=["a"], **sizes, seed=0, device=torch.device("cpu"))
    (tmp_path / "a").mkdir()
    write_sound(tmp_path / "a" / "1.wav", tune(20.0, rate=rate), rate)
    corpus = open_folder(tmp_path, rate)
    music = Music(corpus, corpus.index.clips, frames, 8)
    game.encoder.fit_components(frames.magnitudes(music.sound(p, 0, p.frames)) for p in music.pieces)
    kept = Latents(music, game.encoder, game.genres, ignore)
    game.styles.fit(kept.means, kept.genres, kept.periods, kept.regularities)
    took = []
    for _ in range(3):
        began = time.process_time()
        next(make_piece(game, course(game, 3), 30 * rate, seed=1, taste=taste, tick=ignore))
        took.append(time.process_time() - began)
    assert min(took) < 0.5, took
