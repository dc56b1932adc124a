"""C-RNN-GAN on windows of samples: the network for music that the paper builds on (its reference 7).

The method is Mogren's, "C-RNN-GAN: Continuous recurrent neural networks with adversarial training" (2016, arXiv 1611.09904).

From the publication: a generator of two LSTM layers that reads fresh noise, uniform in [0, 1], and its own previous output at
every step; a discriminator of two bidirectional LSTM layers, whose dense layer and sigmoid are applied at every step and
averaged; pretraining by the squared error of the next value; binary cross-entropy for the discriminator; feature matching for
the generator, on what the dense layer of the discriminator reads; and freezing: a network is not updated while its loss is
below 0.7 of the other's.

From its published program: both networks take their step from the same state of the game, gradients are cut at a norm of 5, and
the discriminator learns half as fast.

Ours: a step is one sample and not one note of four numbers. Adam takes the place of gradient descent. There is no penalty on
weights, and windows are too short to start pretraining with shorter ones. In pretraining the previous output is the true one.
Feature matching compares means over the batch (Salimans et al., "Improved Techniques for Training GANs", 2016, section 3.1).
The losses that freezing compares are cross-entropies per decision, ln 2 each when the discriminator guesses; the generator's is
that of being taken for real.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from fastgan.audio.scale import denormalise
from fastgan.base.errors import BadInput
from fastgan.gan.batches import Batches
from fastgan.gan.seeds import derive, noise
from fastgan.gan.stage import Tick
from fastgan.nn.lstm import FusedLSTM

FREEZE_BELOW = 0.7  # of the other network's loss
LARGEST_NORM = 5.0  # of all gradients of a network together
DISCRIMINATOR_SHARE = 0.5  # of the generator's learning rate

_STRIDE = 64  # batches asked for at a time
_NOISE = 4096  # steps of noise drawn at a time

Carried = tuple[Tensor, tuple[Tensor, Tensor]]
"""Between two steps of the generator: its last output [B, 1, 1], and h and c [2, B, H]."""

Move = tuple[nn.Module, torch.optim.Adam, tuple[Tensor, ...]]
"""A network, its optimiser and the gradients of its weights."""


class FeedbackGenerator(nn.Module):
    """Two LSTM layers that read noise and the previous value, and a dense layer.

    Args:
        hidden: units in each LSTM layer.
    """

    def __init__(self, hidden: int):
        super().__init__()
        self.lstm = FusedLSTM(2, hidden, num_layers=2, batch_first=True)
        self.dense = nn.Linear(hidden, 1)

    def forward(self, noise: Tensor) -> Tensor:
        """Make sequences step by step, each from noise and the output before it: [B, n, 1] to [B, n, 1]."""
        return torch.cat(list(self.steps(noise, self.start(len(noise)))), dim=1)

    def following(self, noise: Tensor, values: Tensor) -> Tensor:
        """Predict every value of true sequences from those before it, in one pass: [B, n, 1] each to [B, n, 1]."""
        before = F.pad(values[:, :-1], (0, 0, 1, 0))
        return self.dense(self.lstm(torch.cat((noise, before), dim=-1))[0])

    def steps(self, noise: Tensor, carried: list[Carried]) -> Iterator[Tensor]:
        """Yield the outputs [B, 1, 1] for noise [B, n, 1]; what is carried is taken from the list and put back there."""
        value, state = carried[0]
        for fresh in noise.split(1, dim=1):
            out, state = self.lstm(torch.cat((fresh, value), dim=-1), state)
            value = self.dense(out)
            carried[0] = value, state
            yield value

    def start(self, batch: int) -> list[Carried]:
        """What is carried before the first step: a previous value of 0 and an empty memory."""
        weight = self.dense.weight
        states = weight.new_zeros(2, batch, self.lstm.hidden_size)
        return [(weight.new_zeros(batch, 1, 1), (states, states))]


class StepwiseDiscriminator(nn.Module):
    """Two bidirectional LSTM layers, and a dense layer that judges every step.

    Args:
        hidden: units in each LSTM layer and direction.
    """

    def __init__(self, hidden: int):
        super().__init__()
        self.lstm = FusedLSTM(1, hidden, num_layers=2, batch_first=True, bidirectional=True)
        self.dense = nn.Linear(2 * hidden, 1)

    def forward(self, sequence: Tensor) -> tuple[Tensor, Tensor]:
        """Judge sequences [B, n, 1]: features [B, n, 2 H] and logits [B, n] of each step, above 0 for real."""
        features = self.lstm(sequence)[0]
        return features, self.dense(features)[..., 0]


@dataclass
class CRnnGan:
    """Both networks, their optimisers and the seed of all noise.

    Attributes:
        generator, discriminator: the networks.
        optimisers: Adam of the generator and of the discriminator.
        seed: chooses noise, and chose the weights.
    """

    generator: FeedbackGenerator
    discriminator: StepwiseDiscriminator
    optimisers: tuple[torch.optim.Adam, torch.optim.Adam]
    seed: int

    @classmethod
    def build(cls, *, hidden: int, seed: int, device: torch.device, lr: float = 1e-3) -> "CRnnGan":
        """Make networks with weights that depend on the seed alone.

        Args:
            hidden: units in each LSTM layer and direction.
            seed: chooses weights and noise.
            device: where the networks are; they compute in float32.
            lr: learning rate of the generator.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(seed, "weights"))
            generator, discriminator = FeedbackGenerator(hidden), StepwiseDiscriminator(hidden)
        optimisers = (
            torch.optim.Adam(generator.to(device).parameters(), lr, fused=True),
            torch.optim.Adam(discriminator.to(device).parameters(), lr * DISCRIMINATOR_SHARE, fused=True),
        )
        return cls(generator, discriminator, optimisers, seed)

    def pretrain(self, batches: Batches, steps: int, tick: Tick) -> dict[str, float]:
        """Teach the generator what follows the values before it, by squared error.

        Args:
            batches: windows of samples; batches 0 to `steps` - 1 are taken.
            steps: how many, at least 1.
            tick: told the share done after each.

        Returns:
            The mean of the loss over the steps: {"mse"}.

        Raises:
            BadInput: the loss is NaN or infinite.
        """
        total = 0.0
        for step, real in enumerate(_windows(batches, 0, steps)):
            made = self.generator.following(self._noise(real.shape, step, "pretrain"), real)
            loss = F.mse_loss(made, real)
            total += _finite(loss, "pretraining", step)
            _descend(self.generator, self.optimisers[0], torch.autograd.grad(loss, list(self.generator.parameters())))
            tick((step + 1) / steps)
        return {"mse": total / steps}

    def play(self, batches: Batches, first: int, steps: int, tick: Tick) -> dict[str, float]:
        """Train both networks against each other.

        Args:
            batches: windows of samples.
            first: the first batch; 5 steps and then 5 more from there are 10 steps.
            steps: how many batches, at least 1.
            tick: told the share done after each.

        Returns:
            Means over the steps: cross-entropies per decision "d_loss" and "g_loss", "features" (mean squared distance of the
            means), and the shares of steps at which a network rested, "d_rests" and "g_rests".

        Raises:
            BadInput: a loss is NaN or infinite.
        """
        sums = dict.fromkeys(("d_loss", "g_loss", "features", "d_rests", "g_rests"), 0.0)
        for step, real in enumerate(_windows(batches, first, steps), start=first):
            for name, value in self._step(real, step).items():
                sums[name] += value
            tick((step + 1 - first) / steps)
        return {name: value / steps for name, value in sums.items()}

    def _step(self, real: Tensor, step: int) -> dict[str, float]:
        """Both networks look at the same sequences with the weights they have, then those that do not rest move."""
        fake = self.generator(self._noise(real.shape, step, "play"))
        features, logits = self.discriminator(torch.cat((real, fake)))
        (of_real, of_fake), (real_logits, fake_logits) = features.chunk(2), logits.chunk(2)
        losses = {
            "d_loss": (cross_entropy(real_logits) + cross_entropy(-fake_logits)) / 2,
            "g_loss": cross_entropy(fake_logits),
            "features": F.mse_loss(of_fake.mean(0), of_real.mean(0)),
        }
        told = {name: _finite(loss, name, step) for name, loss in losses.items()}
        d_rests, g_rests = resting(told["d_loss"], told["g_loss"])
        moves: list[Move] = []
        if not d_rests:
            weights = list(self.discriminator.parameters())
            gradients = torch.autograd.grad(losses["d_loss"], weights, retain_graph=True)
            moves.append((self.discriminator, self.optimisers[1], gradients))
        if not g_rests:
            gradients = torch.autograd.grad(losses["features"], list(self.generator.parameters()))
            moves.append((self.generator, self.optimisers[0], gradients))
        for move in moves:
            _descend(*move)
        return told | {"d_rests": float(d_rests), "g_rests": float(g_rests)}

    @torch.inference_mode()
    def generate(self, length: int, seed: int) -> NDArray[np.int16]:
        """Let the generator run on its own output, its memory carried from the first sample to the last.

        Args:
            length: samples wanted.
            seed: chooses the noise.

        Returns:
            int16 [length]. The first samples do not depend on how many follow.

        Raises:
            BadInput: the sound has NaN or infinity in it.
        """
        carried = self.generator.start(1)
        values: list[Tensor] = []
        for part in range(math.ceil(length / _NOISE)):
            fresh = self._noise((1, _NOISE, 1), part, "generate", seed)
            values += self.generator.steps(fresh[:, : length - part * _NOISE], carried)
        sound = torch.cat(values).flatten() if values else torch.empty(0)
        _finite(sound.abs().sum(), "the sound", length)
        return denormalise(sound.clamp(-1, 1).cpu().numpy())

    def _noise(self, shape: tuple[int, ...], step: int, *purpose: int | str) -> Tensor:
        """Values uniform in [0, 1] that depend on the seed, the step and the purpose alone."""
        weight = self.generator.dense.weight
        normal = noise(tuple(shape), derive(self.seed, *purpose), step, weight.device, weight.dtype)
        return torch.special.ndtr(normal)


