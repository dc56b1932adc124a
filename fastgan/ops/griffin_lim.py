"""Sound from magnitudes by projections: the arithmetic of one block of frames that follows a sound which is already fixed."""

from dataclasses import dataclass

import torch
from torch import Tensor

_MOMENTUM = 0.99  # what the authors of the fast algorithm found best
_TINY = 1e-30  # a normal number in float32: the square of a magnitude that has no phase any more


@dataclass(frozen=True)
class Overlap:
    """Where frames that are done reach into the next: their windows' sum there, which the next ones add to.

    Frames are Fourier transforms of windowed pieces [..., T, bins], each `hop` samples after the one before.

    Args:
        taper: the window [window], an even one.
        hop: samples, a part of the window.
        sound: [..., window - hop], the sum so far; zeros before the first frame.
        weight: [window - hop], the same sum of the window's squares.
    """

    taper: Tensor
    hop: int
    sound: Tensor
    weight: Tensor

    def add(self, spectra: Tensor) -> tuple[Tensor, "Overlap"]:
        """Let frames [..., T, bins] be done; gives the samples [..., hop * T] that no later frame reaches, and the new overlap."""
        sound, weight = self._sum(spectra), self._weights(spectra.shape[-2])
        ready = spectra.shape[-2] * self.hop
        rest = Overlap(self.taper, self.hop, sound[..., ready:].clone(), weight[ready:].clone())
        return sound[..., :ready] / weight[:ready].clamp_(min=_TINY), rest

    def rest(self) -> Tensor:
        """The samples [..., window - hop] that follow when no more frames come."""
        return self.sound / self.weight.clamp(min=_TINY)

    def iterate(self, magnitudes: Tensor, spectra: Tensor, iterations: int) -> Tensor:
        """Find phases with which magnitudes [..., T, bins] are nearly those of a sound, and of one that fits what is done.

        Each iteration takes spectra to those of the nearest sound and past them by the momentum (Perraudin, Balazs and Sondergaard,
        "A Fast Griffin-Lim Algorithm", 2013, algorithm 2).

        Args:
            magnitudes: real, not negative.
            spectra: complex, of their shape; their phases are where the search starts.
            iterations: each is two Fourier transforms a frame.

        Returns:
            Complex [..., T, bins] with exactly these magnitudes.
        """
        weight = self._weights(magnitudes.shape[-2]).clamp_(min=_TINY)
        last: Tensor | None = None
        for _ in range(iterations):
            sound = self._sum(_with_magnitudes(spectra, magnitudes)).div_(weight)
            found = torch.fft.rfft(sound.unfold(-1, len(self.taper), self.hop) * self.taper)
            spectra = found if last is None else _lerp_(last, found, 1 + _MOMENTUM)
            last = found
        return _with_magnitudes(spectra, magnitudes)

    def _sum(self, spectra: Tensor) -> Tensor:
        """Windowed frames [..., T, bins] on top of what is done: [..., hop * T + window - hop]."""
        sound = _overlap_add(torch.fft.irfft(spectra, n=len(self.taper)).mul_(self.taper), self.hop)
        sound[..., : self.sound.shape[-1]] += self.sound
        return sound

    def _weights(self, count: int) -> Tensor:
        """The same sum of the window's squares: what makes the result a weighted mean of the frames."""
        weight = _overlap_add(self.taper.square().expand(count, -1), self.hop)
        weight[: len(self.weight)] += self.weight
        return weight


def _overlap_add(parts: Tensor, hop: int) -> Tensor:
    """Sum parts [..., T, window], each a hop after the one before: [..., hop * T + window - hop], always in the same order."""
    count, overlap = parts.shape[-2], parts.shape[-1] // hop
    parts = parts.unflatten(-1, (overlap, hop))
    whole = parts.new_zeros(*parts.shape[:-3], count + overlap - 1, hop)
    for part in range(overlap):
        whole[..., part : part + count, :] += parts[..., part, :]
    return whole.flatten(-2)


def _with_magnitudes(spectra: Tensor, magnitudes: Tensor) -> Tensor:
    """The spectra's phases with other magnitudes; twice as fast as by way of `abs` or `sgn` on the CPU."""
    power = spectra.real.square().add_(spectra.imag.square())
    return spectra * power.clamp_(min=_TINY).rsqrt_().mul_(magnitudes)


def _lerp_(start: Tensor, end: Tensor, weight: float) -> Tensor:
    """`start.lerp_(end, weight)` of complex numbers by way of real ones, four times as fast on the CPU."""
    torch.view_as_real(start).lerp_(torch.view_as_real(end), weight)
    return start
