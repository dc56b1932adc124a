"""Music in whole frames: each clip at one loudness without the silence around it, and excerpts as a function of (seed, step)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fastgan.audio.corpus import Corpus
from fastgan.audio.scale import FULL_SCALE
from fastgan.audio.segments import plan_segments
from fastgan.audio.shuffle import shuffled
from fastgan.audio.store import Clip
from fastgan.base.errors import BadInput
from fastgan.gan.seeds import derive
from fastgan.ops.stft import Frames

LEVEL = 0.05
"""Root mean square that every clip is brought to, of full scale: -26 dBFS."""

SILENT = 1e-3
"""Root mean square below which nothing is heard: -60 dBFS."""

_BLOCK_S = 0.05  # what is silent is decided in blocks of so many seconds
_BLOCKS = 1200  # that are looked at together: a minute
_OVERLAP = 4  # excerpts that a frame is part of, in one pass


@dataclass(frozen=True)
class Piece:
    """A clip as it is trained on.

    Attributes:
        clip: where it comes from.
        start: its first sample in the corpus that is not silence.
        frames: whole frames from there to where silence begins.
        first: its first frame, when the pieces are laid end to end.
        gain: factor that brings it to `LEVEL`.
    """

    clip: Clip
    start: int
    frames: int
    first: int
    gain: float


class Music:
    """Clips of a corpus as pieces.

    Args:
        corpus: where the samples are.
        clips: which.
        frames: how sound is cut into frames.
        length: frames that a piece has at least; shorter ones are left out.

    Attributes:
        pieces: in the order of the clips.
        frames: as given.

    Raises:
        BadInput: no clip has so many frames of sound.
    """

    def __init__(self, corpus: Corpus, clips: Sequence[Clip], frames: Frames, length: int):
        self.corpus, self.frames, self.pieces = corpus, frames, list[Piece]()
        first = longest = 0
        for clip in clips:
            start, end, rms = _sounding(corpus, clip)
            count = frames.count(end - start)
            longest = max(longest, count)
            if count >= length:
                self.pieces.append(Piece(clip, clip.start + start, count, first, LEVEL / rms))
                first += count
        if not self.pieces:
            raise BadInput(
                f"no clip on one side of the split, {clips[0].name} the first, has {length:,} frames of sound "
                f"({frames.samples(length) / corpus.index.rate:.1f} s): the longest has {longest:,}; of a single clip the last seventh is "
                "held out, so give several clips or a longer one, or take a smaller --window"
            )

    def __len__(self) -> int:
        """Frames of all pieces."""
        return self.pieces[-1].first + self.pieces[-1].frames

    def sound(self, piece: Piece, first: int, count: int) -> Tensor:
        """Samples under `count` frames of a piece from its frame `first` on, levelled: float32 [samples]."""
        start = piece.start + first * self.frames.hop
        cut = self.corpus.samples[start : start + self.frames.samples(count)]
        return torch.from_numpy(cut.astype(np.float32)).mul_(piece.gain / FULL_SCALE)


class Excerpts:
    """Excerpts of some frames each, every part of the music once before any comes twice, each pass cut at other places.

    Args:
        music: whose frames.
        length: frames of an excerpt.
        batch: excerpts in a step.
        seed: chooses the order and the places.

    Raises:
        BadInput: all pieces together hold less than one batch.
    """

    def __init__(self, music: Music, *, length: int, batch: int, seed: int):
        self.music, self.length, self.batch, self.seed = music, length, batch, seed
        pieces = music.pieces
        hop = max(1, length // _OVERLAP)
        self._plan = plan_segments([p.first for p in pieces], [p.frames for p in pieces], segment=length, hop=hop)
        self._firsts = np.array([p.first for p in pieces])
        self._lasts = np.array([p.first + p.frames - length for p in pieces])
        if len(self._plan) < batch:
            raise BadInput(
                f"the music holds {len(self._plan):,} excerpts of {length:,} frames, less than one batch of {batch:,}; take a smaller "
                "batch, a smaller window or more music"
            )

    @property
    def per_pass(self) -> int:
        """Whole batches in one pass."""
        return len(self._plan) // self.batch

    def at(self, step: int) -> NDArray[np.int64]:
        """First frames of the excerpts of a step, counted over all pieces, int64 [batch]."""
        turn, place = divmod(step, self.per_pass)
        places = np.arange(place * self.batch, (place + 1) * self.batch, dtype=np.int64)
        starts = self._plan.starts(shuffled(places, len(self._plan), derive(self.seed, turn)))
        shift = derive(self.seed, "shift", turn) % self._plan.hop
        return np.minimum(starts + shift, self._lasts[self.owners(starts)])

    def owners(self, frames: NDArray[np.int64]) -> NDArray[np.int64]:
        """Which pieces some frames belong to, int64 [n] to int64 [n]."""
        return np.searchsorted(self._firsts, frames, side="right") - 1

    def sound(self, step: int) -> Tensor:
        """Samples under the excerpts of a step, float32 [batch, samples]."""
        starts = self.at(step)
        pieces = [self.music.pieces[owner] for owner in self.owners(starts)]
        cut = [self.music.sound(p, int(s) - p.first, self.length) for p, s in zip(pieces, starts, strict=True)]
        return torch.stack(cut)


def sounding_frames(corpus: Corpus, clip: Clip, frames: Frames) -> int:
    """Whole frames of a clip between the silence around it."""
    start, end, _ = _sounding(corpus, clip)
    return frames.count(end - start)


def _sounding(corpus: Corpus, clip: Clip) -> tuple[int, int, float]:
    """Where sound begins and ends in a clip, and its root mean square between, 0 to 1; (0, 0, 1) for a silent one."""
    samples, block = corpus.samples[clip.start : clip.start + clip.length], max(1, round(_BLOCK_S * corpus.index.rate))
    at_once = _BLOCKS * block  # what a whole clip takes in float32 may be a lot
    power = np.concatenate([_power(samples[i : i + at_once], block) for i in range(0, len(samples), at_once)])
    heard = np.flatnonzero(power > (SILENT * FULL_SCALE) ** 2)
    if not len(heard):
        return 0, 0, 1.0
    start, end = int(heard[0]) * block, min(len(samples), (int(heard[-1]) + 1) * block)
    return start, end, math.sqrt(float(power[heard[0] : heard[-1] + 1].mean())) / FULL_SCALE


def _power(samples: NDArray[np.int16], block: int) -> NDArray[np.float32]:
    """Mean square of each block; the last may be shorter."""
    squares = np.square(samples.astype(np.float32))
    whole = len(samples) // block * block
    means = squares[:whole].reshape(-1, block).mean(1)
    return np.append(means, squares[whole:].mean()) if whole < len(samples) else means
