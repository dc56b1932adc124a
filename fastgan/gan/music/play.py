"""The game at frame rate: wherever the music is, the generator says how it might go on, and the critic what did follow."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from fastgan.gan.music.game import MusicGame
from fastgan.gan.music.steps import Batch, Lesson, descend, lesson, normal, with_own
from fastgan.gan.stage import Losses
from fastgan.nn.critic import Critic
from fastgan.nn.frame_generator import FrameGenerator

FLOW_STEPS = 2
"""Steps of the flow that the game is played with: the generator learns to make in them what its teacher makes in more."""

TEACHER_STEPS = 6
"""Steps of the flow of the teacher: what fit has learnt, as it stays."""

PLACES = 512
"""Places of a batch, at most, where the game is played: each is judged by itself, and they cost more than the LSTMs."""

DISTILLATION = 5.0
"""Weight of the squared distance from what the teacher makes of the same noise: at 1 a fight costs onsets, at 20 it changes little."""

PLAYED_SHARE = 0.6
"""How far the average goes from the teacher to the generator: all the way is too far on some music (docs/log.md)."""

MATCHING = 1.0  # weight of feature matching
PENALTY = (
    0.1  # weight of the critic's squared slope at real music: at 1 it sees nothing, at 0.03 it outruns the generator
)


class Places(NamedTuple):
    """Where the game is played, as the critic sees it."""

    chosen: Tensor  # [R], of all places of a batch
    before: Tensor  # [R, D], the steps before
    real: Tensor  # [R, D], the steps that follow
    made: Tensor  # [R, D], those that the generator made, with a gradient
    taught: Tensor  # [R, D], what the teacher makes of the same noise


def game_step(
    game: MusicGame, batch: Batch, random: torch.Generator, keep: float, *, adversarial_weight: float, fights: bool
) -> Losses:
    """One step of the critic, then one of the generator.

    The generator is held to what its teacher makes of the same noise (Salimans and Ho, "Progressive distillation for fast sampling
    of diffusion models", 2022), so that it is as good in few steps of the flow before it fights, and cannot go far astray when it
    does (Sauer et al., "Adversarial diffusion distillation", 2023). The verdict is the non-saturating one of Goodfellow et al.
    ("Generative adversarial nets", 2014), with feature matching (Salimans et al., "Improved techniques for training GANs", 2016,
    section 3.1) and a penalty on the slope of the critic at real music (R1: Mescheder et al., "Which training methods for GANs do
    actually converge?", 2018).

    Args:
        game: its critic and generator learn, its average follows.
        batch: real music.
        random: of all noise.
        keep: share of the average that stays.
        adversarial_weight: of the critic's verdict beside feature matching.
        fights: whether the generator listens to the critic, too; until that knows something, it learns from its teacher alone.
    """
    shown = lesson(game, batch, random)
    if not fights:  # a critic that knows the music would take what follows from the generator's own steps for a mistake
        shown = with_own(game, shown, random, FLOW_STEPS)
    places = _play(game, shown, random)
    losses = critic_step(game, shown, places)
    losses |= generator_step(game, shown, places, adversarial_weight, fights=fights)
    game.follow(keep, PLAYED_SHARE)
    return losses


def critic_step(game: MusicGame, shown: Lesson, places: Places) -> Losses:
    """Teach the critic to tell what follows in the music from what was made."""
    known = _known(game, shown, places)
    real = places.real.clone().requires_grad_()
    is_real = game.critic.judge(known, places.before, real).logits
    is_made = game.critic.judge(known, places.before, places.made.detach()).logits
    verdict = F.softplus(-is_real).mean() + F.softplus(is_made).mean()
    (slope,) = torch.autograd.grad(is_real.sum(), real, create_graph=True)
    penalty = slope.square().sum(1).mean()
    descend(game, "critic", verdict + PENALTY / 2 * penalty)
    right = ((is_real > 0).double().mean() + (is_made < 0).double().mean()) / 2
    return {"d_loss": verdict.detach().double(), "d_accuracy": right, "d_slope": penalty.detach().double()}


def generator_step(
    game: MusicGame, shown: Lesson, places: Places, adversarial_weight: float, *, fights: bool = True
) -> Losses:
    """Teach the generator to make what its teacher makes and, where it fights, what passes for what follows."""
    critic: Critic = game.critic.requires_grad_(False)  # its gradients would be computed and thrown away
    try:
        with torch.no_grad():
            known = _known(game, shown, places)
            wanted = critic.judge(known, places.before, places.real).features
        verdict = critic.judge(known, places.before, places.made)
        adversarial, matching = F.softplus(-verdict.logits).mean(), _apart(verdict.features, wanted)
        distance = F.mse_loss(places.made, places.taught)
        loss = DISTILLATION * distance
        if fights:
            loss = loss + adversarial_weight * adversarial + MATCHING * matching
        descend(game, "generator", loss)
    finally:
        critic.requires_grad_(True)
    found = {"g_adversarial": adversarial, "g_matching": matching, "g_distance": distance}
    return {name: value.detach().double() for name, value in found.items()}


def _play(game: MusicGame, shown: Lesson, random: torch.Generator) -> Places:
    """Let the generator go on at some places of a batch, and its teacher from the same noise."""
    before, real = shown.before.flatten(0, 1), shown.target.flatten(0, 1)
    chosen = torch.randperm(len(real), generator=random, device=real.device)[:PLACES]
    noise = normal(real[chosen], random)

    def go_on(network: FrameGenerator, flow_steps: int) -> Tensor:
        known = network(shown.spoilt, shown.guide, shown.much).context.flatten(0, 1)[chosen]
        return network.flow.sample(known, noise, network.flow.times(flow_steps))

    made = go_on(game.generator, FLOW_STEPS)
    with torch.no_grad():
        taught = go_on(game.teacher, TEACHER_STEPS)
    return Places(chosen, *(seen(game, steps) for steps in (before[chosen], real[chosen], made, taught)))


def _known(game: MusicGame, shown: Lesson, places: Places) -> Tensor:
    """What the critic knows at the places, [R, W]: it hears the music as it is, not spoilt."""
    return game.critic.remember(seen(game, shown.before), shown.guide).flatten(0, 1)[places.chosen]


def seen(game: MusicGame, steps: Tensor) -> Tensor:
    """Steps [..., D] as the critic sees them: between as they are and as they sound, so that small values do not decide."""
    return steps * game.weights.sqrt()


def _apart(one: Tensor, other: Tensor) -> Tensor:
    """How far means and spreads of features [R, W] lie apart, a scalar."""
    return (one.mean(0) - other.mean(0)).abs().mean() + (one.std(0) - other.std(0)).abs().mean()
