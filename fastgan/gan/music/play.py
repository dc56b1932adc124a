"""The game at frame rate: the generator is played freely, and the critic tells its music from real music."""

import torch
from torch import Tensor
from torch.nn import functional as F

from fastgan.gan.music.game import MusicGame
from fastgan.gan.music.guide import guide_of
from fastgan.gan.music.steps import Batch, descend, fit_loss, normal
from fastgan.gan.stage import Losses

PLAYED = 16
"""Steps that the generator makes with a gradient; the critic sees as many before them."""

FLOW_STEPS = 4  # of each of them: half as many as when music is made
TEMPERATURE, TRUST = 1.25, 0.2  # as music is made, see `fastgan.gan.music.sample.Taste`
MATCHING = 2.0  # weight of feature matching beside the verdict
PENALTY = 0.1  # weight of the critic's squared slope at real music


def game_step(
    game: MusicGame, batch: Batch, random: torch.Generator, keep: float, *, adversarial_weight: float, free: int
) -> Losses:
    """One step of the critic, then one of the generator, which is played freely: what it makes follows from what it made.

    Hinge loss with feature matching (Salimans et al., "Improved techniques for training GANs", 2016, section 3.1) and a penalty on
    the slope of the critic at real music (R1: Mescheder et al., "Which training methods for GANs do actually converge?", 2018).
    The fit goes on beside it, so that nothing is forgotten.

    Args:
        game: its critic and generator learn, its average follows.
        batch: real music.
        random: of all noise.
        keep: share of the average that stays.
        adversarial_weight: of the critic's verdict in the generator's loss.
        free: steps that are made before those with a gradient, at least 1: it must learn to go on from its own music.
    """
    fake, guide = play(game, batch, random, free)
    real = batch.steps[:, 1 : 1 + fake.shape[1]]
    told = guide_of(batch.styles[:, None].expand(-1, real.shape[1], -1), batch.counts[:, 1 : 1 + real.shape[1]])
    losses = critic_step(game, real, told, fake.detach(), guide)
    game.critic.requires_grad_(False)  # its gradients would be computed and thrown away
    try:
        with torch.no_grad():
            wanted = game.critic(seen(game, real), told).features
        verdict = game.critic(seen(game, fake), guide)
        adversarial, matching = -verdict.logits.mean(), _apart(verdict.features, wanted)
        fit = fit_loss(game, game.generator, *batch, random)
        descend(game, "generator", fit + adversarial_weight * (adversarial + MATCHING * matching))
    finally:
        game.critic.requires_grad_(True)
    game.follow(keep)
    told_apart = {"fit_loss": fit, "g_adversarial": adversarial, "g_matching": matching}
    return losses | {name: value.detach().double() for name, value in told_apart.items()}


def critic_step(game: MusicGame, real: Tensor, told: Tensor, fake: Tensor, guide: Tensor) -> Losses:
    """Teach the critic to tell real steps from generated ones, [B, T, D] each, with their guides [B, T, G]."""
    shown = seen(game, real).requires_grad_()
    is_real, is_fake = game.critic(shown, told).logits, game.critic(seen(game, fake), guide).logits
    hinge = F.relu(1 - is_real).mean() + F.relu(1 + is_fake).mean()
    (slope,) = torch.autograd.grad(is_real.mean(1).sum(), shown, create_graph=True)
    penalty = slope.square().sum((1, 2)).mean()
    descend(game, "critic", hinge + PENALTY / 2 * penalty)
    right = (is_real.mean(1) > 0).double().mean() + (is_fake.mean(1) < 0).double().mean()
    return {"d_loss": hinge.detach().double(), "d_accuracy": right / 2, "d_slope": penalty.detach().double()}


def play(game: MusicGame, batch: Batch, random: torch.Generator, free: int) -> tuple[Tensor, Tensor]:
    """Let the generator go on from the first quarter of a batch.

    Args:
        game: whose generator.
        batch: real music.
        random: of the noise.
        free: steps without a gradient, at least 1.

    Returns:
        What it made last, [B, T, D], T up to twice `PLAYED`, the last `PLAYED` of them with a gradient; and what those
        frames were told, [B, T, G].
    """
    given = max(1, batch.steps.shape[1] // 4)
    guide = _guide(batch, given + free + PLAYED)
    noise = TEMPERATURE * normal(batch.steps.new_empty(len(batch.steps), free + PLAYED, batch.steps.shape[2]), random)
    trust = batch.steps.new_full((len(noise),), TRUST)
    before = torch.cat((torch.zeros_like(batch.steps[:, :1]), batch.steps[:, 1:given]), 1)
    with torch.no_grad():
        made, state = game.generator.go_on(before, guide, trust, noise[:, :free], flow_steps=FLOW_STEPS)
    rest = guide[:, given + free - 1 :]
    last, _ = game.generator.go_on(made[:, -1:], rest, trust, noise[:, free:], state=state, flow_steps=FLOW_STEPS)
    steps = torch.cat((made, last), 1)[:, -2 * PLAYED :]
    return steps, guide[:, -1 - steps.shape[1] : -1]


def seen(game: MusicGame, steps: Tensor) -> Tensor:
    """Steps [B, T, D] as the critic sees them: between as they are and as they sound, so that small values do not decide."""
    return steps * game.weights.sqrt()


def _guide(batch: Batch, length: int) -> Tensor:
    """What the frames after the first of a batch are told, [B, length, G]; past its end the tempo goes on."""
    counts, over = batch.counts, max(0, 1 + length - batch.counts.shape[1])
    pace = (counts[:, -1:] - counts[:, :1]) / max(1, counts.shape[1] - 1)
    counts = torch.cat((counts, counts[:, -1:] + pace * torch.arange(1, over + 1, device=counts.device)), 1)
    return guide_of(batch.styles[:, None].expand(-1, length, -1), counts[:, 1 : 1 + length])


def _apart(one: Tensor, other: Tensor) -> Tensor:
    """How far means and spreads of features [B, T, F] lie apart, a scalar."""
    means = (one.mean((0, 1)) - other.mean((0, 1))).abs().mean()
    return means + (one.std((0, 1)) - other.std((0, 1))).abs().mean()
