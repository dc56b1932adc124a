"""Strides by hand against the steps that define them, which autograd differentiates."""

import copy

import pytest
import torch
from torch import Tensor

from fastgan.gan.game import Game
from fastgan.gan.metrics import zero_share
from fastgan.gan.stage import Losses
from fastgan.gan.steps import fit_step, game_step
from fastgan.gan.strides import Learner, fit, play, stride_of
from fastgan.nn.by_hand import ByHand, Pass
from fastgan.ops.lstm import backends

CPU = torch.device("cpu")
WEIGHTS = {"mse_weight": 0.7, "adversarial_weight": 1.3}
ABLE = [name for name, reason in backends() if reason is None and name in ("cpu", "reference")]
SIZES = [(5, 6, 3, 1), (3, 1, 1, 1), (2, 9, 4, 16), (1, 6, 33, 1)]  # steps, n, batch, features
EPS = torch.finfo(torch.float64).eps


def build(features: int, dtype: torch.dtype, backend: str = "auto", lr: float = 1e-2) -> Game:
    game = Game.build(hidden=11, encoder=features > 1, seed=3, device=CPU, dtype=dtype, backend=backend)
    game.optimise(("generator", "discriminator"), lr)
    if dtype == torch.float64:
        for optimiser in game.optimisers.values():
            optimiser.eps = 1e-3  # beside the roots of tiny gradients, so that a rounding in one stays a rounding
    return game


def learners(game: Game, dtype: torch.dtype | None = None) -> dict[str, Learner]:
    networks = {"generator": game.generator, "discriminator": game.discriminator}
    return {name: Learner(ByHand(net, dtype), game.optimisers[name]) for name, net in networks.items()}


def draw(*shape: int, seed: int = 0) -> Tensor:
    """Sequences with some exact zeros in them, as sound has."""
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return values * (values.abs() > 0.2)


def summed(losses: list[Losses]) -> Losses:
    return {name: torch.stack([one[name] for one in losses]).sum() for name in losses[0]}


def assert_same(game: Game, other: Game, found: Losses, wanted: Losses, factor: float = 64.0) -> None:
    """Equal but for roundings."""
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=factor * EPS, atol=factor * EPS)
    before = other.tensors()
    for name, value in game.tensors().items():
        scale = float(before[name].abs().max())
        torch.testing.assert_close(value, before[name], rtol=0, atol=max(factor * EPS * scale, 1e-300), msg=name)


@pytest.mark.parametrize("backend", ABLE)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_fit_is_the_step_that_defines_it(backend, sizes):
    steps, window, batch, features = sizes
    sequences = draw(steps, window + 1, batch, features)
    ours, plain = build(features, torch.float64, backend), build(features, torch.float64, "reference")
    found = fit(learners(ours)["generator"], sequences)
    rows = sequences.transpose(1, 2)
    wanted = [fit_step(plain, one[:, :-1], one[:, -1]) | {"zero_share": zero_share(one[:, -1])} for one in rows]
    assert_same(ours, plain, found, summed(wanted))
    assert torch.equal(ours.discriminator.dense.weight, build(features, torch.float64).discriminator.dense.weight)


@pytest.mark.parametrize("backend", ABLE)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_a_game_is_the_step_that_defines_it(backend, sizes):
    steps, window, batch, features = sizes
    real, noise = draw(steps, window, batch, features), draw(steps, window, batch, features, seed=1)
    ours, plain = build(features, torch.float64, backend), build(features, torch.float64, "reference")
    found = play(**learners(ours), real=real, noise=noise, **WEIGHTS)
    rows = zip(real.transpose(1, 2), noise.transpose(1, 2), strict=True)
    assert_same(ours, plain, found, summed([game_step(plain, one, other, **WEIGHTS) for one, other in rows]))


def test_strides_follow_each_other_without_a_seam():
    real, noise = draw(6, 6, 4, 1), draw(6, 6, 4, 1, seed=1)
    whole, parts = build(1, torch.float32), build(1, torch.float32)
    everything = play(**learners(whole), real=real.float(), noise=noise.float(), **WEIGHTS)
    halves = [
        play(**learners(parts), real=real[part].float(), noise=noise[part].float(), **WEIGHTS)
        for part in (slice(4), slice(4, 6))
    ]
    assert all(torch.equal(value, parts.tensors()[name]) for name, value in whole.tensors().items())
    for name, value in summed(halves).items():
        torch.testing.assert_close(everything[name], value)


def test_a_wrong_gradient_would_show(monkeypatch):
    honest = Pass.gradients
    monkeypatch.setattr(Pass, "gradients", lambda *given: [1.001 * value for value in honest(*given)])
    sequences = draw(3, 7, 4, 1)
    ours, plain = build(1, torch.float64), build(1, torch.float64)
    fit(learners(ours)["generator"], sequences)
    for one in sequences.transpose(1, 2):
        fit_step(plain, one[:, :-1], one[:, -1])
    with pytest.raises(AssertionError):
        assert_same(ours, plain, {}, {})


@pytest.mark.parametrize("stage", ["fit", "game"])
def test_bfloat16_learns_about_the_same_with_weights_in_float32(stage):
    real, noise = draw(20, 7, 16, 1).float(), draw(20, 7, 16, 1, seed=1).float()
    full, short = (
        build(1, torch.float32, "reference", lr=1e-3) for _ in range(2)
    )  # Triton's interpreter takes minutes
    first = copy.deepcopy(full.tensors())
    found = []
    for game, dtype in ((full, None), (short, torch.bfloat16)):
        if stage == "fit":
            found.append(fit(learners(game, dtype)["generator"], real))
        else:
            found.append(play(**learners(game, dtype), real=real, noise=noise, **WEIGHTS))
    for name, value in found[0].items():
        assert value.dtype == found[1][name].dtype == torch.float64
        if "accuracy" not in name:
            torch.testing.assert_close(found[1][name], value, rtol=2e-2, atol=0)
    weight = "generator.lstm.weight_hh_l1"
    assert short.tensors()[weight].dtype == torch.float32
    moved = (full.tensors()[weight] - first[weight]).norm()
    apart = (full.tensors()[weight] - short.tensors()[weight]).norm()
    assert 0 < apart < 0.3 * moved  # another dtype, the same way


def test_only_plain_stacks_are_done_by_hand():
    game = build(1, torch.float32)
    game.generator.lstm.dropout = 0.5
    with pytest.raises(ValueError, match="without dropout"):
        ByHand(game.generator)


def test_a_stride_is_short_and_the_same_for_the_same_sizes():
    game = build(1, torch.float32)
    strides = [stride_of(game, 6, batch, "fit") for batch in (1, 32, 4096, 1 << 20)]
    assert strides == [stride_of(game, 6, batch, "fit") for batch in (1, 32, 4096, 1 << 20)]
    assert strides == sorted(strides, reverse=True)
    assert strides[0] == 64
    assert strides[-1] == 1
