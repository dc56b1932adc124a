"""The stages of a run that makes music."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from fastgan.gan.music import stages as module
from fastgan.gan.music.game import MusicGame
from fastgan.gan.music.stages import MUSIC_STAGES, MusicStage
from tests.gan.music.common import corpus_of, music_of, small_game, tunes

SIZES = {"window": 6, "batch": 3, "lr": 2e-3, "seed": 0}


def ignore(share: float) -> None:
    """Nobody watches."""


def judge(clips: Sequence[np.ndarray]) -> tuple[dict[str, float], tuple[str, ...]]:
    """Says what can be counted on."""
    return {"kad": float(np.std(np.concatenate(clips)))}, ()


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few and short clips."""
    monkeypatch.setattr(module, "JUDGED", 2)
    monkeypatch.setattr(module, "JUDGED_S", 1.0)
    monkeypatch.setattr(module, "ENCODER_FRAMES", 14)
    monkeypatch.setattr(module, "PUPIL", 1)


def stage_of(name: str, folder: Path, game: MusicGame) -> MusicStage:
    """A stage that is ready, and those before it."""
    train = music_of(corpus_of(folder / "train", tunes(4)), 14)
    held_out = music_of(corpus_of(folder / "held out", {f"a/{n}": s for n, s in enumerate(tunes(2).values())}), 14)
    for known in MUSIC_STAGES:
        extra = {"adversarial_weight": 1.0} if known == "game" else {}
        stage = MUSIC_STAGES[known](game, (train, held_out), judge=judge, **SIZES, **extra)
        stage.begin(ignore)
        if known == name:
            game.optimise(stage.trains, 1e-3)
            return stage
    raise AssertionError(name)


@pytest.mark.parametrize("name", ["encoder", "fit"])
def test_losses_fall(name: str, tmp_path: Path) -> None:
    stage = stage_of(name, tmp_path, small_game())
    whole = stage.per_pass
    first = stage.advance(0, whole)
    for step in range(whole, 8 * whole, whole):
        last = stage.advance(step, whole)
    assert float(last["loss"]) < float(first["loss"])


