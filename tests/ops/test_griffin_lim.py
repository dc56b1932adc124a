import pytest
import torch
from torch import Tensor

from fastgan.ops.griffin_lim import Overlap

WINDOW, HOP = 64, 16
TAPER = torch.hann_window(WINDOW, dtype=torch.float64)


def start() -> Overlap:
    return Overlap(TAPER, HOP, TAPER.new_zeros(WINDOW - HOP), TAPER.new_zeros(WINDOW - HOP))


def random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def spectra_of(sound: Tensor) -> Tensor:
    return torch.fft.rfft(sound.unfold(-1, WINDOW, HOP) * TAPER)


@pytest.mark.parametrize("cut", [1, 5, 9])
def test_frames_of_a_sound_give_it_back_in_any_parts(cut):
    sound = random(2, WINDOW + 9 * HOP)
    spectra = spectra_of(sound)
    one, overlap = start().add(spectra[:, :cut])
    two, overlap = overlap.add(spectra[:, cut:])
    whole = torch.cat((one, two, overlap.rest()), dim=-1)
    assert one.shape[-1] == cut * HOP
    torch.testing.assert_close(whole[:, 1:], sound[:, 1:])  # the first sample is under a window of 0
    assert not whole[:, 0].any()


def test_spectra_of_a_sound_are_left_as_they_are():
    spectra = spectra_of(random(WINDOW + 9 * HOP))
    _, overlap = start().add(spectra[:4])
    torch.testing.assert_close(overlap.iterate(spectra[4:].abs(), spectra[4:], 5), spectra[4:])


def test_one_iteration_is_a_projection_by_the_definition():
    """Against the sound nearest to the wanted spectra in the least-squares sense, solved as such."""
    wanted, done = torch.complex(random(3, 33), random(3, 33).flip(0)), spectra_of(random(WINDOW + 2 * HOP))
    wanted[:, [0, -1]] = wanted[:, [0, -1]].real.to(wanted.dtype)  # what a real sound can have
    _, overlap = start().add(done)
    frames = torch.fft.irfft(torch.cat((done, wanted)), n=WINDOW)  # [6, window]
    cuts = torch.eye(WINDOW + 5 * HOP, dtype=torch.float64).unfold(-1, WINDOW, HOP) * TAPER  # [samples, 6, window]
    nearest = torch.linalg.lstsq(cuts.flatten(1).T, frames.reshape(-1, 1), driver="gelsd").solution[:, 0]
    found = overlap.iterate(wanted.abs(), wanted, 1)
    there = spectra_of(nearest)[3:]
    torch.testing.assert_close(found, there / there.abs() * wanted.abs())


def test_magnitudes_are_exactly_those_asked_for():
    spectra = spectra_of(random(WINDOW + 9 * HOP))
    magnitudes = random(*spectra.shape).abs()
    torch.testing.assert_close(start().iterate(magnitudes, spectra, 3).abs(), magnitudes)
