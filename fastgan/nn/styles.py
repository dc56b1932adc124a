"""What a piece is like as a whole: the mean of its frames over some seconds, in few numbers, and its genre."""

import torch
from torch import Tensor, nn

ROWS = 2048
"""Styles that are kept to draw from."""

JITTER = 0.3
"""Spread of the noise on a style, in its own spreads: so styles between those of the music are known too."""

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
    owners: Tensor

    def __init__(self, latents: int, size: int = 16, genres: int = 1):
        super().__init__()
        self.genres = genres if genres > 1 else 0
        size = min(size, latents)
        self.size = size + self.genres
        self.register_buffer("mean", torch.zeros(latents))
        self.register_buffer("components", torch.zeros(latents, size))
        self.register_buffer("bank", torch.zeros(ROWS, self.size))
        self.register_buffer("owners", torch.zeros(ROWS, dtype=torch.int64))

    @property
    def fitted(self) -> bool:
        """Whether there are styles to draw from."""
        return bool(self.components.any())

    @torch.no_grad()
    def fit(self, means: Tensor, owners: Tensor) -> None:
        """Find the components of mean frames [R, K] of genres [R], and keep rows of them, evenly spread."""
        self.mean.copy_(means.double().mean(0))
        centred = means.double() - self.mean
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(means))
        size = self.components.shape[1]
        spread = values.flip(0)[:size].clamp_min(_LEAST * values[-1].clamp_min(1e-12)).sqrt()
        self.components.copy_(vectors.flip(1)[:, :size] / spread)
        kept = torch.linspace(0, len(means) - 1, ROWS).round().long()
        self.bank.copy_(self(means[kept], owners[kept]))
        self.owners.copy_(owners[kept])

    def forward(self, means: Tensor, owners: Tensor) -> Tensor:
        """Give the styles [R, S] of mean frames [R, K] of genres [R]."""
        style = (means - self.mean) @ self.components
        if not self.genres:
            return style
        return torch.cat((style, nn.functional.one_hot(owners, self.genres).to(style.dtype)), -1)

    def spoil(self, styles: Tensor, noise: Tensor) -> Tensor:
        """Move styles [R, S] by normal noise [R, S]; genres stay."""
        noise = noise * JITTER
        noise[:, self.size - self.genres :] = 0
        return styles + noise

    def draw(self, count: int, random: torch.Generator, genre: int | None = None) -> Tensor:
        """Choose styles of the music, [count, S], of one genre or of any; without repetition while there are enough."""
        rows = torch.arange(ROWS) if genre is None else (self.owners.cpu() == genre).nonzero()[:, 0]
        order = torch.cat([torch.randperm(len(rows), generator=random) for _ in range(-(-count // len(rows)))])
        return self.bank[rows[order[:count]].to(self.bank.device)]

    def near(self, mean: Tensor, genre: int | None = None) -> Tensor:
        """The style [S] of a mean frame [K] in a genre; where None, in that of the most similar music."""
        if genre is None:
            own = (mean - self.mean) @ self.components
            genre = int(self.owners[(self.bank[:, : len(own)] - own).square().sum(1).argmin()])
        return self(mean[None], torch.tensor([genre], device=mean.device))[0]
