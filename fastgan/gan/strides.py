"""Optimiser steps in strides: many in a row, with gradients by hand and all measures computed at the end of the stride.

What they do is defined in `fastgan.gan.steps`; the tests hold them against it. Sequences lie time-major and are passed with a
leading dimension K, one batch for each step. Nothing here waits for the device or depends on a value, so that a CUDA graph can
hold a stride.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from fastgan.gan.game import Game
from fastgan.gan.metrics import keras_accuracy, zero_share
from fastgan.gan.stage import Losses
from fastgan.gan.steps import accuracies, discriminator_loss
from fastgan.nn.by_hand import ByHand
from fastgan.ops.adam import Adam

_PASSES = {"encoder": 3, "fit": 3, "game": 11}  # forward passes of one network that a step of each stage is worth
_MOST_STEPS = 64
_WORK = {"cpu": 1e10, "cuda": 1e12}  # operations of a stride, a few hundredths of a second
_VALUES = 1 << 22  # of its sequences


def stride_of(game: Game, window: int, batch: int, stage: str) -> int:
    """How many steps make a stride: few enough for the run to be stopped, and the bar to move, several times a second.

    Args:
        game: the networks.
        window: steps in a sequence.
        batch: sequences in a step.
        stage: which of the three.

    Returns:
        1 to 64, the same for equal arguments, since noise is drawn by strides.
    """
    lstm = game.generator.lstm
    work = _PASSES[stage] * 24 * lstm.hidden_size**2 * window * batch
    values = window * batch * max(game.frame, lstm.input_size)
    return int(max(1, min(_MOST_STEPS, _WORK[game.device.type] // work, _VALUES // values)))


class Learner:
    """A network that learns by hand.

    Args:
        network: its passes.
        optimiser: of the same weights.
    """

    def __init__(self, network: ByHand, optimiser: Adam):
        self.network, self.optimiser = network, optimiser

    def descend(self, gradients: list[Tensor]) -> None:
        """Take one step down."""
        self.optimiser.step(gradients, self.network.copies)


@torch.no_grad()
def fit(generator: Learner, sequences: Tensor) -> Losses:
    """Teach the generator what follows each window, in K steps.

    Args:
        generator: learns.
        sequences: [K, n + 1, B, D], the last value of each sequence is the target.

    Returns:
        Sums over the steps of what `fit_step` gives, and of the share of zeros among the targets.
    """
    windows, targets = sequences[:, :-1], sequences[:, -1]
    predictions = torch.empty_like(targets)
    for window, target, prediction in zip(windows.unbind(), targets.unbind(), predictions.unbind(), strict=True):
        done = generator.network.forward(window)
        prediction.copy_(done.out)
        generator.descend(done.gradients((done.out - target).mul_(2 / target.numel())))
    return {
        "loss": (predictions - targets).square().mean((1, 2)).double().sum(),
        "accuracy": keras_accuracy(predictions, targets) * len(targets),
        "zero_share": zero_share(targets) * len(targets),
    }


@torch.no_grad()
def play(
    generator: Learner,
    discriminator: Learner,
    real: Tensor,
    noise: Tensor,
    *,
    mse_weight: float,
    adversarial_weight: float,
) -> Losses:
    """Let generator and discriminator learn against each other, in K steps each.

    Args:
        generator: learns to come near the real sequences and to pass for real.
        discriminator: learns to tell them from generated ones.
        real: [K, n, B, D].
        noise: [K, n, B, D], what sequences are generated from.
        mse_weight: of the squared error in the generator's loss.
        adversarial_weight: of the discriminator's verdict in it.

    Returns:
        Sums over the steps of what `game_step` gives.
    """
    steps, _, batch, features = real.shape
    is_real = torch.cat((real.new_ones(batch, 1), real.new_zeros(batch, 1)))
    verdicts, judged = real.new_empty(steps, 2 * batch, 1), real.new_empty(steps, batch, 1)
    errors = torch.empty_like(real)
    for step, (truth, source) in enumerate(zip(real.unbind(), noise.unbind(), strict=True)):
        made = generator.network.forward(source, every=True)
        fake = made.out.view(truth.shape)
        both = discriminator.network.forward(torch.cat((truth, fake), 1))  # one pass: both halves meet the same weights
        verdicts[step] = both.out
        discriminator.descend(both.gradients(both.out.sigmoid().sub_(is_real).div_(2 * batch)))

        after = discriminator.network.forward(fake)
        judged[step] = after.out
        d_fake = after.gradient_of_x(after.out.sigmoid().sub_(1).mul_(adversarial_weight / batch))
        error = torch.sub(fake, truth, out=errors[step])
        d_fake = d_fake.add_(error, alpha=2 * mse_weight / error.numel())
        generator.descend(made.gradients(d_fake.view(-1, features)))
    verdicts, judged = verdicts[..., 0], judged[..., 0]
    mse, adversarial = errors.square().mean((1, 2, 3)).double(), F.softplus(-judged).mean(1).double()
    found = {"d_loss": discriminator_loss(verdicts).double(), **accuracies(verdicts)}
    found |= {"g_loss": mse_weight * mse + adversarial_weight * adversarial, "g_mse": mse, "g_adversarial": adversarial}
    return {name: value.sum() for name, value in found.items()}
