"""Shared by the tests of modules: torch's module and ours with the same weights, side by side."""

import warnings

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from fastgan import FusedLSTM
from fastgan.ops.lstm import backends

NO_CPU = dict(backends())["cpu"]
needs_cpu = pytest.mark.skipif(NO_CPU is not None, reason=f"{NO_CPU}")
both_backends = pytest.mark.parametrize("backend", ["reference", pytest.param("cpu", marks=needs_cpu)])
T, B, I, H = 5, 3, 4, 6  # noqa: E741 as in every page on the subject


def pair(dtype=torch.float64, backend="auto", **options) -> tuple[nn.LSTM, FusedLSTM]:
    """Torch's module and ours with the same weights."""
    torch.manual_seed(0)
    theirs = nn.LSTM(I, H, dtype=dtype, **options)
    ours = FusedLSTM(I, H, dtype=dtype, backend=backend, **options)
    assert ours.load_state_dict(theirs.state_dict(), strict=True)
    return theirs, ours


def states(module, batch: int | None, dtype=torch.float64) -> tuple[Tensor, Tensor]:
    """Random states for a module."""
    rows = module.num_layers * (2 if module.bidirectional else 1)
    middle = () if batch is None else (batch,)
    sizes = module.proj_size or module.hidden_size, module.hidden_size
    h, c = (torch.randn(rows, *middle, size, dtype=dtype) for size in sizes)
    return h.requires_grad_(), c.requires_grad_()


def flat(result) -> list[Tensor]:
    """Output, h_n and c_n of a module's result."""
    output, (h_n, c_n) = result
    return [output.data if isinstance(output, PackedSequence) else output, h_n, c_n]


def assert_same(theirs, ours, give, leaves, exact=None) -> None:
    """Outputs and all gradients of both modules on the same input; `exact` are the parameters of ours, if others."""
    results = [flat(give(module)) for module in (theirs, ours)]
    weights = [torch.randn_like(value) for value in results[0]]
    found = []
    for module, result in zip((theirs, ours), results, strict=True):
        loss = sum((weight * value).sum() for weight, value in zip(weights, result, strict=True))
        parameters = list(module.parameters()) if module is theirs or exact is None else exact
        found.append(torch.autograd.grad(loss, [*leaves, *parameters]))
    for theirs_one, ours_one in zip((*results[0], *found[0]), (*results[1], *found[1]), strict=True):
        assert ours_one.shape == theirs_one.shape
        torch.testing.assert_close(ours_one, theirs_one, rtol=1e-10, atol=1e-11)


def said(call) -> tuple[type, str]:
    """What a call raises, or warns of, in full."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            call()
        except Exception as error:
            return type(error), str(error)
    raise AssertionError("it was not refused")
