"""The encoder of spectral frames."""

import pytest
import torch

from fastgan.nn.spectral import FLOOR, SpectralEncoder, to_levels, to_magnitudes

BINS, LATENTS = 33, 5


def spectra(frames: int = 400, rank: int = LATENTS, seed: int = 0) -> torch.Tensor:
    """Magnitudes [1, T, bins] whose levels have so many dimensions."""
    random = torch.Generator().manual_seed(seed)
    shapes = torch.rand(rank, BINS, generator=random)
    return to_magnitudes(2 + torch.rand(1, frames, rank, generator=random) @ shapes)


def test_levels_and_magnitudes_are_inverse() -> None:
    magnitudes = torch.logspace(-6, 0, 50)
    assert torch.allclose(to_magnitudes(to_levels(magnitudes)), magnitudes, rtol=1e-4, atol=1e-9)
    assert to_levels(torch.tensor(0.0)) == 0
    assert to_magnitudes(torch.tensor(-3.0)) == 0
    assert to_levels(torch.tensor(FLOOR)) == pytest.approx(0.6931, abs=1e-4)


def test_the_linear_path_alone_is_principal_component_analysis() -> None:
    encoder, sound = SpectralEncoder(BINS, LATENTS, channels=8), spectra()
    share = encoder.fit_components(sound.split(64, dim=1))
    assert share > 0.9999  # so many dimensions are all that there are
    latents = encoder.encode(sound)
    assert torch.allclose(encoder.decode_levels(latents), to_levels(sound), atol=1e-3)
    assert torch.allclose(latents.flatten(0, 1).std(0, correction=0), torch.ones(LATENTS), atol=1e-3)
    levels = to_levels(sound)[0].double()
    values = torch.linalg.eigvalsh(torch.cov(levels.T, correction=0)).flip(0)[:LATENTS]
    assert torch.allclose(encoder.spread.double().square(), values, rtol=1e-3)


def test_components_do_not_depend_on_how_the_sound_is_cut() -> None:
    one, other, sound = (SpectralEncoder(BINS, 3, channels=8) for _ in range(2)), None, spectra(rank=9)
    one, other = one
    assert one.fit_components([sound]) == pytest.approx(other.fit_components(sound.split(7, dim=1)), rel=1e-6)
    assert torch.allclose(one.components.abs(), other.components.abs(), atol=1e-4)


def test_error_of_an_untrained_encoder_is_that_of_its_components() -> None:
    encoder, sound = SpectralEncoder(BINS, 3, channels=8), spectra(rank=9)
    encoder.fit_components([sound])
    assert encoder.error(sound).item() == pytest.approx(float(encoder.linear_error(sound)), rel=1e-3)
    assert float(encoder.linear_error(sound)) > 1e-4  # three components do not hold nine dimensions


def test_corrections_learn_what_the_components_miss() -> None:
    torch.manual_seed(0)
    encoder, sound = SpectralEncoder(BINS, 3, channels=16), spectra(rank=9)
    encoder.fit_components([sound])
    before = encoder.error(sound).item()
    optimiser = torch.optim.Adam(encoder.parameters(), 3e-3)
    for _ in range(60):
        optimiser.zero_grad()
        encoder.error(sound).backward()
        optimiser.step()
    assert encoder.error(sound).item() < 0.9 * before


def test_loudness_gives_each_bin_the_power_of_the_music() -> None:
    encoder, sound = SpectralEncoder(BINS, 2, channels=8), spectra(rank=9)
    encoder.fit_components([sound])
    plain = encoder.decode(encoder.encode(sound)).square().mean((0, 1))
    encoder.fit_loudness([sound])
    mended = encoder.decode(encoder.encode(sound)).square().mean((0, 1))
    wanted = sound.square().mean((0, 1))
    assert torch.allclose(mended, wanted, rtol=1e-3)
    assert not torch.allclose(plain, wanted, rtol=1e-3)


@pytest.mark.parametrize("way", ["encode", "decode"])
def test_reach_is_how_far_frames_are_seen(way: str) -> None:
    torch.manual_seed(1)
    encoder = SpectralEncoder(BINS, LATENTS, channels=8)
    encoder.fit_components([spectra()])
    for weight in encoder.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    x = spectra(41) if way == "encode" else torch.randn(1, 41, LATENTS)
    other = x.clone()
    other[0, 20] += 1
    changed = (getattr(encoder, way)(x) != getattr(encoder, way)(other)).any(-1)[0].nonzero()[:, 0]
    reach = encoder.reach if way == "encode" else encoder.decoder_reach
    assert changed.min() == 20 - reach
    assert changed.max() == 20 + reach
