"""Every combination of options and kinds of input against torch.nn.LSTM in float64: outputs, states, all gradients."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_sequence

from fastgan import FusedLSTM
from tests.nn.common import B, H, I, T, assert_same, both_backends, flat, pair, states

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections")
FORMS = ("batch", "single", "packed", "unsorted")


def inputs(form, batch_first=False, lengths=(5, 3, 1), values=I):
    """The tensors with the input's values, and what makes the module's argument of them."""
    if form in ("packed", "unsorted"):
        lengths = sorted(lengths, reverse=True) if form == "packed" else lengths
        leaves = [torch.randn(length, values, dtype=torch.float64, requires_grad=True) for length in lengths]
        return leaves, lambda: pack_sequence(leaves, enforce_sorted=form == "packed")
    steps, batch = max(lengths), len(lengths)
    shape = (steps,) if form == "single" else (batch, steps) if batch_first else (steps, batch)
    x = torch.randn(*shape, values, dtype=torch.float64, requires_grad=True)
    return [x], lambda: x


@both_backends
@pytest.mark.parametrize("with_states", [False, True], ids=["zeros", "states"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize("bias", [True, False, "single"])
def test_every_option(bias, num_layers, form, with_states, backend):
    for batch_first, bidirectional, proj_size, dropout in itertools.product(
        (False, True), (False, True), (0, 2), (0, 0.4)
    ):
        if dropout and num_layers == 1:
            continue
        options = {
            "num_layers": num_layers,
            "batch_first": batch_first,
            "bidirectional": bidirectional,
            "proj_size": proj_size,
            "dropout": dropout,
        }
        theirs, ours = pair(bias=bool(bias), backend=backend, **options)
        exact = None
        if bias == "single":
            ours, exact = with_single_bias(ours, backend, options)
        leaves, argument = inputs(form, batch_first, (2, 5, 3))
        hx = states(ours, None if form == "single" else 3) if with_states else None

        def give(module, argument=argument, hx=hx):
            torch.manual_seed(3)  # the same values are dropped
            return module(argument(), hx)

        assert_same(theirs, ours, give, [*leaves, *(hx or ())], exact)


def with_single_bias(two, backend, options):
    """A module whose single bias is the sum of two, and a tensor for each parameter of `two` with the same gradient."""
    one = FusedLSTM(I, H, bias="single", dtype=torch.float64, backend=backend, **options)
    exact = []
    with torch.no_grad():
        for name, parameter in two.named_parameters():
            if name.startswith("bias"):
                single = getattr(one, name.replace("bias_ih", "bias").replace("bias_hh", "bias"))
                if name.startswith("bias_ih"):
                    single.zero_()
                single += parameter
            else:
                single = getattr(one, name)
                single.copy_(parameter)
            exact.append(single)
    return one, exact


@both_backends
@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data())
def test_sizes(backend, data):
    size = st.integers(1, 40)
    values, hidden = data.draw(size), data.draw(size)
    projected = data.draw(st.integers(0, hidden - 1))
    lengths = data.draw(st.lists(st.integers(1, 12), min_size=1, max_size=20))
    layers, two_ways = data.draw(st.integers(1, 3)), data.draw(st.booleans())
    form = data.draw(st.sampled_from(FORMS))
    options = {"num_layers": layers, "bidirectional": two_ways, "proj_size": projected, "dtype": torch.float64}
    torch.manual_seed(data.draw(st.integers(0, 100)))
    theirs = nn.LSTM(values, hidden, **options)
    ours = FusedLSTM(values, hidden, backend=backend, **options)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    leaves, argument = inputs(form, False, lengths, values)
    hx = states(ours, None if form == "single" else len(lengths)) if data.draw(st.booleans()) else None
    assert_same(theirs, ours, lambda module: module(argument(), hx), [*leaves, *(hx or ())])


@both_backends
@pytest.mark.parametrize("which", ["output", "h_n", "c_n"])
def test_gradients_of_one_result_alone(backend, which):
    theirs, ours = pair(backend=backend, num_layers=2, bidirectional=True)
    hx = states(ours, B)
    x = torch.randn(T, B, I, dtype=torch.float64, requires_grad=True)
    found = []
    for module in (theirs, ours):
        result = flat(module(x, hx))[["output", "h_n", "c_n"].index(which)]
        found.append(torch.autograd.grad(result.square().sum(), [x, *hx, *module.parameters()]))
    for theirs_one, ours_one in zip(*found, strict=True):
        torch.testing.assert_close(ours_one, theirs_one, rtol=1e-10, atol=1e-11)


@both_backends
def test_gradients_for_a_few_alone(backend):
    theirs, ours = pair(backend=backend, num_layers=2)
    hx = tuple(state.detach() for state in states(ours, B))
    x = torch.randn(T, B, I, dtype=torch.float64)
    for names in (("weight_hh_l0",), ("bias_hh_l1",), ("bias_ih_l0", "weight_ih_l1")):
        for module in (theirs, ours):
            module.zero_grad()
            module.requires_grad_(False)
            for name in names:
                getattr(module, name).requires_grad_()
            module(x, hx)[0].square().sum().backward()
        for (name, wanted), found in zip(theirs.named_parameters(), ours.parameters(), strict=True):
            assert (wanted.grad is None) == (found.grad is None) == (name not in names)
            if name in names:
                torch.testing.assert_close(found.grad, wanted.grad, rtol=1e-10, atol=1e-11)
