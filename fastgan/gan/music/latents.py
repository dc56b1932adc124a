"""All frames of the music as the frozen encoder sees them, computed once, with the style around each of them."""

import tempfile
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from fastgan.gan.music.excerpts import Excerpts, Music, Piece
from fastgan.nn.spectral import SpectralEncoder
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
        means: float32 [R, K], mean frames over `SPAN_S`, about one for every second.
        genres: int64 [R], the number of each one's genre.
    """

    def __init__(self, music: Music, encoder: SpectralEncoder, genres: list[str], tick: Callable[[float], None]):
        seconds = music.corpus.index.rate / music.frames.hop  # frames in one
        span, self._step = round(SPAN_S * seconds), round(seconds)
        with tempfile.TemporaryFile() as scratch:
            self._values = np.memmap(scratch, np.float16, "w+", shape=(len(music), encoder.latents))
        means, genre, rows = [], [], [0]
        for piece in music.pieces:
            values = encode(music, piece, encoder)
            self._values[piece.first : piece.first + piece.frames] = values.half().numpy()
            means.append(F.avg_pool1d(values.T[None], min(span, piece.frames), self._step)[0].T)
            genre += [genres.index(piece.clip.genre)] * len(means[-1])
            rows.append(rows[-1] + len(means[-1]))
            tick((piece.first + piece.frames) / len(music))
        self.means, self.genres = torch.cat(means), torch.tensor(genre)
        self._rows = np.array(rows)
        self._middles = np.array([piece.first + min(span, piece.frames) // 2 for piece in music.pieces])

    def excerpts(self, starts: NDArray[np.int64], length: int) -> Tensor:
        """Latent values of excerpts [B], float32 [B, length, K] on the processor."""
        return torch.from_numpy(np.stack([self._values[start : start + length] for start in starts])).float()

    def styles(self, styles: Styles, excerpts: Excerpts, starts: NDArray[np.int64]) -> Tensor:
        """Styles around the middles of excerpts [B], each of its own piece, [B, S]."""
        owners = excerpts.owners(starts)
        place = np.rint((starts + excerpts.length // 2 - self._middles[owners]) / self._step).astype(np.int64)
        rows = np.clip(self._rows[owners] + place, self._rows[owners], self._rows[owners + 1] - 1)
        return styles(self.means[rows].to(styles.mean), self.genres[rows].to(styles.mean.device))


@torch.no_grad()
def encode(music: Music, piece: Piece, encoder: SpectralEncoder) -> Tensor:
    """Latent values of a whole piece, float32 [frames, K] on the processor, the same however it is cut for it."""
    reach, made = encoder.reach, []
    for first in range(0, piece.frames, _AT_ONCE):
        left, end = max(0, first - reach), min(piece.frames, first + _AT_ONCE + reach)
        sound = music.sound(piece, left, end - left).to(encoder.mean)
        values = encoder.encode(music.frames.magnitudes(sound)[None])[0]
        made.append(values[first - left :][:_AT_ONCE].float().cpu())
    return torch.cat(made)
