"""Sound from a trained game: the training path walked backwards, from the generator to int16."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fastgan.audio.scale import denormalise, normalise
from fastgan.base.errors import BadInput
from fastgan.gan.game import Game
from fastgan.gan.seeds import noise
from fastgan.gan.stage import Tick
from fastgan.nn.generator import State

_VALUES = 49_152  # steps of sequences made from noise at a time: bounds the memory


def _no_tick(share: float) -> None:
    pass


@torch.inference_mode()
def from_noise(game: Game, length: int, *, window: int, seed: int, tick: Tick = _no_tick) -> NDArray[np.int16]:
    """Make sound as the game trained it: sequences of n values, each from noise of its own, one after the other.

    Args:
        game: the trained networks.
        length: samples wanted, at least 1.
        window: n, steps per sequence.
        seed: chooses the noise.
        tick: told the share done.

    Returns:
        int16 [length]. The first samples do not depend on how many follow.
    """
    sequences = math.ceil(length / (window * game.frame))
    features = game.generator.dense.out_features
    pieces, at_once = [], max(1, _VALUES // window)
    for part, first in enumerate(range(0, sequences, at_once)):
        source = noise((at_once, window, features), seed, part, game.device, game.dtype)
        made = game.generator(source[: sequences - first])
        pieces.append(made.reshape(-1, features))
        tick(min(1.0, (first + at_once) / sequences))
    return _to_samples(game, torch.cat(pieces), length)


@torch.inference_mode()
def by_feedback(game: Game, length: int, *, start: Tensor, tick: Tick = _no_tick) -> NDArray[np.int16]:
    """Make sound as the fit stage trained the generator: it predicts the next value, which joins the window, and so on.

    Args:
        game: the trained networks.
        length: samples wanted, at least 1.
        start: [n, D], the first window; it is not part of the result.
        tick: told the share done.

    Returns:
        int16 [length].
    """
    steps = math.ceil(length / game.frame)
    values = torch.empty(steps, start.shape[1], dtype=start.dtype, device=start.device)
    for done, value in enumerate(feedback(game, start)):
        values[done] = value
        if done % 1024 == 0:
            tick(done / steps)
        if done == steps - 1:
            break
    return _to_samples(game, values, length)


@torch.inference_mode()
def rebuilt(game: Game, samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """Sound after a walk through the encoder and back, int16 [N] to int16 [N]: the best that its latents can sound."""
    frames = math.ceil(len(samples) / game.frame)
    sound = torch.zeros(1, frames * game.frame, device=game.device, dtype=game.dtype)
    sound[0, : len(samples)] = torch.from_numpy(normalise(samples)).to(sound)
    return _to_samples(game, game.encode(sound)[0], len(samples))


def feedback(game: Game, start: Tensor) -> Iterator[Tensor]:
    """Feed predictions back for ever, from a first window [n, D]: yields values [D].

    Every prediction is `next_value` of the n values before it, from a zero state. The n windows that a value takes part
    in are advanced together, one row each, so a value costs one LSTM step with n rows and not n steps.
    """
    window = len(start)
    state = game.generator.zero_state(window)
    for position, value in enumerate(start):
        prediction = _advance(game, value, state, position % window)
    while True:
        yield prediction
        position += 1
        prediction = _advance(game, prediction, state, position % window)


def _advance(game: Game, value: Tensor, state: State, row: int) -> Tensor:
    """Show a value to all windows under way; `row` is the one that begins with it. Gives the prediction of the full one."""
    for hidden, cell in state:
        hidden[row], cell[row] = 0, 0
    out, state[:] = game.generator.advance(value.expand(len(state[0][0]), -1), state)
    return out[(row + 1) % len(out)]  # the oldest window: it began n - 1 values ago


def _to_samples(game: Game, sequence: Tensor, length: int) -> NDArray[np.int16]:
    sound = game.decode(sequence)[:length]
    # A net that overflows gives NaN: that is a fault to be named, not a sound to be written.
    if not torch.isfinite(sound).all():
        raise BadInput(
            "the generator gives NaN or infinity: its weights diverged; train again with a smaller learning rate"
        )
    return denormalise(sound.clamp(-1, 1).float().cpu().numpy())
