"""Music from a trained game, of any length: frames as they are made, and sound as its frames are there."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fastgan.audio.beats import find_beats, onset_strength
from fastgan.audio.levelling import Leveller
from fastgan.audio.scale import denormalise, normalise
from fastgan.base.errors import BadInput
from fastgan.gan.music.excerpts import LEVEL, SILENT
from fastgan.gan.music.game import MusicGame
from fastgan.gan.music.guide import Course, guide_of
from fastgan.gan.music.latents import SPAN_S
from fastgan.gan.music.noise import Noise
from fastgan.gan.music.play import FLOW_STEPS
from fastgan.gan.stage import Tick
from fastgan.nn.spectral import to_levels
from fastgan.ops.stft import Resynthesis, resynthesise

WARM_S = 2.0
"""Music that is made and thrown away before a piece begins: its first frames would follow from nothing."""

DIVERGED = "the generator gives NaN or infinity: its weights diverged; train again with a smaller learning rate"

Samples = NDArray[np.int16]

COARSE = 0.4
"""Share of a frame's principal components, the largest first, that give its level and its colour; the others are its fine grain."""

FOUND = ("style_strength", "temperature")  # by a run, in the state of its checkpoint

_BLOCK = 16  # steps that noise is drawn for at a time, and whose frames are decoded together


@dataclass(frozen=True)
class Taste:
    """How a generator is played.

    Attributes:
        temperature: spread of the noise that frames are made from; 1 as it was taught, less for calmer music. More keeps pieces
            from staying where they are (docs/log.md).
        fine: the same of the components beyond `COARSE` of a frame's, as a factor: less noise there lets notes be held.
        spoilt: how much noise it is told that the frames before have: the more, the less it trusts them, 0 to 0.3.
        flow_steps: steps of the flow for a frame.
        style_strength: how far from the mean of all music a piece is told that its style is, as a factor: what is made of it lies
            nearer to the mean, by how much differs from run to run.
    """

    temperature: float
    fine: float
    spoilt: float
    flow_steps: int
    style_strength: float = 1.0

    @classmethod
    def after(cls, stage: str) -> "Taste":
        """As a generator is usually played after a stage."""
        return PLAYED if stage == "game" else FITTED

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> "Taste":
        """As a checkpoint is best played, by its state: as its run has found, where it has."""
        return replace(cls.after(state["position"]["stage"]), **{name: state[name] for name in FOUND if name in state})


FIT_STEPS = 3
"""Steps of the flow after fit: coarse ones are calmer than fine ones, which more noise makes up for, and hold notes better."""

FITTED = Taste(temperature=1.35, fine=0.9, spoilt=0.2, flow_steps=FIT_STEPS)
PLAYED = replace(FITTED, flow_steps=FLOW_STEPS)


@dataclass(frozen=True)
class Prime:
    """What pieces go on from.

    Attributes:
        steps: latent steps [B, T, D].
        guide: what those were told, [B, T, G].
    """

    steps: Tensor
    guide: Tensor


def make_steps(
    game: MusicGame, course: Course, *, seeds: Sequence[int], taste: Taste, prime: Prime | None = None
) -> Iterator[Tensor]:
    """Make pieces for ever, side by side: yields blocks of latent steps [B, 16, D].

    Args:
        game: whose average makes them.
        course: how they go on.
        seeds: of the noise of each piece, [B].
        taste: how.
        prime: None to begin with nothing.
    """
    fresh = Noise(course, seeds, game.average.latents)
    network, like = game.average, game.average.enter.weight
    spread = like.new_full((game.encoder.latents,), taste.temperature)
    spread[round(COARSE * game.encoder.latents) :] *= taste.fine
    spread = spread.repeat(game.group)
    spoilt = like.new_full((len(seeds),), taste.spoilt)
    before = like.new_zeros(len(seeds), 1, network.latents)
    told = before[:, :0]  # of the frames that were there before
    if prime is not None:
        before, told = torch.cat((before, prime.steps), 1), prime.guide
    state, place = None, 0
    while True:
        guide = course.steps(place, _BLOCK, taste.style_strength).to(like)
        guide = torch.cat((told, guide), 1) if told.shape[1] else guide
        noise = fresh.next(_BLOCK).to(like) * spread
        made, state = network.go_on(before, guide, spoilt, noise, state=state, flow_steps=taste.flow_steps)
        before, told, place = made[:, -1:], told[:, :0], place + _BLOCK
        yield made


def make_levels(game: MusicGame, blocks: Iterator[Tensor]) -> Iterator[Tensor]:
    """Turn blocks of latent steps [B, T, D] into magnitudes [B, T * group, bins], the same however they are cut.

    The decoder looks at frames on both sides, so what comes lags behind what goes in by as many frames.
    """
    reach, held = game.encoder.decoder_reach, None
    for block in blocks:
        frames = game.part(block)
        first = held is None
        held = frames if held is None else torch.cat((held, frames), 1)
        levels = game.encoder.decode(held)
        yield levels[:, 0 if first else reach : held.shape[1] - reach]
        held = held[:, held.shape[1] - 2 * reach :]


