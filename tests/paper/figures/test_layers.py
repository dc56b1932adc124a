"""Layers are what the network really runs, and looking at it changes nothing."""

import pytest
import torch
from torch import nn

from fastgan.nn.discriminator import Discriminator
from fastgan.nn.generator import Generator
from fastgan.paper.figures.layers import dense_of, layers_of, lstm_layer, written

CASES = [(Generator, 1, 128, 6), (Generator, 16, 17, 3), (Discriminator, 1, 128, 6), (Discriminator, 5, 8, 1)]


@pytest.mark.parametrize(("kind", "features", "hidden", "window"), CASES)
def test_shapes_and_parameters(kind, features, hidden, window):
    network = kind(features, hidden)
    first, second, dense = layers_of(network, window)
    assert [layer.name for layer in (first, second, dense)] == ["LSTM 1", "LSTM 2", "Dense"]
    assert first.taken == (1, window, features)
    assert first.given == second.taken == second.given == (1, window, hidden)
    if kind is Generator:
        assert (dense.taken, dense.given) == ((1, window, hidden), (1, window, features))
    else:
        assert (dense.taken, dense.given) == ((1, hidden), (1, 1))
    assert first.weights == {
        "weight_ih": (4 * hidden, features),
        "weight_hh": (4 * hidden, hidden),
        "bias": (4 * hidden,),
    }
    total = sum(weight.numel() for weight in network.parameters())
    assert first.parameters + second.parameters + dense.parameters == total


def test_the_layers_one_after_another_are_the_network():
    torch.manual_seed(0)
    generator, x = Generator(3, 8), torch.randn(2, 5, 3)
    value = x
    for index in range(2):
        value = lstm_layer(generator.lstm, index)(value)[0]
    torch.testing.assert_close(value, generator.lstm(x)[0])
    torch.testing.assert_close(generator.dense(value), generator(x))


def test_the_next_value_is_made_of_the_last_step_alone():
    generator = Generator(2, 8)
    layer = dense_of(generator, generator.next_value, 6)
    assert (layer.taken, layer.given) == ((1, 8), (1, 2))


def test_looking_changes_nothing():
    network = Discriminator(1, 8)
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.random.get_rng_state()
    layers_of(network, 4)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())
    assert all(weight.grad is None and weight.requires_grad for weight in network.parameters())
    assert not network.dense._forward_hooks


def test_the_hook_goes_when_the_network_fails():
    network = Generator(1, 8)

    def fails(value):
        raise RuntimeError("as a test wants it")

    with pytest.raises(RuntimeError, match="as a test wants it"):
        dense_of(network, fails, 4)
    assert not network.dense._forward_hooks


def test_written():
    assert written((1, 6, 1)) == "[B, 6, 1]"
    assert written((1,)) == "[B]"
    assert written((512, 128), batch=False) == "[512, 128]"


def test_what_is_no_network_of_the_game_is_refused():
    with pytest.raises(TypeError, match="a Generator or a Discriminator, got Linear"):
        layers_of(nn.Linear(2, 2), 4)
    with pytest.raises(ValueError, match="window is 0"):
        layers_of(Generator(), 0)
