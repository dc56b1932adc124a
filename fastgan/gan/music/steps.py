"""One optimiser step of each kind at frame rate: networks and a batch in, named losses out (scalars on the device, float64)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from fastgan.gan.music.game import MusicGame
from fastgan.gan.music.guide import guide_of
from fastgan.gan.stage import Losses
from fastgan.nn.frame_generator import FrameGenerator

SPOILT = 0.3
"""Noise that shown frames are spoilt by while the generator learns, at most, in their own spreads."""

CLIP = 1.0
"""Norm that gradients are cut to: one bad batch must not undo an epoch (Pascanu et al., 2013)."""


class Batch(NamedTuple):
    """What the generator learns from in a step."""

    steps: Tensor  # [B, T + 1, D]
    styles: Tensor  # [B, S]
    counts: Tensor  # float64 [B, T + 1], beats before each


def encoder_step(game: MusicGame, magnitudes: Tensor) -> Losses:
    """Teach the encoder's corrections to rebuild magnitudes [B, T, bins]."""
    loss = game.encoder.error(magnitudes)
    descend(game, "encoder", loss)
    return {"loss": loss.detach().double()}


def fit_step(
    game: MusicGame, steps: Tensor, styles: Tensor, counts: Tensor, random: torch.Generator, keep: float
) -> Losses:
    """Teach the generator what follows: latent steps [B, T + 1, D] of pieces in styles [B, S].

    Args:
        game: its generator learns, its average follows.
        steps: the first is shown as zeros: a piece begins there.
        styles: of the pieces.
        counts: beats before each step, float64 [B, T + 1].
        random: of all noise.
        keep: share of the average that stays.
    """
    spoilt = game.styles.spoil(styles, normal(styles, random))
    loss = fit_loss(game, game.generator, steps, spoilt, counts, random)
    descend(game, "generator", loss)
    game.follow(keep)
    return {"loss": loss.detach().double()}


def fit_loss(
    game: MusicGame,
    network: FrameGenerator,
    steps: Tensor,
    styles: Tensor,
    counts: Tensor,
    random: torch.Generator,
    spoilt: float = SPOILT,
) -> Tensor:
    """Squared error of the flow's velocity, weighted as values count in the sound, a scalar.

    Args:
        game: whose weights of the values.
        network: a generator of frames.
        steps: [B, T + 1, D].
        styles: [B, S].
        counts: [B, T + 1].
        random: of all noise.
        spoilt: largest noise on what is shown.
    """
    shown, target = torch.cat((torch.zeros_like(steps[:, :1]), steps[:, 1:-1]), 1), steps[:, 1:]
    much = spoilt * torch.rand(len(steps), generator=random, device=steps.device, dtype=steps.dtype)
    shown[:, 1:] += much[:, None, None] * normal(shown[:, 1:], random)
    guide = guide_of(styles[:, None].expand(-1, shown.shape[1], -1), counts[:, 1:])
    known = network(shown, guide, much).context.flatten(0, 1)
    target = target.flatten(0, 1)
    noise = normal(target, random)
    times = torch.sigmoid(normal(target[:, 0], random))  # most of what is hard lies in the middle of the paths
    return (network.flow.error(known, target, noise, times) * game.weights).mean()


def descend(game: MusicGame, name: str, loss: Tensor) -> None:
    """Take one step down with a network."""
    network = game.networks()[name]
    network.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), CLIP)
    game.optimisers[name].step([weight.grad for weight in network.parameters() if weight.grad is not None])


def normal(like: Tensor, random: torch.Generator) -> Tensor:
    """Standard normal values of the shape of others."""
    return torch.randn(like.shape, generator=random, device=like.device, dtype=like.dtype)
