"""Phases that suit a course of magnitudes, guessed in one pass."""

import math

import torch
from torch import Tensor

_FLOOR = 1e-7  # of a full-scale sine, -140 dB: logarithms stay finite in silence
_HANN = 0.25645  # a Hann window of N samples is nearest to the Gaussian exp(-pi t^2 / (0.25645 N^2))


def continue_phases(magnitudes: Tensor, phases: Tensor, hop: int) -> Tensor:
    """Carry the phases of one frame on through the frames that follow it.

    Each spectral peak goes on as a sinusoid at its own frequency, from whatever phase its bin had (Laroche and Dolson,
    "Improved Phase Vocoder Time-Scale Modification of Audio", 1999); the bins around it follow the peak. How fast the phase turns
    over time and over frequency is read from the slopes of the log-magnitude, as for a Gaussian window (Prusa, Balazs and
    Sondergaard, "A Noniterative Method for Reconstruction of Phase from STFT Magnitude", 2017).

    Args:
        magnitudes: [..., 1 + T, bins], of Hann windows of 2 (bins - 1) samples; the first frame is the known one.
        phases: radians [..., bins] of that frame, where 0 is a cosine that peaks at the middle of the window.
        hop: samples from one frame to the next.

    Returns:
        Radians [..., T, bins], measured as `phases`, not wrapped.
    """
    window = 2 * (magnitudes.shape[-1] - 1)
    level = magnitudes.clamp(min=_FLOOR).log()
    peak = _nearest_peak(level[..., 1:, :])
    turn = 2 * math.pi * hop / window * _frequencies(level)  # [..., 1 + T, bins], radians in a hop
    turn = ((turn[..., :-1, :] + turn[..., 1:, :]) / 2).gather(-1, peak)
    slope = (-_HANN * window / hop) * _change_over_time(level)[..., 1:, :]  # radians in a bin
    slope[..., 1:] = (slope[..., 1:] + slope[..., :-1]) / 2
    along = slope.cumsum(-1)
    step = (turn + along - along.gather(-1, peak)).remainder(2 * math.pi)  # small numbers, so that float32 can add them
    found = []
    for source, advance in zip(peak.unbind(-2), step.unbind(-2), strict=True):
        phases = phases.gather(-1, source) + advance
        phases[..., 0].div_(math.pi).round_().mul_(math.pi)  # 0 Hz is real, and what lies close to it hangs on its sign
        found.append(phases)
    return torch.stack(found, dim=-2)


def _nearest_peak(level: Tensor) -> Tensor:
    """For each bin of [..., T, bins] the bin of the peak on whose slope it lies, int64; every frame has a peak."""
    bins = torch.arange(level.shape[-1], device=level.device)
    rises = torch.zeros_like(level, dtype=torch.bool)  # from this bin to the next
    rises[..., :-1] = level[..., 1:] > level[..., :-1]
    peaks = ~rises
    peaks[..., 1:] &= level[..., 1:] > level[..., :-1]
    before = (peaks * bins).cummax(-1).values
    after = len(bins) - 1 - (peaks.flip(-1) * bins).cummax(-1).values.flip(-1)
    return torch.where(rises, after, before)


def _frequencies(level: Tensor) -> Tensor:
    """The frequency that each bin of [..., T, bins] hears, in bins; at the ends spectra are mirrored, so there it is the bin's own."""
    bins = torch.arange(level.shape[-1], device=level.device, dtype=level.dtype)
    lean = torch.zeros_like(level)
    lean[..., 1:-1] = (level[..., 2:] - level[..., :-2]) / (4 * math.pi * _HANN)
    return lean.clamp_(-2, 2).add_(bins)  # two bins: half the main lobe, where valleys would send it further


def _change_over_time(level: Tensor) -> Tensor:
    """Change of [..., T, bins] from frame to frame: central, one-sided at the ends; T is at least 2."""
    change = torch.empty_like(level)
    change[..., 1:-1, :] = (level[..., 2:, :] - level[..., :-2, :]) / 2
    change[..., 0, :] = level[..., 1, :] - level[..., 0, :]
    change[..., -1, :] = level[..., -1, :] - level[..., -2, :]
    return change
