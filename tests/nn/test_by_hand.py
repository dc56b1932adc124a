"""Passes with gradients by hand; that whole steps made of them are right is in tests/gan/test_strides.py."""

import pytest
import torch

from fastgan.nn.by_hand import ByHand
from fastgan.nn.generator import Generator


@pytest.fixture
def network() -> Generator:
    torch.manual_seed(0)
    return Generator(features=2, hidden=7).double()


def wanted(network: Generator, x: torch.Tensor, d_out: torch.Tensor, every: bool) -> list[torch.Tensor]:
    """By autograd: what comes out, and the gradients of the sequences and of all weights."""
    x = x.clone().requires_grad_()
    rows = x.transpose(0, 1)
    out = network(rows).transpose(0, 1).flatten(0, 1) if every else network.next_value(rows)
    return [out.detach(), *torch.autograd.grad(out, [x, *network.parameters()], d_out)]


def test_passes_of_other_shapes_between_do_not_disturb(network):
    by_hand = ByHand(network)
    kinds = [(5, 3, False), (5, 3, True), (5, 6, False), (1, 1, False), (9, 2, True)]
    for turn in range(3):
        given = {(t, b, every): torch.randn(t, b, 2, dtype=torch.float64) for t, b, every in kinds}
        done = {kind: by_hand.forward(x, every=kind[2]) for kind, x in given.items()}
        for kind, x in reversed(given.items()):
            d_out = torch.randn(done[kind].out.shape, dtype=torch.float64)
            out, of_x, *of_weights = wanted(network, x, d_out, kind[2])
            torch.testing.assert_close(done[kind].out, out)
            torch.testing.assert_close(done[kind].gradient_of_x(d_out), of_x)
            for found, true in zip(done[kind].gradients(d_out), of_weights, strict=True):
                torch.testing.assert_close(found, true)
        with torch.no_grad():
            for weight in network.parameters():
                weight.mul_(1.1 - 0.1 * turn)


def test_the_next_pass_takes_the_memory(network):
    by_hand = ByHand(network)
    first, second = torch.randn(2, 4, 3, 2, dtype=torch.float64)
    kept = by_hand.forward(first).out
    before = kept.clone()
    assert by_hand.forward(second).out.data_ptr() == kept.data_ptr()
    assert not torch.equal(kept, before)
    assert torch.equal(by_hand.forward(first).out, before)
