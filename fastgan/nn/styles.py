"""What a piece is like as a whole: the mean of its frames over some seconds, in few numbers, and its genre; second by second."""

import torch
from torch import Tensor, nn

ROWS = 8192
"""Seconds of music whose styles are kept to make new music in."""

JITTER = 0.3
"""Spread of the noise on a style while networks learn, in its own spreads: so styles between those of the music are known too."""

_GOLDEN = (5**0.5 - 1) / 2
_LEAST = 1e-3  # of the first component's variance: what varies less is not worth being told


class Styles(nn.Module):
    """Styles as principal components of mean frames, each with a spread of 1, and one value for each genre.

    Args:
        latents: K, values of a frame.
        size: components kept.
        genres: how many; where there is one, it says nothing and takes no value.
    """

    mean: Tensor
    components: Tensor
    bank: Tensor
    genre: Tensor
    period: Tensor
    regularity: Tensor
    first: Tensor
    last: Tensor
    rows: Tensor

    def __init__(self, latents: int, size: int = 8, genres: int = 1):
        super().__init__()
        self.genres = genres if genres > 1 else 0
        size = min(size, latents)
        self.size = size + self.genres
        self.register_buffer("mean", torch.zeros(latents))
        self.register_buffer("components", torch.zeros(latents, size))
        self.register_buffer("bank", torch.zeros(ROWS, self.size))
        self.register_buffer("genre", torch.zeros(ROWS, dtype=torch.int64))
        self.register_buffer("period", torch.ones(ROWS))  # seconds from beat to beat
        self.register_buffer("regularity", torch.zeros(ROWS))  # of the beat, 0 to 1
        self.register_buffer("first", torch.zeros(ROWS, dtype=torch.int64))  # row of the piece that a row is of
        self.register_buffer("last", torch.zeros(ROWS, dtype=torch.int64))
        self.register_buffer("rows", torch.tensor(0))  # how many are in use

    @property
    def fitted(self) -> bool:
        """Whether there are styles to make music in."""
        return bool(self.rows)

    @torch.no_grad()
    def fit(self, means: list[Tensor], genres: list[int], periods: list[float], regularities: list[float]) -> None:
        """Find the components, and keep the styles of the pieces, of each a part in one go as long as its share.

        Args:
            means: mean frames of each piece [R, K], one for each second.
            genres: of the pieces.
            periods: seconds from beat to beat, of the pieces.
            regularities: of their beats, 0 to 1.
        """
        every = torch.cat(means).to(self.mean.device).double()
        self.mean.copy_(every.mean(0))
        centred = every - self.mean
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(every))
        size = self.components.shape[1]
        spread = values.flip(0)[:size].clamp_min(_LEAST * values[-1].clamp_min(1e-12)).sqrt()
        self.components.copy_(vectors.flip(1)[:, :size] / spread)
        share, used = min(1.0, ROWS / len(every)), 0
        for mean, genre, period, regularity in zip(means, genres, periods, regularities, strict=True):
            count = min(max(1, int(share * len(mean))), ROWS - used)
            begin = (len(mean) - count) // 2
            here = slice(used, used + count)
            kept = mean[begin : begin + count].to(self.mean)
            self.bank[here] = self(kept, torch.full((count,), genre, device=kept.device))
            self.genre[here], self.period[here], self.regularity[here] = genre, period, regularity
            self.first[here], self.last[here] = used, used + count - 1
            used += count
        self.rows.fill_(used)

    def forward(self, means: Tensor, genres: Tensor) -> Tensor:
        """Give the styles [R, S] of mean frames [R, K] of genres [R]."""
        style = (means - self.mean) @ self.components
        if not self.genres:
            return style
        return torch.cat((style, nn.functional.one_hot(genres, self.genres).to(style.dtype)), -1)

    def spoil(self, styles: Tensor, noise: Tensor) -> Tensor:
        """Move styles [R, S] by normal noise [R, S]; genres stay."""
        noise = noise * JITTER
        noise[:, self.size - self.genres :] = 0
        return styles + noise

    def strengthen(self, styles: Tensor, factor: float) -> Tensor:
        """Move styles [..., S] away from the mean of all music, or nearer to it by a factor below 1; genres stay.

        The truncation of Karras et al. ("A style-based generator architecture for generative adversarial networks", 2019) the
        other way round: what is made lies nearer to the mean than the style that it was told.
        """
        size = self.size - self.genres
        return torch.cat((factor * styles[..., :size], styles[..., size:]), -1)

    def draw(self, count: int, random: torch.Generator, genre: int | None = None) -> Tensor:
        """Choose seconds of the music, rows [count], of one genre or of any: evenly from all of it, however many they are.

        Each lies a golden section after the one before, which fills an interval as evenly as can be (Weyl's sequence); by chance
        alone ten pieces would be of six tracks, some of them three times.
        """
        known = torch.arange(int(self.rows))
        rows = known if genre is None else known[self.genre[: len(known)].cpu() == genre]
        first = torch.rand((), generator=random, dtype=torch.float64)
        places = (first + _GOLDEN * torch.arange(count, dtype=torch.float64)) % 1
        return rows[(places * len(rows)).long().clamp(max=len(rows) - 1)].to(self.bank.device)

    def along(self, rows: Tensor, seconds: Tensor) -> Tensor:
        """Styles of pieces that go where the music went: from rows [B], after so many seconds [T], [B, T, S].

        At the end of a piece they turn around, so that they may go on for ever.
        """
        first, last = self.first[rows][:, None], self.last[rows][:, None]
        span = (last - first).clamp_min(1)
        gone = (rows[:, None] - first + seconds) % (2 * span)
        place = first + torch.where(gone > span, 2 * span - gone, gone).clamp(max=last - first)
        before = place.floor().long()
        after = torch.minimum(before + 1, last)
        return torch.lerp(self.bank[before], self.bank[after], (place - before)[..., None].to(self.bank.dtype))

    def near(self, mean: Tensor, genre: int | None = None) -> Tensor:
        """The style [S] of a mean frame [K] in a genre; where None, in that of the most similar music."""
        if genre is None:
            own = (mean - self.mean) @ self.components
            known = self.bank[: int(self.rows), : len(own)]
            genre = int(self.genre[(known - own).square().sum(1).argmin()])
        return self(mean[None], torch.tensor([genre], device=mean.device))[0]
