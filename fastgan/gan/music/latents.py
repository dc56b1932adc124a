"""All frames of the music as the frozen encoder sees them, computed once, with style and beat of each of them."""

import tempfile
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from fastgan.audio.beats import find_beats, onset_strength
from fastgan.gan.music.excerpts import Excerpts, Music, Piece
from fastgan.nn.spectral import SpectralEncoder, to_levels
from fastgan.nn.styles import Styles

SPAN_S = 10.0
"""What a style is the mean of: long enough to be the piece's, short enough to follow its parts."""

_AT_ONCE = 512  # frames that are encoded together


class Latents:
    """Latent values of all frames of some music, on the disk in half precision; the file goes with the process.

    Args:
        music: whose frames.
        encoder: frozen.
        genres: all there are, in the order of their numbers.
        tick: told the share done.

    Attributes:
        means: of each piece, float32 [R, K], mean frames over `SPAN_S`, one for every second.
        genres: of each piece, the number of its genre.
        periods: of each piece, seconds from beat to beat.
        regularities: of each piece's beat, 0 to 1.
    """

    def __init__(self, music: Music, encoder: SpectralEncoder, genres: list[str], tick: Callable[[float], None]):
        seconds = music.corpus.index.rate / music.frames.hop  # frames in one
        span, self._step = round(SPAN_S * seconds), round(seconds)
        with tempfile.TemporaryFile() as scratch:
            self._values = np.memmap(scratch, np.float16, "w+", shape=(len(music), encoder.latents))
        self._counts = np.empty(len(music))
        self.means: list[Tensor] = []
        self.periods: list[float] = []
        self.regularities: list[float] = []
        self.genres = [genres.index(piece.clip.genre) for piece in music.pieces]
        for piece in music.pieces:
            here = slice(piece.first, piece.first + piece.frames)
            values, strength = encode(music, piece, encoder)
            self._values[here] = values.half().numpy()
            self.means.append(F.avg_pool1d(values.T[None], min(span, piece.frames), self._step)[0].T)
            beats = find_beats(strength, seconds)
            self._counts[here] = beats.count
            self.periods.append(beats.period / seconds)
            self.regularities.append(beats.regularity)
            tick((piece.first + piece.frames) / len(music))
        self._rows = np.cumsum([0, *map(len, self.means)])
        self._every_mean = torch.cat(self.means)
        self._every_genre = torch.tensor(self.genres).repeat_interleave(torch.tensor([len(m) for m in self.means]))
        self._middles = np.array([piece.first + min(span, piece.frames) // 2 for piece in music.pieces])

    def excerpts(self, starts: NDArray[np.int64], length: int) -> Tensor:
        """Latent values of excerpts [B], float32 [B, length, K] on the processor."""
        return torch.from_numpy(np.stack([self._values[start : start + length] for start in starts])).float()

    def counts(self, starts: NDArray[np.int64], length: int) -> Tensor:
        """Beats before each frame of excerpts [B], counted from the beginning of their pieces, float64 [B, length]."""
        return torch.from_numpy(np.stack([self._counts[start : start + length] for start in starts]))

    def styles(self, styles: Styles, excerpts: Excerpts, starts: NDArray[np.int64]) -> Tensor:
        """Styles around the middles of excerpts [B], each of its own piece, [B, S]."""
        owners = excerpts.owners(starts)
        place = np.rint((starts + excerpts.length // 2 - self._middles[owners]) / self._step).astype(np.int64)
        rows = np.clip(self._rows[owners] + place, self._rows[owners], self._rows[owners + 1] - 1)
        return styles(self._every_mean[rows].to(styles.mean), self._every_genre[rows].to(styles.mean.device))


@torch.no_grad()
def encode(music: Music, piece: Piece, encoder: SpectralEncoder) -> tuple[Tensor, NDArray[np.float64]]:
    """Latent values of a whole piece, float32 [frames, K] on the processor, and how much its levels rise, [frames].

    Both are the same however the piece is cut for it.
    """
    reach, made, rises = encoder.reach, [], []
    for first in range(0, piece.frames, _AT_ONCE):
        left, end = max(0, first - reach), min(piece.frames, first + _AT_ONCE + reach)
        sound = music.sound(piece, left, end - left).to(encoder.mean)
        magnitudes = music.frames.magnitudes(sound)
        values = encoder.encode(magnitudes[None])[0]
        made.append(values[first - left :][:_AT_ONCE].float().cpu())
        rises.append(onset_strength(to_levels(magnitudes).cpu().numpy())[first - left :][:_AT_ONCE])
    return torch.cat(made), np.concatenate(rises)