def cross_entropy(logits: Tensor) -> Tensor:
    """Of sequences whose steps have these logits [B, n] being real: -ln of the mean sigmoid of the steps, mean over B.

    In logarithms throughout, so that no certainty of the discriminator rounds to 0. Negate the logits for being generated:
    1 - mean sigmoid(x) is mean sigmoid(-x).
    """
    return -(torch.logsumexp(F.logsigmoid(logits), dim=-1) - math.log(logits.shape[-1])).mean()


def resting(d_loss: float, g_loss: float) -> tuple[bool, bool]:
    """Whether the discriminator and the generator rest: each does while its loss is below 0.7 of the other's."""
    return d_loss < FREEZE_BELOW * g_loss, g_loss < FREEZE_BELOW * d_loss


def _windows(batches: Batches, first: int, count: int) -> Iterator[Tensor]:
    """Batches one by one, [B, n, 1]."""
    for begin in range(first, first + count, _STRIDE):
        for batch in batches.stride(begin, min(_STRIDE, first + count - begin)):
            yield batch[..., None]


def _descend(network: nn.Module, optimiser: torch.optim.Adam, gradients: tuple[Tensor, ...]) -> None:
    """Take a step against the gradients, cut at the largest norm."""
    for weight, gradient in zip(network.parameters(), gradients, strict=True):
        weight.grad = gradient
    nn.utils.clip_grad_norm_(network.parameters(), LARGEST_NORM)
    optimiser.step()


def _finite(value: Tensor, what: str, step: int) -> float:
    """The value as a number; waits for the device."""
    number = float(value.detach())
    if not math.isfinite(number):
        raise BadInput(f"{what} is {number} at step {step}: the weights diverged; train with a smaller learning rate")
    return number
