"""The encoder of spectral frames: principal components, and convolutions with max-pooling that learn what those miss."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FLOOR = 1e-3
"""Amplitude, 1 for a full-scale sine, below which levels count as linear: -60 dB.

Sound comes at a root mean square of 0.05, so this hides 34 dB below it what a listener would hardly hear, and leaves the
components to what is heard: of 96 of them, real music rebuilt comes twice as near to itself as with a floor of -100 dB.
"""


class SpectralEncoder(nn.Module):
    """Magnitudes of frames to latent values and back.

    Both ways are linear, by the principal components of the logarithm, plus a convolutional correction. The correction starts at
    zero, so an untrained one is principal component analysis, and training begins there.

    Args:
        bins: magnitudes per frame.
        latents: K, values that stand for a frame.
        channels: of the corrections.
    """

    mean: Tensor
    components: Tensor
    spread: Tensor
    loudness: Tensor
    known: Tensor

    def __init__(self, bins: int, latents: int = 96, channels: int = 192):
        super().__init__()
        self.latents = latents
        self.analysis = nn.Sequential(
            *(nn.Conv1d(bins, channels, 3, padding=1), nn.SiLU()),
            *(nn.MaxPool1d(3, stride=1, padding=1), nn.Conv1d(channels, latents, 3, padding=1)),
        )
        self.synthesis = nn.Sequential(
            *(nn.Conv1d(latents, channels, 3, padding=1), nn.SiLU()),
            *(nn.Conv1d(channels, channels, 3, padding=1), nn.SiLU(), nn.Conv1d(channels, bins, 1)),
        )
        self.forget_corrections()
        self.register_buffer("mean", torch.zeros(bins))
        self.register_buffer("components", torch.eye(bins, latents))
        self.register_buffer("spread", torch.ones(latents))
        self.register_buffer("loudness", torch.zeros(bins))
        self.register_buffer("known", torch.tensor(False))  # whether the components were found

    @torch.no_grad()
    def forget_corrections(self) -> None:
        """Leave the linear path alone."""
        for path in (self.analysis, self.synthesis):
            for weight in path[-1].parameters():
                weight.zero_()

    @property
    def fitted(self) -> bool:
        """Whether the principal components were found."""
        return bool(self.known)

    @property
    def reach(self) -> int:
        """Frames on each side that a latent frame depends on."""
        return 3

    @property
    def decoder_reach(self) -> int:
        """Frames on each side that a rebuilt frame depends on."""
        return 2

    @torch.no_grad()
    def fit_components(self, parts: Iterable[Tensor]) -> float:
        """Set the linear path to the principal components of magnitudes [..., bins], seen once, part by part.

        Returns:
            The share of the variance that the components hold.
        """
        bins = len(self.mean)
        total = torch.zeros(bins, dtype=torch.float64, device=self.mean.device)
        products, count = total.new_zeros(bins, bins), 0
        shift = None  # the first part's mean: sums of squares around it lose no digits
        for part in parts:
            levels = to_levels(part).reshape(-1, bins).double()
            shift = levels.mean(0) if shift is None else shift
            levels -= shift
            total += levels.sum(0)
            products.addmm_(levels.T, levels)
            count += len(levels)
        assert shift is not None, "there is at least one part"
        mean = total / count
        values, vectors = torch.linalg.eigh(products / count - torch.outer(mean, mean))
        kept = values.flip(0)[: self.latents].clamp_min(0)
        self.mean.copy_(mean + shift)
        self.components.copy_(vectors.flip(1)[:, : self.latents])
        self.spread.copy_(kept.sqrt().clamp_min(1e-6))
        self.known.fill_(True)
        return float(kept.sum() / values.clamp_min(0).sum().clamp_min(1e-30))

    def encode(self, magnitudes: Tensor) -> Tensor:
        """Compress magnitudes [B, T, bins] to latent values [B, T, K], each with a spread of about 1."""
        levels = to_levels(magnitudes) - self.mean
        return levels @ self.components / self.spread + _along(self.analysis, levels)

    def decode_levels(self, latents: Tensor) -> Tensor:
        """Rebuild levels [B, T, bins] from latent values [B, T, K]."""
        return latents * self.spread @ self.components.T + self.mean + _along(self.synthesis, latents)

    def decode(self, latents: Tensor) -> Tensor:
        """Rebuild magnitudes [B, T, bins]: the inverse of `encode`, as far as it learnt, at the loudness of the music."""
        return to_magnitudes(self.decode_levels(latents)) * self.loudness.exp()

    def error(self, magnitudes: Tensor) -> Tensor:
        """Mean squared error of rebuilt levels, a scalar."""
        return F.mse_loss(self.decode_levels(self.encode(magnitudes)), to_levels(magnitudes))

    def linear_error(self, magnitudes: Tensor) -> Tensor:
        """That of the components alone."""
        levels = to_levels(magnitudes) - self.mean
        return F.mse_loss(levels @ self.components @ self.components.T, levels)

    @torch.no_grad()
    def fit_loudness(self, parts: Iterable[Tensor]) -> None:
        """Set a gain for each bin so that what is rebuilt has the mean power of the music, magnitudes [B, T, bins].

        Least squares on a logarithm pulls towards the middle, so peaks come out too low, the highest bins lowest.
        """
        self.loudness.zero_()
        wanted = torch.zeros_like(self.mean, dtype=torch.float64)
        found = torch.zeros_like(wanted)
        for part in parts:
            wanted += part.double().square().sum((0, 1))
            found += self.decode(self.encode(part)).double().square().sum((0, 1))
        tiny = 1e-12 * wanted.max().clamp_min(1e-30)
        self.loudness.copy_(((wanted + tiny) / (found + tiny)).log().div(2).clamp(-1.0, 1.0))


def to_levels(magnitudes: Tensor) -> Tensor:
    """Levels of magnitudes, logarithmic above the floor and linear below: 0 for silence."""
    return torch.log1p(magnitudes / FLOOR)


def to_magnitudes(levels: Tensor) -> Tensor:
    """Magnitudes of levels, the inverse of `to_levels`; what lies below silence is silence."""
    return torch.expm1(levels.clamp_min(0)) * FLOOR


def _along(network: nn.Module, values: Tensor) -> Tensor:
    """Apply a network of convolutions along time: [B, T, C] to [B, T, D]."""
    return network(values.transpose(1, 2)).transpose(1, 2)
