import copy

import pytest
import torch
from torch import nn

from fastgan.ops.adam import Adam


def network(dtype: torch.dtype) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)).to(dtype)


def learn(net: nn.Module, steps: int, step) -> None:
    for number in range(steps):
        x = torch.randn(4, 5, generator=torch.Generator().manual_seed(number)).to(next(net.parameters()).dtype)
        net.zero_grad()
        net(x).square().sum().backward()
        step()


def ours_of(net: nn.Module) -> Adam:
    return Adam(dict(net.named_parameters()), 1e-2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_equals_that_of_torch(dtype):
    ours, theirs = network(dtype), network(dtype)
    adam, other = ours_of(ours), torch.optim.Adam(theirs.parameters(), lr=1e-2, fused=True)
    learn(ours, 20, lambda: adam.step([weight.grad for weight in ours.parameters()]))
    learn(theirs, 20, other.step)
    for one, two in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, two)  # it is the same kernel
    moments = {name: other.state[weight] for name, weight in theirs.named_parameters()}
    assert adam.tensors().keys() == {f"{name}.{key}" for name, state in moments.items() for key in state}
    for name, state in moments.items():
        for key, value in state.items():
            assert torch.equal(adam.tensors()[f"{name}.{key}"], value)


def test_what_is_saved_goes_on_as_if_nothing_had_happened():
    net = network(torch.float32)
    adam = ours_of(net)
    learn(net, 3, lambda: adam.step([weight.grad for weight in net.parameters()]))
    again, saved = copy.deepcopy(net), copy.deepcopy(adam.tensors())
    fresh = ours_of(again)
    fresh.load(saved)
    learn(net, 3, lambda: adam.step([weight.grad for weight in net.parameters()]))
    learn(again, 3, lambda: fresh.step([weight.grad for weight in again.parameters()]))
    assert all(torch.equal(one, two) for one, two in zip(net.parameters(), again.parameters(), strict=True))
    assert all(torch.equal(value, fresh.tensors()[name]) for name, value in adam.tensors().items())
