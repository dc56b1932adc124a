"""The paper's networks after a few steps of training: enough to show how they fail, in a second or two."""

import numpy as np
import torch
from torch import Tensor

from fastgan.audio.demo import synthesise
from fastgan.audio.scale import normalise
from fastgan.gan.game import Game
from fastgan.gan.seeds import derive, noise
from fastgan.gan.strides import Learner, fit, play
from fastgan.nn.by_hand import ByHand

RATE = 22_050
"""Hz, the paper's Table 2."""
WINDOW = 6
"""n, values in a sequence, the paper's Table 1."""

_HIDDEN, _BATCH, _LR = 128, 32, 1e-3  # the paper's units; Keras' defaults
_SECONDS = 10.0
_CPU = torch.device("cpu")


def untrained(seed: int) -> Game:
    """The paper's networks with weights as they are drawn."""
    return Game.build(hidden=_HIDDEN, encoder=False, seed=seed, device=_CPU, dtype=torch.float32)


def after_fit(steps: int, *, seed: int) -> Game:
    """The networks after some steps of the fit stage, on random windows of a clip of the built-in corpus."""
    game = untrained(seed)
    game.optimise(("generator",), _LR)
    fit(Learner(ByHand(game.generator), game.optimisers["generator"]), _windows(steps, WINDOW + 1, seed))
    return game


def after_game(steps: int, *, seed: int) -> Game:
    """The networks after some steps of the game stage, on random windows of a clip of the built-in corpus."""
    game = untrained(seed)
    game.optimise(("generator", "discriminator"), _LR)
    real = _windows(steps, WINDOW, seed)
    generator, discriminator = (
        Learner(ByHand(network), game.optimisers[name])
        for name, network in (("generator", game.generator), ("discriminator", game.discriminator))
    )
    made_from = noise(tuple(real.shape), seed, 0, _CPU, torch.float32)
    play(generator, discriminator, real, made_from, mse_weight=1.0, adversarial_weight=1.0)
    return game


def _windows(steps: int, length: int, seed: int) -> Tensor:
    """Batches of windows as a stride takes them, [steps, length, 32, 1]."""
    clip = normalise(synthesise("blues", seed=0, index=0, seconds=_SECONDS, rate=RATE))
    starts = np.random.default_rng(derive(seed, "windows")).integers(0, len(clip) - length, (steps, _BATCH))
    windows = clip[starts[..., None] + np.arange(length)]  # [steps, 32, length]
    return torch.from_numpy(windows).transpose(1, 2)[..., None].contiguous()
