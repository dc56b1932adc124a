import pytest
import torch

from fastgan.nn.discriminator import Discriminator
from fastgan.nn.encoder import FRAME, LATENTS, AutoEncoder
from fastgan.nn.generator import Generator
from fastgan.nn.summary import summarise


@pytest.mark.parametrize("kind", [Generator, Discriminator])
def test_the_papers_networks_to_the_parameter(kind: type) -> None:
    network = kind()
    layers = [sum(weight.numel() for weight in layer) for layer in network.lstm.all_weights]
    assert layers == [66_560, 131_584]
    assert sum(weight.numel() for weight in network.dense.parameters()) == 129
    assert sum(weight.numel() for weight in network.parameters()) == 198_273
    table = summarise(network, 6)
    for cell in ("(None, 6, 128)", "66,560", "(None, 128)", "131,584", "(None, 1)", "129", "198,273"):
        assert cell in table
    assert table.splitlines()[-1].split()[-1] == "0"


def test_shapes() -> None:
    noise = torch.randn(3, 6, 1)
    assert Generator()(noise).shape == (3, 6, 1)  # the paper's "fake shape"
    assert Generator().next_value(noise).shape == (3, 1)
    assert Discriminator()(noise).shape == (3,)
    assert Generator(LATENTS, 20)(torch.randn(2, 5, LATENTS)).shape == (2, 5, LATENTS)


def test_stepping_equals_one_pass() -> None:
    generator, sequence = Generator(2, 9).double(), torch.randn(4, 7, 2, dtype=torch.float64)
    run = generator.free_run(4, windows=0)
    made = torch.cat([run.run(1, sequence[:, step, None]) for step in range(7)], dim=1)
    torch.testing.assert_close(made, generator(sequence))
    torch.testing.assert_close(made[:, -1], generator.next_value(sequence))


def test_encoder_and_decoder_are_inverse_in_shape_and_learn_it() -> None:
    torch.manual_seed(0)
    network, random = AutoEncoder(), torch.Generator().manual_seed(1)
    optimiser = torch.optim.Adam(network.parameters(), 2e-3)

    def sound(count: int) -> torch.Tensor:
        time = torch.arange(8 * FRAME) / 22_050
        hz = 80 * 2 ** (3 * torch.rand(count, 2, 1, generator=random))
        phase = 6.28 * torch.rand(count, 2, 1, generator=random)
        return 0.3 * torch.sin(6.28 * hz * time + phase).sum(1)

    frames = network.encode(sound(2))
    assert frames.shape == (2, 8, LATENTS)
    assert frames.abs().max() <= 1
    assert network.decode(frames).shape == (2, 8 * FRAME)
    for _ in range(150):
        batch = sound(16)
        loss = (network(batch) - batch).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    fresh = sound(64)
    with torch.no_grad():
        # Far better than the best constant: it rebuilds the waveform of sounds that it never saw.
        assert (network(fresh) - fresh).square().mean() < 0.15 * fresh.var()


@pytest.mark.parametrize("frames", [0, 1, 7, 8, 9, 50])
def test_decoding_in_pieces_is_the_same(frames: int) -> None:
    network = AutoEncoder().double()
    latents = torch.randn(frames, LATENTS, dtype=torch.float64)
    whole = network.decode(latents[None])[0] if frames else torch.empty(0, dtype=torch.float64)
    torch.testing.assert_close(torch.cat([whole[:0], *network.decode_pieces(latents.split(5), chunk=8)]), whole)
