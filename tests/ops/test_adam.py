import copy

import pytest
import torch
from torch import nn

from fastgan.ops.adam import Adam
from fastgan.ops.lstm import triton_gpu


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


@pytest.mark.skipif(triton_gpu.why_not_here() is not None, reason=f"{triton_gpu.why_not_here()}")
@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.0, 0.99)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_the_kernel_does_what_torch_does(dtype, betas, monkeypatch):
    """With gradients of either dtype, and with copies, over more tensors than one launch takes."""
    monkeypatch.setattr("fastgan.ops.adam._TENSORS", 3)
    device = "cpu" if triton_gpu.interpreted() else "cuda"
    shapes = {"a": (1,), "b": (3, 5), "c": (70, 31), "d": (1025,), "e": ()}
    random = torch.Generator().manual_seed(0)
    weights = {name: torch.randn(shape, generator=random).to(device) for name, shape in shapes.items()}
    ours, theirs = (Adam({name: one.clone() for name, one in weights.items()}, 0.1, betas=betas) for _ in range(2))
    copies = [torch.empty_like(one, dtype=torch.bfloat16) if one.numel() > 9 else None for one in ours.weights]
    for _ in range(5):
        gradients = [torch.randn(one.shape, generator=random).to(device, dtype) for one in ours.weights]
        ours.steps += 1
        ours.launch(gradients, copies)
        with monkeypatch.context() as here:
            here.setattr(Adam, "_in_one_launch", lambda *_: False)
            theirs.step(gradients)
    for one, two in zip(
        ours.weights + ours.means + ours.squares, theirs.weights + theirs.means + theirs.squares, strict=True
    ):
        torch.testing.assert_close(one, two)
    for short, weight in zip(copies, ours.weights, strict=True):
        if short is not None:  # Triton's interpreter cuts off what a GPU rounds
            torch.testing.assert_close(short, weight.bfloat16(), rtol=2**-7, atol=0)


def test_copies_are_renewed_whoever_steps():
    net = network(torch.float32)
    adam = ours_of(net)
    copies = [torch.empty_like(weight, dtype=torch.bfloat16) for weight in adam.weights]
    learn(net, 2, lambda: adam.step([weight.grad for weight in net.parameters()], copies))
    assert all(torch.equal(short, weight.bfloat16()) for short, weight in zip(copies, adam.weights, strict=True))
