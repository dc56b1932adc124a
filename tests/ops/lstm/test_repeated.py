"""A call that is made many times gives, bit for bit, what calls of their own give."""

from itertools import cycle, islice

import pytest
import torch
from torch import Tensor

from fastgan.ops.lstm import Stack, repeated
from tests.ops.lstm.cases import ABLE, ROWS, Case, seeds_for

CASES = [
    Case(6, 3, 1, 17, layers=2, biases=1),
    Case(4, 5, 3, 8, torch.float64, layers=2, directions=2, states=True, dropout=True),
    Case(5, 4, 2, 9, projected=4, biases=0),
    Case(7, 3, 2, 6, lengths=(7, 4, 1)),
]


def assert_same(found: tuple[Tensor | None, ...], wanted: tuple[Tensor | None, ...]) -> None:
    for one, other in zip(found, wanted, strict=True):
        assert (one is None) == (other is None)
        assert one is None or other is None or torch.equal(one, other)


@pytest.mark.parametrize("backend", ABLE)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_as_calls_of_their_own(backend, case):
    stack, row = case.stack(), ROWS[backend]
    again = repeated(stack, backend)
    of_all = [tensor is not None for tensor in stack.tensors()]
    of_all[3] = False  # masks
    of_x = [True] + [False] * (len(of_all) - 1)
    of_weights = [False] * 4 + of_all[4:]
    for number, wanted in enumerate(islice(cycle((of_all, of_x, of_weights)), 7)):
        x = torch.randn(stack.x.shape, generator=torch.Generator().manual_seed(number), dtype=stack.x.dtype)
        for weight in stack.weights:
            if weight is not None:
                weight.mul_(0.99)  # as an optimiser does, in place
        alone: Stack = stack._replace(x=x, layout=again.stack.layout)
        trace = row.forward(alone, True)
        assert_same(again.forward(x), trace)
        d_output, d_h_n = seeds_for((trace.output, trace.h_n), number)
        given = [(d_output, None), (None, d_h_n), (d_output, d_h_n)][number % 3]
        found, own = again.backward(*given, wanted), row.backward(alone, trace, *given, None, wanted)
        assert_same((*found[:3], *found.weights), (*own[:3], *own.weights))


def test_what_does_not_fit_is_refused_as_in_any_call():
    stack = CASES[0].stack()
    with pytest.raises(ValueError, match="w_hh"):
        repeated(stack._replace(weights=(stack.weights[0], torch.zeros(3, 3), *stack.weights[2:])))
    with pytest.raises(RuntimeError, match="cannot run this"):
        repeated(
            stack._replace(x=stack.x.half(), weights=tuple(w if w is None else w.half() for w in stack.weights)), "cpu"
        )
