import math

import pytest
import torch
from torch import Tensor

from fastgan.ops.phases import continue_phases

WINDOW, HOP = 256, 64
MIDDLE = (-1.0) ** torch.arange(
    WINDOW // 2 + 1, dtype=torch.float64
)  # phases at the window's middle from those at its start


def spectra_of(sound: Tensor) -> Tensor:
    return torch.fft.rfft(sound.unfold(-1, WINDOW, HOP) * torch.hann_window(WINDOW, dtype=sound.dtype)) * MIDDLE


def time(frames: int) -> Tensor:
    return torch.arange(WINDOW + (frames - 1) * HOP, dtype=torch.float64)


def wrong(found: Tensor, spectra: Tensor) -> Tensor:
    """How far phases are from those of spectra, radians of 0 to pi."""
    return torch.polar(torch.ones_like(found), found - spectra.angle()).angle().abs()


@pytest.mark.parametrize("bin_", [20.0, 20.3, 20.5, 47.9])
def test_a_tone_keeps_turning_at_its_own_frequency(bin_):
    spectra = spectra_of((2 * math.pi * bin_ / WINDOW * time(9) + 1).cos())
    found = continue_phases(spectra.abs(), spectra[0].angle(), HOP)
    peak = round(bin_)
    lobe = wrong(found, spectra[1:])[:, peak - 1 : peak + 2]
    assert lobe.shape == (8, 3)
    per_hop = lobe.max(dim=-1).values / torch.arange(1, 9)
    assert per_hop.max() < 0.06  # 0.04 bins: how far a Hann window's peak is from a Gaussian's; half a bin would be 0.8


def test_tones_do_not_disturb_each_other():
    spectra = spectra_of((2 * math.pi * 20.3 / WINDOW * time(5)).cos() + (2 * math.pi * 60.6 / WINDOW * time(5)).sin())
    off = wrong(continue_phases(spectra.abs(), spectra[0].angle(), HOP), spectra[1:])
    assert off[:, [19, 20, 21, 60, 61]].max() < 0.3


def test_a_click_keeps_its_place_in_the_window():
    sound = torch.zeros(WINDOW + HOP, dtype=torch.float64)
    sound[WINDOW // 2 + HOP + 9] = 1  # 9 samples behind the middle of the second frame
    spectra = spectra_of(sound)
    found = continue_phases(spectra.abs().clamp(min=1e-3), spectra[0].angle(), HOP)[0]
    delay = -(found[1:] - found[:-1]) * WINDOW / (2 * math.pi)
    assert (
        delay.median() > 0
    )  # the level still rises, so it comes late; level and place are only of one sign at so coarse a hop


@pytest.mark.parametrize("sign", [1, -1])
def test_a_constant_keeps_its_sign(sign):
    spectra = spectra_of(sign * torch.ones(WINDOW + 4 * HOP, dtype=torch.float64))
    found = continue_phases(spectra.abs(), spectra[0].angle() + 0.1, HOP)
    assert (found[:, 0].cos() == sign).all()


def test_silence_has_finite_phases():
    assert continue_phases(torch.zeros(2, 4, 33), torch.zeros(2, 33), 16).isfinite().all()


def test_sequences_in_step_are_continued_each_for_itself():
    magnitudes, phases = torch.rand(2, 3, 6, 33, generator=torch.Generator().manual_seed(0)), torch.zeros(2, 3, 33)
    assert torch.equal(
        continue_phases(magnitudes, phases, 16)[1, 2], continue_phases(magnitudes[1, 2], phases[1, 2], 16)
    )
