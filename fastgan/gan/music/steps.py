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

OWN = 0.5
"""Share of the steps it is shown that the generator has made itself, on average, where it learns from its own."""

OWN_FLOW_STEPS = 3
"""Steps of the flow for each of those in fit: rough ones teach as well, in half the time."""

CLIP = 1.0
"""Norm that gradients are cut to: one bad batch must not undo an epoch (Pascanu et al., 2013)."""


class Batch(NamedTuple):
    """What the generator learns from in a step."""

    steps: Tensor  # [B, T + 1, D]; the first is shown as zeros: a piece begins there
    styles: Tensor  # [B, S]
    counts: Tensor  # float64 [B, T + 1], beats before each


class Lesson(NamedTuple):
    """What the generator is shown of a batch, and what follows."""

    before: Tensor  # [B, T, D], as it is
    spoilt: Tensor  # [B, T, D], as it is shown
    much: Tensor  # [B], how much noise that is
    guide: Tensor  # [B, T, G], of what follows
    target: Tensor  # [B, T, D], what follows


def encoder_step(game: MusicGame, magnitudes: Tensor) -> Losses:
    """Teach the encoder's corrections to rebuild magnitudes [B, T, bins]."""
    loss = game.encoder.error(magnitudes)
    descend(game, "encoder", loss)
    return {"loss": loss.detach().double()}


def fit_step(game: MusicGame, batch: Batch, random: torch.Generator, keep: float, *, own: bool) -> Losses:
    """Teach the generator what follows.

    Args:
        game: its generator learns, its average follows.
        batch: music.
        random: of all noise.
        keep: share of the average that stays.
        own: whether it is shown steps of its own, too.
    """
    shown = lesson(game, batch, random)
    loss = fit_loss(game, game.generator, with_own(game, shown, random, OWN_FLOW_STEPS) if own else shown, random)
    descend(game, "generator", loss)
    game.follow(keep)
    return {"loss": loss.detach().double()}


def lesson(game: MusicGame, batch: Batch, random: torch.Generator) -> Lesson:
    """Spoil what the generator is shown, and move the styles a little."""
    styles = game.styles.spoil(batch.styles, normal(batch.styles, random))
    much = SPOILT * torch.rand(len(styles), generator=random, device=styles.device, dtype=styles.dtype)
    return show(batch._replace(styles=styles), much, random)


def show(batch: Batch, much: Tensor, random: torch.Generator) -> Lesson:
    """What the generator is shown of a batch when noise of this spread is added, [B]."""
    before, target = torch.cat((torch.zeros_like(batch.steps[:, :1]), batch.steps[:, 1:-1]), 1), batch.steps[:, 1:]
    spoilt = before.clone()
    spoilt[:, 1:] += much[:, None, None] * normal(before[:, 1:], random)
    guide = guide_of(batch.styles[:, None].expand(-1, before.shape[1], -1), batch.counts[:, 1:])
    return Lesson(before, spoilt, much, guide, target)


@torch.no_grad()
def with_own(game: MusicGame, shown: Lesson, random: torch.Generator, flow_steps: int) -> Lesson:
    """Show the generator, in place of some steps, what it makes there itself of the music before; what follows stays.

    A piece hears nothing but what was made. Taught by the music alone, the generator knows nothing of its own errors and follows
    them to where less and less happens (scheduled sampling: Bengio et al., 2015; here at all places at once, in two passes, as in
    Mihaylova and Martins, "Scheduled sampling for transformers", 2019).

    Args:
        game: its generator.
        shown: what it would be shown.
        random: of places and noise; how many places differs from excerpt to excerpt, and is `OWN` of a batch.
        flow_steps: for each of them.
    """
    network, after = game.generator, shown.spoilt[:, 1:]
    drawn = torch.rand(after.shape[:2], generator=random, device=after.device, dtype=after.dtype)
    likely = torch.rand(len(after), 1, generator=random, device=after.device, dtype=after.dtype)
    chosen = (drawn / likely).flatten().topk(round(OWN * drawn.numel()), largest=False).indices
    known = network(shown.spoilt, shown.guide, shown.much).context[:, :-1].flatten(0, 1)[chosen]
    heard = after.flatten(0, 1).clone()
    heard[chosen] = network.flow.sample(known, normal(heard[chosen], random), network.flow.times(flow_steps))
    return shown._replace(spoilt=torch.cat((shown.spoilt[:, :1], heard.view_as(after)), 1))


def fit_loss(game: MusicGame, network: FrameGenerator, shown: Lesson, random: torch.Generator) -> Tensor:
    """Squared error of the flow's velocity, weighted as values count in the sound, a scalar.

    Args:
        game: whose weights of the values.
        network: a generator of frames.
        shown: what it is shown.
        random: of all noise.
    """
    known = network(shown.spoilt, shown.guide, shown.much).context.flatten(0, 1)
    target = shown.target.flatten(0, 1)
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
