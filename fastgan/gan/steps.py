"""One optimiser step of each kind: a game and a batch in, named losses out (scalars on the device, float64).

This is the definition, by autograd. Training takes the encoder's step from here; those of generator and discriminator it does by
hand (`fastgan.gan.strides`), held against these by the tests.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from fastgan.gan.game import Game
from fastgan.gan.metrics import keras_accuracy
from fastgan.gan.stage import Losses


def encoder_step(game: Game, sound: Tensor) -> Losses:
    """Teach the auto-encoder to rebuild sound [B, S]."""
    assert game.encoder is not None, "the stage runs only with an encoder"
    loss = F.mse_loss(game.encoder(sound), sound)
    _descend(game, "encoder", loss)
    return {"loss": loss.detach().double()}


def fit_step(game: Game, window: Tensor, target: Tensor) -> Losses:
    """Teach the generator what follows each window: [B, n, D] and [B, D], squared error."""
    prediction = game.generator.next_value(window)
    loss = F.mse_loss(prediction, target)
    _descend(game, "generator", loss)
    return {"loss": loss.detach().double(), "accuracy": keras_accuracy(prediction.detach(), target)}


def game_step(game: Game, real: Tensor, noise: Tensor, *, mse_weight: float, adversarial_weight: float) -> Losses:
    """One step of the discriminator, then one of the generator against what it has become: real and noise [B, n, D].

    Both judge the same generated sequences, so the generator runs once.
    """
    fake = game.generator(noise)
    losses = discriminator_step(game, real, fake.detach())
    return losses | generator_step(game, real, fake, mse_weight=mse_weight, adversarial_weight=adversarial_weight)


def discriminator_step(game: Game, real: Tensor, fake: Tensor) -> Losses:
    """Teach the discriminator to tell real sequences from generated ones, [B, n, D] each."""
    verdict = game.discriminator(torch.cat((real, fake)))  # one pass: both halves meet the same weights
    loss = discriminator_loss(verdict)
    _descend(game, "discriminator", loss)
    return {"d_loss": loss.detach().double()} | accuracies(verdict.detach())


def generator_step(game: Game, real: Tensor, fake: Tensor, *, mse_weight: float, adversarial_weight: float) -> Losses:
    """Teach the generator, which made `fake`, to come near the real batch and to pass for real."""
    for weight in game.discriminator.parameters():
        weight.requires_grad_(False)  # its gradients would be computed and thrown away
    try:
        loss = generator_loss(game, fake, real, mse_weight=mse_weight, adversarial_weight=adversarial_weight)
        _descend(game, "generator", loss["g_loss"])
    finally:
        for weight in game.discriminator.parameters():
            weight.requires_grad_(True)
    return {name: value.detach().double() for name, value in loss.items()}


def discriminator_loss(verdict: Tensor) -> Tensor:
    """Binary cross-entropy of logits [..., 2 B], the first half real, the second generated (the paper's formula 2): [...]."""
    real, fake = verdict.chunk(2, dim=-1)
    return (F.softplus(-real).mean(-1) + F.softplus(fake).mean(-1)) / 2


def generator_loss(game: Game, fake: Tensor, real: Tensor, *, mse_weight: float, adversarial_weight: float) -> Losses:
    """Squared error to the real batch (formula 1) plus the cross-entropy of being taken for real, weighted."""
    mse = F.mse_loss(fake, real)
    adversarial = F.softplus(-game.discriminator(fake)).mean()
    return {"g_loss": mse_weight * mse + adversarial_weight * adversarial, "g_mse": mse, "g_adversarial": adversarial}


def accuracies(verdict: Tensor) -> Losses:
    """Share of each half of the logits [..., 2 B] on its right side, [...]."""
    real, fake = verdict.chunk(2, dim=-1)
    return {"accuracy_real": (real > 0).double().mean(-1), "accuracy_fake": (fake <= 0).double().mean(-1)}


def _descend(game: Game, name: str, loss: Tensor) -> None:
    network = game.networks()[name]
    network.zero_grad(set_to_none=True)
    loss.backward()
    game.optimisers[name].step([weight.grad for weight in network.parameters() if weight.grad is not None])
