"""Sound from a trained game: the training path walked backwards, from the generator to int16, in blocks as they come."""

import math
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fastgan.audio.scale import denormalise, normalise
from fastgan.base.errors import BadInput
from fastgan.gan.game import Game
from fastgan.gan.seeds import noise
from fastgan.gan.stage import Tick

Samples = NDArray[np.int16]

_VALUES = 49_152  # steps of sequences made from noise at a time: bounds the memory


def _no_tick(share: float) -> None:
    pass


@torch.inference_mode()
def from_noise(game: Game, length: int, *, window: int, seed: int, tick: Tick = _no_tick) -> Iterator[Samples]:
    """Make sound as the game trained it: sequences of n values, each from noise of its own, one after the other.

    Args:
        game: the trained networks.
        length: samples wanted, at least 1.
        window: n, steps per sequence.
        seed: chooses the noise.
        tick: told the share done.

    Yields:
        int16 [k], `length` in all. The first samples do not depend on how many follow, but for what a decoder looks ahead.
    """
    sequences = math.ceil(length / (window * game.frame))
    features = game.generator.dense.out_features
    at_once = max(1, _VALUES // window)

    def pieces() -> Iterator[Tensor]:
        for part, first in enumerate(range(0, sequences, at_once)):
            source = noise((at_once, window, features), seed, part, game.device, game.dtype)
            yield game.generator(source[: sequences - first]).reshape(-1, features)
            tick(min(1.0, (first + at_once) / sequences))

    yield from _to_samples(game, pieces(), length)


@torch.inference_mode()
def by_feedback(
    game: Game, length: int, *, start: Tensor, carried: bool = False, tick: Tick = _no_tick
) -> Iterator[Samples]:
    """Make sound as the fit stage trained the generator: it predicts the next value, which joins the window, and so on.

    Args:
        game: the trained networks.
        length: samples wanted, at least 1.
        start: [n, D], the first window; it is not part of the result.
        carried: go on from the state of the step before, for ever, in place of windows from a zero state. No stage trains that:
            the networks never saw more than n steps.
        tick: told the share done.

    Yields:
        int16 [k], `length` in all.
    """
    steps = math.ceil(length / game.frame)

    def pieces() -> Iterator[Tensor]:
        done = 0
        for values in fed_back(game, start[None], steps, carried=carried):
            done += values.shape[1]
            yield values[0]
            tick(done / steps)

    yield from _to_samples(game, pieces(), length)


@torch.inference_mode()
def rebuilt(game: Game, samples: Samples) -> Samples:
    """Sound after a walk through the encoder and back, int16 [N] to int16 [N]: the best that its latents can sound."""
    frames = math.ceil(len(samples) / game.frame)
    sound = torch.zeros(1, frames * game.frame, device=game.device, dtype=game.dtype)
    sound[0, : len(samples)] = torch.from_numpy(normalise(samples)).to(sound)
    return joined(_to_samples(game, game.encode(sound)[0].split(_VALUES), len(samples)))


def fed_back(game: Game, starts: Tensor, steps: int, *, carried: bool = False) -> Iterator[Tensor]:
    """Feed predictions back, for several clips at once.

    Args:
        game: the trained networks.
        starts: [B, n, D], the first windows.
        steps: values wanted of each clip.
        carried: as for `by_feedback`; otherwise every prediction is `next_value` of the n values before it.

    Yields:
        [B, k, D], `steps` in all.
    """
    clips, window, _ = starts.shape
    run = game.generator.free_run(clips, 0 if carried else window)
    for first in range(0, steps, run.stretch):
        yield run.run(min(run.stretch, steps - first), None if first else starts)


def feedback_s(game: Game, length: int) -> float:
    """Seconds that so many samples by feedback may take."""
    return game.generator.kind_of_run(1, 1).value_s * length / game.frame


def joined(blocks: Iterable[Samples]) -> Samples:
    """All of a sound that comes in blocks."""
    return np.concatenate([np.empty(0, np.int16), *blocks])


def _to_samples(game: Game, pieces: Iterable[Tensor], length: int) -> Iterator[Samples]:
    for sound in game.decode(pieces):
        sound, length = sound[:length], max(0, length - len(sound))
        # A net that overflows gives NaN: that is a fault to be named, not a sound to be written.
        if not torch.isfinite(sound).all():
            raise BadInput(
                "the generator gives NaN or infinity: its weights diverged; train again with a smaller learning rate"
            )
        yield denormalise(sound.clamp(-1, 1).float().cpu().numpy())
