"""What the generator is shown while it learns."""

from collections.abc import Callable

import pytest
import torch

from fastgan.gan.music import steps as module
from fastgan.gan.music.game import MusicGame
from fastgan.gan.music.play import game_step
from fastgan.gan.music.steps import Lesson, fit_step, lesson, with_own
from tests.gan.music.test_play import batch_of, ready


def shown_of(game: MusicGame, length: int = 20) -> Lesson:
    """What the generator is shown of random music."""
    return lesson(game, batch_of(length), torch.Generator().manual_seed(0))


def mixed(game: MusicGame, shown: Lesson, seed: int = 0) -> torch.Tensor:
    """The steps that it is shown with its own among them, [3, T, 24]."""
    heard = with_own(game, shown, torch.Generator().manual_seed(seed), 2)
    for name in ("before", "much", "guide", "target"):
        assert getattr(heard, name) is getattr(shown, name)
    return heard.spoilt


def test_half_of_the_steps_are_its_own_but_never_the_first() -> None:
    game = ready()
    shown = shown_of(game)
    own = (mixed(game, shown) != shown.spoilt).any(-1)
    assert int(own.sum()) == round(module.OWN * 3 * 19)
    assert not own[:, 0].any()
    shares = torch.stack([(mixed(game, shown, seed) != shown.spoilt).any(-1).float().mean(1) for seed in range(40)])
    assert shares.amin() < 0.2  # excerpts differ: some are nearly all music
    assert shares.amax() > 0.8  # some nearly all its own


def test_its_own_steps_follow_from_the_music_before_them_alone() -> None:
    game = ready()
    shown = shown_of(game)
    other = shown._replace(spoilt=shown.spoilt.clone(), target=torch.zeros_like(shown.target))
    other.spoilt[:, 12:] += 1
    one, two = mixed(game, shown), mixed(game, other)
    assert torch.equal(one[:, :12], two[:, :12])
    own = (one != shown.spoilt).any(-1)[:, 12]
    assert own.any()
    assert torch.equal(one[own, 12], two[own, 12])


def test_its_own_steps_are_what_it_would_make_there() -> None:
    """With a flow that goes to one point whatever it begins with, that point is made."""
    game = ready()
    flow = game.generator.flow
    flow.forward = lambda points, told: 2 * (3 - points)  # type: ignore[method-assign]
    shown = shown_of(game)
    heard = mixed(game, shown)
    own = (heard != shown.spoilt).any(-1)
    assert torch.allclose(heard[own], torch.tensor(3.0), atol=1e-5)


def test_an_excerpt_of_one_step_has_none_of_its_own() -> None:
    game = ready()
    shown = shown_of(game, 1)
    assert torch.equal(mixed(game, shown), shown.spoilt)


def hears_its_own(step: Callable[[MusicGame], object]) -> bool:
    """Whether what a step teaches depends on how many of its own steps the generator may hear."""
    learnt = []
    for share in (0.2, 0.8):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "OWN", share)
            game = ready()
            step(game)
        learnt.append(game.generator.enter.weight.clone())
    return not torch.equal(*learnt)


@pytest.mark.parametrize("own", [False, True])
def test_fit_learns_from_its_own_steps_where_it_is_told_to(own: bool) -> None:
    def step(game: MusicGame) -> None:
        fit_step(game, batch_of(), torch.Generator().manual_seed(0), 0.9, own=own)

    assert hears_its_own(step) is own


@pytest.mark.parametrize("fights", [False, True])
def test_the_game_shows_none_of_them_once_the_generator_fights(fights: bool) -> None:
    def step(game: MusicGame) -> None:
        random = torch.Generator().manual_seed(0)
        game_step(game, batch_of(), random, 0.9, adversarial_weight=1.0, fights=fights)

    assert hears_its_own(step) is not fights
