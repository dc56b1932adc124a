"""The generator played freely, and what the critic is shown."""

import pytest
import torch

from fastgan.gan.music import play as module
from fastgan.gan.music.guide import guide_of
from fastgan.gan.music.play import critic_step, play, seen
from fastgan.gan.music.steps import Batch
from tests.gan.music.common import small_game


def batch_of(length: int, seed: int = 0) -> Batch:
    """Random music of so many steps after the first, with a steady beat."""
    random = torch.Generator().manual_seed(seed)
    counts = 0.13 * torch.arange(length + 1, dtype=torch.float64) + torch.tensor([[0.0], [3.2], [1.1]])
    return Batch(
        torch.randn(3, length + 1, 24, generator=random),
        torch.randn(3, small_game().styles.size, generator=random),
        counts,
    )


@pytest.mark.parametrize(("length", "free"), [(200, 5), (200, 40), (12, 3)])
def test_what_is_played_comes_with_what_it_was_told(length: int, free: int) -> None:
    game, batch = small_game(), batch_of(length)
    made, guide = play(game, batch, torch.Generator().manual_seed(0), free)
    steps = min(2 * module.PLAYED, free + module.PLAYED)
    assert made.shape == (3, steps, 24)
    last = (length + 1) // 4 + free + module.PLAYED  # one after the last that was made
    counts = batch.counts[:, :1] + 0.13 * torch.arange(last - steps, last, dtype=torch.float64)
    wanted = guide_of(batch.styles[:, None].expand(-1, steps, -1), counts)
    assert torch.allclose(guide, wanted, atol=1e-5)


def test_only_the_last_steps_have_a_gradient() -> None:
    game, batch = small_game(), batch_of(100)
    torch.nn.init.normal_(game.generator.flow.velocity.weight, std=0.3)
    made, _ = play(game, batch, torch.Generator().manual_seed(0), 20)
    weight = game.generator.flow.velocity.weight
    (first,) = torch.autograd.grad(made[:, : module.PLAYED].sum(), weight, retain_graph=True, allow_unused=True)
    assert first is None or not first.any()
    (last,) = torch.autograd.grad(made[:, -1].sum(), weight)
    assert last.abs().sum() > 0


def test_what_counts_less_in_the_sound_counts_less_for_the_critic() -> None:
    game = small_game()
    game.encoder.spread.copy_(torch.linspace(4, 0.1, 12))
    shown = seen(game, torch.ones(1, 1, 24))[0, 0]
    assert torch.all(shown[:11] > shown[1:12])
    assert torch.equal(shown[:12], shown[12:])


def test_the_critic_is_held_back_where_it_is_steep() -> None:
    """The penalty is on the slope at real music: with a larger weight the slope stays smaller."""
    slopes = []
    for penalty in (0.0, 30.0):
        module_penalty, module.PENALTY = module.PENALTY, penalty
        try:
            game, batch = small_game(), batch_of(30)
            game.optimise(("critic",), 5e-3)
            guide = guide_of(batch.styles[:, None].expand(-1, 20, -1), batch.counts[:, :20])
            for _ in range(40):
                losses = critic_step(game, batch.steps[:, :20], guide, -batch.steps[:, 5:25], guide)
            slopes.append(float(losses["d_slope"]))
        finally:
            module.PENALTY = module_penalty
    assert slopes[1] < 0.5 * slopes[0]