@pytest.mark.parametrize("name", MUSIC_STAGES)
def test_steps_are_a_function_of_seed_and_number(name: str, tmp_path: Path) -> None:
    games = [small_game() for _ in range(2)]
    losses = []
    for number, game in enumerate(games):
        stage = stage_of(name, tmp_path / str(number), game)
        parts = [(0, 4)] if number == 0 else [(0, 1), (1, 3)]
        losses.append([stage.advance(*part) for part in parts])
    for name, value in losses[0][0].items():
        assert float(value) == pytest.approx(sum(float(part[name]) for part in losses[1]), rel=1e-12)
    for one, other in zip(games[0].tensors().values(), games[1].tensors().values(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", MUSIC_STAGES)
def test_only_what_a_stage_trains_changes(name: str, tmp_path: Path) -> None:
    game = small_game()
    stage = stage_of(name, tmp_path, game)
    before = {key: value.clone() for key, value in game.tensors().items()}
    stage.advance(0, 2)
    changed = {key.split(".")[0] for key, value in game.tensors().items() if not torch.equal(value, before[key])}
    assert changed - {"adam"} == {*stage.trains, *(["average"] if "generator" in stage.trains else [])}


@pytest.mark.parametrize(
    ("step", "progress", "fights"), [(49, 0.0, False), (50, 0.0, True), (1, module.PUPIL_AT_MOST, True)]
)
def test_the_generator_learns_from_its_teacher_alone_at_first(
    step: int, progress: float, fights: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For some steps, and for no more than a part of a short stage; it learns faster from the teacher than from the critic."""
    told = {}
    monkeypatch.setattr(module, "game_step", lambda *_, **how: told.update(how) or {})
    monkeypatch.setattr(module, "PUPIL", 50)
    game = small_game()
    stage = stage_of("game", tmp_path, game)
    stage.progress = progress
    stage.advance(step, 1)
    assert told["fights"] == fights
    share = game.optimisers["generator"].lr / game.optimisers["critic"].lr
    if fights:
        assert share == pytest.approx(module.GENERATOR_SHARE)
    else:
        assert share < module.PUPIL_SHARE / 100  # it has come to rest before the fight


def test_the_pupil_comes_to_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The share of the critic's learning rate that it has falls step by step, in a short stage with what is done of that."""
    monkeypatch.setattr(module, "game_step", lambda *_, **__: {})
    monkeypatch.setattr(module, "PUPIL", 50)
    game = small_game()
    stage = stage_of("game", tmp_path, game)
    shares = []
    for step, progress in ((0, 0.0), (25, 0.0), (40, 0.0), (0, module.PUPIL_AT_MOST / 2)):
        stage.progress = progress
        stage.advance(step, 1)
        shares.append(game.optimisers["generator"].lr / game.optimisers["critic"].lr / module.PUPIL_SHARE)
    assert shares == pytest.approx([1.0, 0.5, 0.0955, 0.5], abs=1e-3)


def test_the_critic_learns_to_tell_music_from_what_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    game = small_game()
    stage = stage_of("game", tmp_path, game)
    monkeypatch.setattr(module, "PUPIL", 1000)
    stage.lr = 5e-3
    first = stage.advance(0, 5)
    for step in range(5, 150, 5):
        last = stage.advance(step, 5)
    assert float(last["d_loss"]) < 0.8 * float(first["d_loss"])
    assert float(last["d_accuracy"]) > 0.7 * 5


def test_the_game_begins_with_the_average(tmp_path: Path) -> None:
    game = small_game()
    stage = stage_of("game", tmp_path, game)
    with torch.no_grad():
        game.average.enter.bias += 1
    stage.lr = 0.0
    stage.advance(0, 1)
    assert torch.equal(game.generator.enter.bias, game.average.enter.bias)
    assert torch.equal(game.teacher.enter.bias, game.average.enter.bias)


def test_the_game_measures_what_fit_ended_with_by_its_own_clips(tmp_path: Path) -> None:
    game = small_game()
    fit, stage = stage_of("fit", tmp_path / "fit", game), stage_of("game", tmp_path / "game", game)
    fit.evaluate(ignore)
    heard: list[Sequence[np.ndarray]] = []
    stage.judge = lambda clips: (heard.append(clips), ({"kad": 3.5}, ()))[1]
    assert stage.measure_before(ignore) == 3.5
    assert not any(np.array_equal(*pair) for pair in zip(heard[0], fit.made, strict=True))


def test_the_encoder_is_never_worse_than_its_components(tmp_path: Path) -> None:
    game = small_game()
    stage = stage_of("encoder", tmp_path, game)
    linear = stage.begin(ignore)["linear_loss"]
    assert stage.evaluate(ignore)["val_loss"] == pytest.approx(linear, rel=1e-6)
    for weight in game.encoder.synthesis.parameters():
        torch.nn.init.normal_(weight, std=1.0)  # corrections that spoil everything
    assert stage.evaluate(ignore)["val_loss"] == pytest.approx(linear, rel=1e-6)


def test_a_stage_of_frames_is_judged_by_what_it_makes(tmp_path: Path) -> None:
    stage = stage_of("fit", tmp_path, small_game())
    measured = stage.evaluate(ignore)
    assert measured == stage.evaluate(ignore)
    assert measured["kad"] > 0
    sound = stage.sample(12_000, ignore)
    assert sound.dtype == np.int16
    assert len(sound) == 12_000


def test_weights_that_are_no_numbers_raise_an_alarm(tmp_path: Path) -> None:
    game = small_game()
    stage = stage_of("fit", tmp_path, game)
    with torch.no_grad():
        game.average.enter.weight[0, 0] = float("nan")
    assert math.isnan(stage.evaluate(ignore)["kad"])
    assert stage.problems == ("weights that are no numbers",)
    assert not stage.sample(8_000, ignore).any()
    with torch.no_grad():
        game.average.enter.weight[0, 0] = 0.1
    assert stage.evaluate(ignore)["kad"] > 0
    assert stage.problems == ()


def test_the_learning_rate_rises_then_falls_and_is_halved_by_steps_back(tmp_path: Path) -> None:
    stage = stage_of("fit", tmp_path, small_game())
    assert stage.rate_at(0) < stage.rate_at(50) < stage.rate_at(200) == stage.lr
    stage.progress = 0.5
    assert stage.rate_at(200) == pytest.approx(0.51 * stage.lr)
    stage.progress = 1.0
    assert stage.rate_at(200) == pytest.approx(0.02 * stage.lr)
    stage.eased = 1
    assert stage.rate_at(200) == pytest.approx(0.01 * stage.lr)
