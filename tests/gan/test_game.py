import copy

import pytest
import torch

from fastgan.gan.game import Game
from fastgan.gan.steps import (
    discriminator_loss,
    discriminator_step,
    encoder_step,
    fit_step,
    game_step,
    generator_step,
)

CPU = torch.device("cpu")


def build(*, encoder: bool = False, seed: int = 0, hidden: int = 12, dtype: torch.dtype = torch.float32) -> Game:
    game = Game.build(hidden=hidden, encoder=encoder, seed=seed, device=CPU, dtype=dtype)
    game.optimise(tuple(game.networks()), 1e-2)
    return game


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(5)
    first = build(seed=1).tensors()
    torch.manual_seed(6)
    before = torch.get_rng_state()
    assert same(first, build(seed=1).tensors())
    assert torch.equal(before, torch.get_rng_state())  # and nobody else's randomness is touched
    assert not same(first, build(seed=2).tensors())


@pytest.mark.parametrize("encoder", [False, True])
def test_what_is_saved_comes_back_with_the_optimisers(encoder: bool) -> None:
    real, noise = torch.randn(8, 6, 16 if encoder else 1), torch.randn(8, 6, 16 if encoder else 1)
    game = build(encoder=encoder)

    def play(game: Game) -> None:
        for _ in range(3):
            fit_step(game, real, real[:, 0])
            game_step(game, real, noise, mse_weight=1.0, adversarial_weight=0.5)

    play(game)
    saved = copy.deepcopy(game.tensors())
    other = build(encoder=encoder, seed=9)
    other.load(saved)
    assert same(other.tensors(), saved)
    play(game)
    play(other)
    assert same(other.tensors(), game.tensors())  # the moments of Adam came along
    assert not same(other.tensors(), saved)


def test_other_sizes_are_refused_by_name() -> None:
    with pytest.raises(
        ValueError, match=r"generator\.lstm\.weight_ih_l0 is \(48, 1\), needs \(52, 1\); .*and \d+ more"
    ):
        build(hidden=13).load(build().tensors())
    with pytest.raises(ValueError, match=r"encoder\..* is missing"):
        build(encoder=True).load(
            {k: v for k, v in build(encoder=True).tensors().items() if not k.startswith("encoder.")}
        )


def test_each_step_trains_its_network_and_no_other() -> None:
    game, real, noise = build(), torch.randn(8, 6, 1), torch.randn(8, 6, 1)

    def changed(step: object) -> set[str]:
        before = copy.deepcopy(game.tensors())
        step()  # type: ignore[operator]
        return {
            name.split(".")[0]
            for name, value in game.tensors().items()
            if not name.startswith("adam") and not torch.equal(value, before[name])
        }

    assert changed(lambda: fit_step(game, real, real[:, 0])) == {"generator"}
    assert changed(lambda: discriminator_step(game, real, noise)) == {"discriminator"}
    weights = {"mse_weight": 1.0, "adversarial_weight": 1.0}
    assert changed(lambda: generator_step(game, real, game.generator(noise), **weights)) == {"generator"}
    assert changed(lambda: game_step(game, real, noise, **weights)) == {"generator", "discriminator"}
    assert all(weight.requires_grad for weight in game.discriminator.parameters())
    game = build(encoder=True)
    assert changed(lambda: encoder_step(game, torch.randn(2, 2048))) == {"encoder"}


def test_losses_are_the_papers_formulas() -> None:
    game, real, noise = build(dtype=torch.float64), torch.randn(5, 6, 1).double(), torch.randn(5, 6, 1).double()
    with torch.no_grad():
        fake = game.generator(noise)
        real_score, fake_score = game.discriminator(real), game.discriminator(fake)
    bce = torch.nn.BCELoss()
    truth = (bce(real_score.sigmoid(), torch.ones(5).double()) + bce(fake_score.sigmoid(), torch.zeros(5).double())) / 2
    torch.testing.assert_close(discriminator_loss(torch.cat((real_score, fake_score))), truth)
    losses = generator_step(game, real, game.generator(noise), mse_weight=2.0, adversarial_weight=0.5)
    mse, adversarial = (fake - real).square().mean(), bce(fake_score.sigmoid(), torch.ones(5).double())
    torch.testing.assert_close(losses["g_mse"], mse)
    torch.testing.assert_close(losses["g_adversarial"], adversarial)
    torch.testing.assert_close(losses["g_loss"], 2 * mse + 0.5 * adversarial)


def test_the_fit_stage_learns_a_sine() -> None:
    game = build(hidden=32)
    windows = torch.sin(torch.arange(2000) * 0.2).unfold(0, 7, 1)[..., None]
    first = float(fit_step(game, windows[:64, :6], windows[:64, 6])["loss"])
    for step in range(150):
        part = windows[(step * 64) % 1900 :][:64]
        loss = float(fit_step(game, part[:, :6], part[:, 6])["loss"])
    assert loss < first / 100
