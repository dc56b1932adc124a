"""A quick judgement of a few generated clips while a run trains: how near to the music, how varied, and what is wrong."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from fastgan.audio.scale import denormalise
from fastgan.base.errors import BadInput
from fastgan.gan.music.excerpts import Music, Piece
from fastgan.measure.anchors import level
from fastgan.measure.cache import Model, embed_cached
from fastgan.measure.distances import Reference
from fastgan.measure.faults import veto
from fastgan.measure.musicnn import Musicnn
from fastgan.measure.neighbours import diversity, memorisation
from fastgan.measure.timbre import Timbre
from fastgan.measure.weights import Missing

LEARNT, HELD_OUT = 100, 12
"""Excerpts of the music that are listened to, of ten and one minute: enough for a distance whose other side is a few clips."""

EXCERPT_S = 6.0
"""Length of an excerpt: two patches."""

PATCH_S = 3.0
"""Length of a patch, and from one to the next."""

COLLAPSED = 0.15
"""Variety under which clips are all alike, whatever the noise: stationary noise of one colour, drawn again and again, has 0.12."""

Samples = NDArray[np.int16]


class Judge:
    """Knows the music of a run.

    Args:
        model: listens.
        train: sound that is learnt from, in clips of `PATCH_S` or more.
        held_out: sound that is not, likewise.
        rate: Hz.
        tick: told the share done.
        who: the model, in words.

    Raises:
        BadInput: the music that is learnt from has less than two patches, or most of them are equal.
    """

    def __init__(
        self,
        model: Model,
        train: Sequence[Samples],
        held_out: Sequence[Samples],
        rate: int,
        tick: Callable[[float], None],
        who: str,
    ):
        self._model, self._rate, self._who = model, rate, who
        heard = [self._hear(clip, tick, n / len(train)) for n, clip in enumerate(train)]
        self._train = np.concatenate(heard)
        if len(self._train) < 2:
            raise BadInput(
                f"the music to learn from has one stretch of {PATCH_S:g} s, and a judgement takes two; give more"
            )
        self._held_out = [embed_cached(model, level(clip), rate, hop_s=PATCH_S) for clip in held_out]
        self._reference = Reference(self._train)
        try:
            self._reference.bandwidth  # noqa: B018 is found once, and every judgement needs it
        except ValueError as error:
            raise BadInput(
                "most of the music to learn from sounds the very same, so nothing can be judged by it; give music that varies"
            ) from error
        several = self._held_out if len(self._held_out) > 1 else heard  # a single held-out clip says nothing of variety
        self._usual = diversity(several) if len(several) > 1 else None

    def _hear(self, clip: Samples, tick: Callable[[float], None], share: float) -> NDArray[np.float32]:
        tick(share)
        return embed_cached(self._model, level(clip), self._rate, hop_s=PATCH_S)

    def describe(self) -> str:
        """Who listens, and what other music of the style gets."""
        heard = np.concatenate(self._held_out) if self._held_out else self._train[:0]
        floor = f": held-out music has {self._reference.kad(heard):.1f}" if len(heard) > 1 else ""
        return f"judged by KAD on {self._who}{floor}"

    def __call__(self, clips: Sequence[Samples]) -> tuple[dict[str, float], tuple[str, ...]]:
        """Judge clips, int16 [N] of `PATCH_S` or more.

        Returns:
            `kad`, the lower the nearer; `variety`, the mean distance between two clips over that of held-out music;
            `newness`, the distance from the music learnt from, over that of held-out music. And what is wrong with the
            clips as a set, in words, nothing for healthy ones.
        """
        problems = veto(clips, self._rate).problems
        heard = [self._model.embed(level(clip), self._rate, hop_s=PATCH_S) for clip in clips]
        found = {"kad": self._reference.kad(np.concatenate(heard))}
        if self._usual:
            found["variety"] = diversity(heard) / self._usual
            if found["variety"] < COLLAPSED and not problems:
                problems = (f"no variety ({found['variety']:.2f} of that of music): all clips are alike",)
        if self._held_out:
            found["newness"] = memorisation(heard, self._train, self._held_out).ratio
        return found, problems


def open_judge(train: Music, held_out: Music, *, tick: Callable[[float], None]) -> Judge:
    """Listen to some of the music of a run, evenly chosen: by musicnn where it is installed."""
    try:
        model: Musicnn | Timbre = Musicnn.load()
        who = "musicnn"
    except Missing as missing:
        model, who = Timbre(), f"level, spread and rise of bands ({missing})"
    rate = train.corpus.index.rate
    return Judge(model, _excerpts(train, LEARNT), _excerpts(held_out, HELD_OUT), rate, tick, who)


def _excerpts(music: Music, most: int) -> list[Samples]:
    """At most so many excerpts, evenly from all pieces; shorter ones where no piece has the full length."""
    frames, places, count = music.frames, list[tuple[Piece, int]](), 0
    for seconds in (EXCERPT_S, PATCH_S):
        if not places:
            count = frames.count(math.ceil(seconds * music.corpus.index.rate)) + 1
            places = [(piece, first) for piece in music.pieces for first in range(0, piece.frames - count + 1, count)]
    if not places:
        longest = max(frames.samples(piece.frames) for piece in music.pieces) / music.corpus.index.rate
        raise BadInput(
            f"music is judged by {PATCH_S:g} s at a time, and the longest clip has {longest:.1f} s; give longer ones"
        )
    chosen = np.unique(np.linspace(0, len(places) - 1, min(most, len(places))).round().astype(int))
    return [denormalise(music.sound(places[n][0], places[n][1], count).clamp(-1, 1).numpy()) for n in chosen]
