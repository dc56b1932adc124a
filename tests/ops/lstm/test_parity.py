"""Every backend against a float64 truth, with torch's own LSTM as the measure of what error is fair."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fastgan.ops.lstm import Stack, cpp_cpu, lstm, reference
from fastgan.ops.lstm.stack import Gradients
from tests.ops.lstm.cases import (
    ABLE,
    ROWS,
    Case,
    assert_fair,
    leaves_of,
    names_of,
    needs_cpu,
    run_ours,
    run_torch,
    seeds_for,
    with_leaves,
)

F64 = torch.float64
PACKED = Case(11, 6, 3, 33, layers=2, states=True, dropout=True, lengths=(11, 11, 8, 3, 1, 1))
DROPPED = Case(7, 5, 3, 17, layers=3, directions=2, states=True, dropout=True)
DOUBLE = Case(9, 4, 5, 31, F64, layers=2, directions=2, states=True, dropout=True)
PROJECTED = Case(9, 97, 4, 40, projected=33, states=True)
CASES = [
    Case(1, 1, 1, 1),
    Case(1, 3, 1, 17),
    Case(1, 3, 1, 17, states=True, layers=2),
    Case(6, 3, 1, 128, layers=2),
    Case(6, 32, 1, 128, biases=1, states=True),
    Case(5, 1, 4, 1, biases=0, states=True),
    DROPPED,
    Case(40, 2, 8, 33, layers=2, dropout=True),
    Case(200, 1, 5, 31),
    Case(3, 130, 70, 7, layers=2, states=True),
    Case(4, 129, 2, 129, directions=2),
    Case(6, 512, 1, 128, layers=2),
    Case(6, 13, 3, 31, projected=9, layers=2, directions=2, states=True, dropout=True),
    PROJECTED,
    PACKED,
    Case(5, 4, 2, 128, directions=2, layers=2, lengths=(5, 5, 3, 2)),
    Case(7, 3, 6, 17, projected=5, directions=2, layers=3, states=True, dropout=True, lengths=(7, 4, 1)),
    Case(1, 2, 3, 8, lengths=(1, 1), states=True),
    Case(6, 3, 1, 17, F64),
    DOUBLE,
    Case(5, 3, 70, 33, F64, projected=7, lengths=(5, 2, 2), states=True),
]


@pytest.fixture(autouse=True)
def memory_full_of_nan():
    """Torch fills new memory with NaN, so that an element nobody wrote shows."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    assert torch.utils.deterministic.fill_uninitialized_memory
    assert torch.empty(3).isnan().all()
    yield
    torch.use_deterministic_algorithms(before)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("backend", ABLE)
@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_no_worse_than_torch(backend, case):
    assert_fair(run_ours(case, backend), run_torch(case), run_ours(case, "reference", F64))


@pytest.mark.parametrize(
    "case", [Case(6, 7, 3, 33, layers=2, directions=2, states=True), PACKED, PROJECTED, DOUBLE], ids=str
)
def test_no_worse_with_any_instructions(instructions, case):
    assert_fair(run_ours(case, "cpu"), run_torch(case), run_ours(case, "reference", F64))


@pytest.mark.parametrize(
    "case",
    [Case(3, 7, 3, 64, layers=2, states=True), Case(4, 100, 3, 65, directions=2, layers=2), CASES[4], PACKED],
    ids=str,
)
@pytest.mark.parametrize("backend", ABLE)
def test_number_of_threads_does_not_matter(backend, case, any_threads):
    truth, fair = run_ours(case, "reference", F64), run_torch(case)
    for threads in (1, 2, 3):
        any_threads(threads)
        assert_fair(run_ours(case, backend), fair, truth)


SIZES = st.tuples(st.integers(1, 7), st.integers(1, 9), st.integers(1, 5), st.integers(1, 40))


@needs_cpu
@settings(max_examples=60, deadline=None, derandomize=True)
@given(SIZES, st.integers(1, 3), st.integers(1, 2), st.integers(0, 6), st.integers(0, 2), st.data())
def test_any_size(sizes, layers, directions, projected, biases, data):
    steps, batch, inputs, hidden = sizes
    lengths = ()
    if data.draw(st.booleans()):
        lengths = (steps, *sorted(data.draw(st.lists(st.integers(1, steps), max_size=6)), reverse=True))
        batch = len(lengths)
    states, dropout = data.draw(st.booleans()), data.draw(st.booleans())
    projected = min(projected, hidden - 1)
    case = Case(steps, batch, inputs, hidden, F64, layers, directions, projected, biases, states, dropout, lengths)
    ours, truth = (run_ours(case, name) for name in ("cpu", "reference"))
    for name, value in ours.items():
        torch.testing.assert_close(value, truth[name], rtol=1e-10, atol=1e-11, msg=f"{case} {name}")


