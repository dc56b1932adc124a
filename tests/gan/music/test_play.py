"""The game at frame rate: who is taught by whom."""

from collections.abc import Callable

import pytest
import torch
from torch.testing import assert_close

from fastgan.gan.music import play as module
from fastgan.gan.music.game import MusicGame
from fastgan.gan.music.play import critic_step, game_step, generator_step, seen
from fastgan.gan.music.steps import Batch, lesson
from tests.gan.music.common import small_game


def batch_of(length: int = 20, seed: int = 0) -> Batch:
    """Random music of so many steps after the first, with a steady beat."""
    random = torch.Generator().manual_seed(seed)
    counts = 0.13 * torch.arange(length + 1, dtype=torch.float64) + torch.tensor([[0.0], [3.2], [1.1]])
    return Batch(
        torch.randn(3, length + 1, 24, generator=random),
        torch.randn(3, small_game().styles.size, generator=random),
        counts,
    )


def ready(lr: float = 5e-3) -> MusicGame:
    """Networks with optimisers, and a flow that moves."""
    game = small_game()
    torch.manual_seed(1)
    torch.nn.init.normal_(game.generator.flow.velocity.weight, std=0.3)
    game.optimise(("generator", "critic"), lr, (0.0, 0.99))
    return game


def places_of(game: MusicGame, seed: int = 0) -> tuple[module.Lesson, module.Places]:
    """Where the game is played on a batch."""
    random = torch.Generator().manual_seed(seed)
    shown = lesson(game, batch_of(), random)
    return shown, module._play(game, shown, random)


def changed(game: MusicGame, what: Callable[[], object]) -> set[str]:
    """Networks that something changes."""
    before = {name: [w.clone() for w in net.state_dict().values()] for name, net in game.networks().items()}
    what()
    after = {name: list(net.state_dict().values()) for name, net in game.networks().items()}
    return {
        name for name in before if any(not torch.equal(*pair) for pair in zip(before[name], after[name], strict=True))
    }


def test_each_step_teaches_its_own_network() -> None:
    game = ready()
    shown, places = places_of(game)
    assert changed(game, lambda: critic_step(game, shown, places)) == {"critic"}
    assert changed(game, lambda: generator_step(game, shown, places, 1.0)) == {"generator"}
    assert all(weight.requires_grad for weight in game.critic.parameters())


@pytest.mark.parametrize("fights", [False, True])
def test_the_generator_does_not_listen_to_the_critic_until_it_fights(fights: bool) -> None:
    learnt = []
    for critic in (1, 2):
        game = ready()
        torch.manual_seed(critic)
        torch.nn.init.normal_(game.critic.dense.weight)
        generator_step(game, *places_of(game), 1.0, fights=fights)
        learnt.append(game.generator.flow.point.weight.clone())
    assert torch.equal(*learnt) is not fights


@pytest.mark.parametrize("fights", [False, True])
def test_a_step_of_the_game_leaves_the_teacher_as_it_is(fights: bool) -> None:
    game = ready()
    random = torch.Generator().manual_seed(0)

    def play() -> None:
        losses = game_step(game, batch_of(), random, 0.9, adversarial_weight=1.0, fights=fights)
        assert losses.keys() == {"d_loss", "d_accuracy", "d_slope", "g_adversarial", "g_matching", "g_distance"}

    assert changed(game, play) == {"critic", "generator", "average"}


def test_music_is_made_by_weights_between_the_teacher_and_who_fights() -> None:
    """Where the generator stands still, the average comes to rest at its share of the way from the teacher."""
    game = ready()
    torch.nn.init.constant_(game.generator.flow.point.weight, 1.0)
    torch.nn.init.constant_(game.teacher.flow.point.weight, 0.0)
    torch.nn.init.constant_(game.average.flow.point.weight, 9.0)
    for _ in range(60):
        game.follow(0.7, 0.6)
    assert_close(game.average.flow.point.weight, torch.full_like(game.average.flow.point.weight, 0.6))
    for _ in range(60):
        game.follow(0.7)
    assert_close(game.average.flow.point.weight, game.generator.flow.point.weight.detach())


def test_two_steps_of_the_flow_learn_to_do_what_six_did() -> None:
    game = ready(3e-3)
    torch.nn.init.normal_(game.generator.flow.point.weight, std=0.3)  # paths that bend
    game.teacher.load_state_dict(game.generator.state_dict())
    first = places_of(game)[1]
    for seed in range(150):
        generator_step(game, *places_of(game, seed), 1.0, fights=False)
    last = places_of(game)[1]
    assert torch.equal(first.taught, last.taught)
    before, after = (torch.nn.functional.mse_loss(one.made, one.taught) for one in (first, last))
    assert after < before / 3
    assert before < last.taught.var()  # it is not by a teacher who makes nothing


def test_places_are_steps_of_the_music_with_those_before_them() -> None:
    game = ready()
    shown, places = places_of(game)
    batch = batch_of()
    steps = seen(game, torch.cat((torch.zeros(3, 1, 24), batch.steps[:, 1:]), 1))
    assert len(places.chosen) == 60
    for row, place in enumerate(places.chosen.tolist()):
        piece, step = divmod(place, 20)
        assert torch.equal(places.before[row], steps[piece, step])
        assert torch.equal(places.real[row], steps[piece, step + 1])
    assert torch.equal(shown.before[:, 1:], batch.steps[:, 1:-1])


def test_no_more_places_than_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PLACES", 7)
    _, places = places_of(ready())
    assert len(places.made) == len(set(places.chosen.tolist())) == 7


def against_a_critic_that_likes_much() -> MusicGame:
    """A generator that has played against a critic that stands still and has learnt that what follows is large."""
    game = ready(1e-2)
    for seed in range(60):
        shown, places = places_of(game, seed)
        critic_step(game, shown, places._replace(real=places.real + 3))
    game.optimise(("generator",), 3e-3)  # gently: Adam takes the same step however much a loss weighs
    for seed in range(60):
        generator_step(game, *places_of(game, seed), 1.0)
    return game


def test_what_is_made_moves_towards_what_passes_for_music(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DISTILLATION", 0.0)
    moved = places_of(against_a_critic_that_likes_much())[1].made.mean()
    assert moved > places_of(ready())[1].made.mean() + 0.5


def test_a_teacher_holds_who_fights(monkeypatch: pytest.MonkeyPatch) -> None:
    """The more it counts, the nearer to it."""
    apart = []
    for weight in (0.0, 1.0, module.DISTILLATION):
        monkeypatch.setattr(module, "DISTILLATION", weight)
        places = places_of(against_a_critic_that_likes_much())[1]
        apart.append((places.made - places.taught).square().mean().item())
    assert apart[0] > 1.2 * apart[1] > 2 * apart[2]


def test_what_counts_less_in_the_sound_counts_less_for_the_critic() -> None:
    game = small_game()
    game.encoder.spread.copy_(torch.linspace(4, 0.1, 12))
    shown = seen(game, torch.ones(1, 1, 24))[0, 0]
    assert torch.all(shown[:11] > shown[1:12])
    assert torch.equal(shown[:12], shown[12:])


def test_the_critic_is_held_back_where_it_is_steep(monkeypatch: pytest.MonkeyPatch) -> None:
    """The penalty is on the slope at real music: with a larger weight the slope stays smaller."""
    slopes = []
    for penalty in (0.0, 30.0):
        monkeypatch.setattr(module, "PENALTY", penalty)
        game = ready()
        for seed in range(40):
            losses = critic_step(game, *places_of(game, seed))
        slopes.append(float(losses["d_slope"]))
    assert slopes[1] < 0.5 * slopes[0]