@torch.inference_mode()
def stream(
    game: MusicGame, course: Course, *, seed: int, taste: Taste, prime: Prime | None = None
) -> Iterator[NDArray[np.float32]]:
    """Make one piece for ever: yields its samples as they come, float32 [n], at about the loudness of the music.

    Args:
        game: the trained networks.
        course: how the piece goes on.
        seed: chooses the noise.
        taste: how.
        prime: what it goes on from; that is not part of it.
    """
    blocks = make_steps(game, course, seeds=[seed], taste=taste, prime=prime)
    back = Resynthesis(game.frames)
    skip = 0 if prime is not None else round(WARM_S * game.frames_per_s)
    for levels in make_levels(game, blocks):
        if not torch.isfinite(levels).all():
            raise BadInput(DIVERGED)
        wanted, skip = levels[0, skip:], max(0, skip - levels.shape[1])
        samples = back.push(wanted)
        if len(samples):
            yield samples.float().cpu().numpy()


def make_piece(
    game: MusicGame, course: Course, length: int, *, seed: int, taste: Taste, prime: Prime | None = None, tick: Tick
) -> Iterator[Samples]:
    """Make one piece, levelled: yields its samples as they come, int16 [n], `length` in all; arguments as for `stream`.

    But for the fade at its end its samples do not depend on how many follow.
    """
    level, have = Leveller(game.rate, LEVEL), 0
    for block in stream(game, course, seed=seed, taste=taste, prime=prime):
        wanted = block[: length - have]
        have += len(wanted)
        done = level.push(wanted)
        if len(done):
            yield denormalise(done)
        tick(have / length)
        if have == length:
            break
    yield denormalise(level.finish())


@torch.inference_mode()
def continued(game: MusicGame, recording: Samples, genre: int | None) -> tuple[Course, Prime]:
    """How a piece goes on from the end of a recording, int16 [N]: in its style, at its tempo.

    Args:
        game: the trained networks.
        recording: at the game's rate.
        genre: of the piece; that of the most similar music where None.

    Raises:
        BadInput: it is shorter than a few frames, or silent.
    """
    end = normalise(recording[-round(SPAN_S * game.rate) :])
    rms = math.sqrt(float(np.square(end).mean())) if len(end) else 0.0
    if game.frames.count(len(end)) < max(3, game.group) or rms < SILENT:
        raise BadInput(
            f"the recording ends with {len(end) / game.rate:.2f} s at {rms:.1e} of full scale: nothing to go on from; give a "
            f"longer or louder one"
        )
    magnitudes = game.frames.magnitudes(torch.from_numpy(end * (LEVEL / rms)).to(game.device, game.dtype))
    latents = game.encoder.encode(magnitudes[None])
    steps = game.join(latents)
    beats = find_beats(onset_strength(to_levels(magnitudes).cpu().numpy()), game.frames_per_s)
    counts = torch.from_numpy(beats.count).to(game.device)
    style = game.styles.near(latents[0].mean(0), genre)[None]
    told = guide_of(
        style[:, None].expand(-1, steps.shape[1], -1), counts[None, : steps.shape[1] * game.group : game.group]
    )
    period = torch.tensor([beats.period / game.frames_per_s], device=game.device, dtype=torch.float64)
    regularity = torch.tensor([beats.regularity], device=game.device)
    begin = counts[steps.shape[1] * game.group - 1 :][:1] + 1 / beats.period
    rows = torch.zeros(1, dtype=torch.int64, device=game.device)
    return Course(game.styles, rows, style, period, regularity, begin, game.step_s), Prime(steps, told)


@torch.inference_mode()
def make_clips(
    game: MusicGame, course: Course, *, length: int, seeds: Sequence[int], taste: Taste, tick: Tick
) -> list[Samples]:
    """Make some pieces side by side, to be judged: int16 [length] each.

    Raises:
        BadInput: the generator diverged.
    """
    skip = round(WARM_S * game.frames_per_s)
    wanted = skip + math.ceil(length / game.frames.hop)
    levels, have = [], 0
    for part in make_levels(game, make_steps(game, course, seeds=seeds, taste=taste)):
        if not torch.isfinite(part).all():
            raise BadInput(DIVERGED)
        levels.append(part)
        have += part.shape[1]
        tick(0.5 * min(1.0, have / wanted))
        if have >= wanted:
            break
    clips = []
    for number, one in enumerate(torch.cat(levels, 1)[:, skip:wanted]):
        clips.append(to_samples(resynthesise(one, game.frames).cpu().numpy()[:length]))
        tick(0.5 + 0.5 * (number + 1) / len(seeds))
    return clips


@torch.inference_mode()
def rebuild(game: MusicGame, sound: Tensor) -> Samples:
    """Sound [N] after a walk through the encoder and back, int16 [whole frames]: the best that its latent values can sound."""
    magnitudes = game.frames.magnitudes(sound.to(game.device, game.dtype))
    levels = game.encoder.decode(game.encoder.encode(magnitudes[None]))[0]
    return to_samples(resynthesise(levels, game.frames).cpu().numpy())


def to_samples(sound: NDArray[np.float32]) -> Samples:
    """Sound as int16, at the level that music has here, without an offset."""
    sound = sound - sound.mean()
    rms = math.sqrt(float(np.square(sound).mean()))
    return denormalise(np.clip(sound * (LEVEL / max(rms, 1e-4)), -1, 1))