@pytest.mark.parametrize("case", [DROPPED, PACKED, Case(6, 3, 2, 17)], ids=str)
@pytest.mark.parametrize("backend", ABLE)
def test_inference_gives_what_training_gives(backend, case):
    with torch.no_grad():
        inference = lstm(case.stack(grad=True), backend=backend)
    for one, other in zip(inference, lstm(case.stack(grad=True), backend=backend), strict=True):
        assert not one.requires_grad
        assert torch.equal(one, other)


EXCHANGED = [
    Case(5, 3, 2, 17, F64),
    Case(5, 3, 2, 9, F64, layers=3, directions=2, states=True, dropout=True),
    Case(4, 3, 2, 9, F64, layers=2, projected=4, states=True, dropout=True, lengths=(4, 2, 1)),
    Case(5, 4, 3, 6, F64, directions=2, biases=1, lengths=(5, 5, 2, 1)),
    Case(1, 2, 3, 5, F64, layers=2, biases=0, states=True),
]


@pytest.mark.parametrize("case", EXCHANGED, ids=str)
@pytest.mark.parametrize("reader", ABLE)
@pytest.mark.parametrize("writer", ABLE)
def test_any_backward_reads_what_any_forward_left(writer, reader, case):
    stack = case.stack()
    want, trace = reference.forward(stack, True), ROWS[writer].forward(stack, True)
    for name, one, other in zip(trace._fields, trace, want, strict=True):
        assert (one is None) == (other is None), name
        if one is not None:
            torch.testing.assert_close(one, other, rtol=1e-13, atol=1e-14, msg=name)
    before = [None if tensor is None else tensor.clone() for tensor in (*trace, *stack.tensors())]
    output, h_n, c_n = seeds_for(trace[:3])
    everything = [name != "masks" for name in names_of(stack)]
    for d_outputs in ((output, h_n, c_n), (output, None, None), (None, h_n, None), (None, None, c_n)):
        found = ROWS[reader].backward(stack, trace, *d_outputs, everything)
        assert_gradients(found, stack, d_outputs, everything)
    few = [k % 3 == 1 and want for k, want in enumerate(everything)]
    assert_gradients(ROWS[reader].backward(stack, trace, output, h_n, c_n, few), stack, (output, h_n, c_n), few)
    for one, other in zip((*trace, *stack.tensors()), before, strict=True):
        assert one is other is None or torch.equal(one, other)  # nothing was written to


def assert_gradients(found: Gradients, stack: Stack, d_outputs, wanted) -> None:
    """Those of the definition as torch differentiates it, and None where nothing was wanted."""
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in leaves_of(stack).items()}
    outputs = reference.run(with_leaves(stack, list(leaves.values())))
    pairs = [(value, seed) for value, seed in zip(outputs, d_outputs, strict=True) if seed is not None]
    values, seeds = zip(*pairs, strict=True)
    gradients = torch.autograd.grad(values, list(leaves.values()), seeds, allow_unused=True)
    expected = dict(zip(leaves, gradients, strict=True))
    got = (found.x, found.h0, found.c0, None, *found.weights)
    for name, one, want in zip(names_of(stack), got, wanted, strict=True):
        if not want or name not in leaves:
            assert one is None, name
        else:
            other = torch.zeros_like(leaves[name]) if expected[name] is None else expected[name]
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-13, msg=name)


@needs_cpu
@pytest.mark.parametrize("keep", [False, True])
def test_nothing_is_kept_for_inference(keep):
    plain = cpp_cpu.forward(Case(4, 2, 3, 5, layers=2).stack(), keep)
    assert (plain.gates is not None) == (plain.cells is not None) == (plain.inner is not None) == keep
    assert plain.dropped is None
    dropping = cpp_cpu.forward(Case(4, 2, 3, 5, layers=2, dropout=True).stack(), keep)
    assert (dropping.gates is not None) == keep
    assert dropping.dropped is not None


@pytest.mark.parametrize("backend", ABLE)
def test_memory_of_any_layout(backend):
    stack = Case(4, 3, 5, 6, F64, layers=2, projected=3, states=True, dropout=True).stack()
    want = lstm(stack, backend=backend)
    strided = {name: torch.stack((value, value), dim=-1)[..., 0] for name, value in leaves_of(stack).items()}
    strided["x"] = stack.x.transpose(0, 1).contiguous().transpose(0, 1)
    leaves = [value.requires_grad_() for value in strided.values()]
    assert not any(leaf.is_contiguous() for leaf in leaves)
    masks = stack.masks.transpose(1, 2).contiguous().transpose(1, 2)
    got = lstm(with_leaves(stack, leaves)._replace(masks=masks), backend=backend)
    for one, other in zip(got, want, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-13, atol=1e-14)
    dense = [value.clone().requires_grad_() for value in leaves_of(stack).values()]
    expected = torch.autograd.grad(lstm(with_leaves(stack, dense), backend="reference")[0].sum(), dense)
    found = torch.autograd.grad(got[0].sum(), leaves)  # the gradient of a sum has strides of 0
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-13)


@needs_cpu
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_memory_aligned_to_no_more_than_an_element(dtype):
    def shifted(tensor: Tensor) -> Tensor:
        room = torch.zeros(tensor.numel() + 1, dtype=dtype)
        room[1:] = tensor.flatten()
        assert room[1:].data_ptr() % 16 != 0
        return room[1:].view(tensor.shape)

    stack = Case(5, 7, 3, 18, dtype, layers=2, directions=2, states=True, dropout=True).stack()
    moved = stack.with_tensors([None if tensor is None else shifted(tensor) for tensor in stack.tensors()])
    want, got = (cpp_cpu.forward(one, True) for one in (stack, moved))
    for one, other in zip(got, want, strict=True):
        assert torch.equal(one, other)
    everything = [name != "masks" for name in names_of(stack)]
    seeds = seeds_for(want[:3])
    trace = type(want)(*(shifted(tensor) for tensor in want))
    expected = cpp_cpu.backward(stack, want, *seeds, everything)
    found = cpp_cpu.backward(moved, trace, *map(shifted, seeds), everything)
    for one, other in zip((*found[:3], *found.weights), (*expected[:3], *expected.weights), strict=True):
        assert one is other is None or torch.equal(one, other)


def test_arguments_are_not_written_to():
    stack = Case(4, 3, 1, 6, layers=2, states=True, dropout=True).stack()
    before = [None if tensor is None else tensor.clone() for tensor in stack.tensors()]
    lstm(stack)
    for one, other in zip(stack.tensors(), before, strict=True):
        assert one is other is None or torch.equal(one, other)


WRONG = {
    "weights": (lambda s: s._replace(weights=s.weights[:-1]), "weights has 9 entries, needs five"),
    "no steps": (lambda s: s._replace(x=s.x[:0]), "at least one step"),
    "dimensions": (lambda s: s._replace(x=s.x[0]), "needs 3 dimensions"),
    "inputs": (lambda s: s._replace(x=s.x[..., :2]), r"w_ih of place 0 has shape \(20, 3\), needs \(20, 2\)"),
    "dtype": (lambda s: s._replace(h0=s.h0.double()), "h0 is torch.float64, x is torch.float32"),
    "one state": (lambda s: s._replace(c0=None), "h0 and c0 go together"),
    "state": (lambda s: s._replace(c0=s.c0[:1]), r"c0 has shape \(1, 2, 5\), needs \(2, 2, 5\)"),
    "masks": (lambda s: s._replace(masks=s.masks[:, 1:]), "masks has shape"),
    "no matrix": (lambda s: s._replace(weights=(*s.weights[:6], None, *s.weights[7:])), "w_hh of place 1"),
    "no first matrix": (lambda s: s._replace(weights=(None, *s.weights[1:])), "w_ih and w_hh of place 0"),
    "growing": (lambda s: s._replace(x=s.x[:, 0], batch_sizes=(2, 1, 1), h0=None, c0=None, masks=None), None),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_refused(name):
    change, says = WRONG[name]
    stack = change(Case(4, 2, 3, 5, layers=2, states=True, dropout=True).stack())
    if says is None:
        assert lstm(stack)[0].shape == (4, 5)
        for sizes in ((2, 1), (1, 2, 1), (2, 2, 0)):
            with pytest.raises(ValueError, match="batch_sizes has to"):
                lstm(stack._replace(batch_sizes=sizes))
    else:
        with pytest.raises(ValueError, match=says):
            lstm(stack)
