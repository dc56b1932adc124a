"""Every backend against a float64 truth, with torch's own LSTM as the measure of what error is fair."""

import threading
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fastgan.ops.lstm import BACKENDS, cpp_cpu, lstm_layer, reference
from fastgan.ops.lstm.reference import Saved

ROWS = [row for row in BACKENDS if row.name in ("cpu", "reference")]
REASONS = {row.name: row.why_not_here() for row in ROWS}
ABLE = [
    pytest.param(row, id=row.name, marks=pytest.mark.skipif(bool(REASONS[row.name]), reason=str(REASONS[row.name])))
    for row in ROWS
]
NAMES = ("x", "w_ih", "w_hh", "bias", "h0", "c0")


@dataclass(frozen=True)
class Case:
    steps: int
    batch: int
    inputs: int
    hidden: int
    dtype: torch.dtype = torch.float32
    bias: bool = True
    states: bool = True
    reverse: bool = False

    def __str__(self) -> str:
        words = [f"T{self.steps}B{self.batch}I{self.inputs}H{self.hidden}", str(self.dtype).removeprefix("torch.")]
        words += [name for name in ("bias", "states", "reverse") if getattr(self, name)]
        return "-".join(words)

    def tensors(self, seed: int = 0) -> dict[str, Tensor]:
        """Inputs and weights as a trained net may have them, exact in float32."""
        generator = torch.Generator().manual_seed(seed)

        def draw(*shape: int, scale: float = 1.0) -> Tensor:
            return (torch.randn(*shape, generator=generator) * scale).to(self.dtype)

        scale = self.hidden**-0.5
        values = {
            "x": draw(self.steps, self.batch, self.inputs),
            "w_ih": draw(4 * self.hidden, self.inputs),
            "w_hh": draw(4 * self.hidden, self.hidden, scale=scale),
        }
        if self.bias:
            values["bias"] = draw(4 * self.hidden)
        if self.states:
            values |= {name: draw(self.batch, self.hidden) for name in ("h0", "c0")}
        return values


CASES = [
    Case(1, 3, 1, 17),
    Case(1, 3, 1, 17, states=False),
    Case(6, 3, 1, 128),
    Case(6, 32, 1, 128, states=False),
    Case(5, 1, 4, 1),
    Case(7, 5, 3, 17, reverse=True),
    Case(7, 5, 3, 17, bias=False, states=False, reverse=True),
    Case(40, 2, 8, 33),
    Case(6, 3, 1, 17, torch.float64),
    Case(9, 4, 5, 31, torch.float64, states=False, reverse=True),
]
# A few roundings of the largest value: below it an error says nothing about an implementation.
FLOORS = {dtype: 4 * torch.finfo(dtype).eps for dtype in (torch.float32, torch.float64)}


@pytest.fixture(autouse=True)
def memory_full_of_nan():
    """Torch fills new memory with NaN, so that an element nobody wrote shows."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    assert torch.utils.deterministic.fill_uninitialized_memory
    assert torch.empty(3).isnan().all()
    yield
    torch.use_deterministic_algorithms(before)


def run_ours(case: Case, backend: str, dtype: torch.dtype) -> dict[str, Tensor]:
    tensors = {name: value.to(dtype).requires_grad_() for name, value in case.tensors().items()}
    results = lstm_layer(**tensors, reverse=case.reverse, backend=backend)
    return collect(case, results, tensors)


def run_torch(case: Case) -> dict[str, Tensor]:
    tensors = {name: value.requires_grad_() for name, value in case.tensors().items()}
    weights = [tensors["w_ih"], tensors["w_hh"]]
    if case.bias:
        weights += [tensors["bias"], torch.zeros_like(tensors["bias"])]
    zeros = torch.zeros(case.batch, case.hidden, dtype=case.dtype)
    states = [tensors.get(name, zeros)[None] for name in ("h0", "c0")]
    x = tensors["x"].flip(0) if case.reverse else tensors["x"]
    h, h_n, c_n = torch.lstm(x, states, weights, case.bias, 1, 0.0, True, False, False)
    return collect(case, (h.flip(0) if case.reverse else h, h_n[0], c_n[0]), tensors)


def collect(case: Case, results: tuple[Tensor, Tensor, Tensor], tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Outputs and every gradient of a weighted sum of all outputs."""
    named = dict(zip(("h", "h_n", "c_n"), results, strict=True))
    generator = torch.Generator().manual_seed(1)
    loss = sum((torch.randn(value.shape, generator=generator).to(value.dtype) * value).sum() for value in results)
    gradients = torch.autograd.grad(loss, list(tensors.values()))
    named |= {f"d{name}": gradient for name, gradient in zip(tensors, gradients, strict=True)}
    return {name: value.detach() for name, value in named.items()}


def error(ours: Tensor, truth: Tensor) -> float:
    """The largest error over the largest value; NaN anywhere gives NaN, which no budget admits."""
    return ((ours.double() - truth).abs().max() / truth.abs().max().clamp_min(1e-30)).item()


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("backend", ABLE)
def test_no_worse_than_torch(backend, case):
    truth = run_ours(case, "reference", torch.float64)
    ours, fair = run_ours(case, backend.name, case.dtype), run_torch(case)
    assert ours.keys() == truth.keys() == fair.keys()
    for name, value in ours.items():
        assert value.dtype == case.dtype
        assert value.shape == truth[name].shape
        assert error(value, truth[name]) <= 2 * error(fair[name], truth[name]) + FLOORS[case.dtype], name


@pytest.mark.parametrize("backend", ABLE)
def test_inference_gives_what_training_gives(backend):
    case = Case(6, 3, 2, 17)
    tensors = case.tensors()
    with torch.no_grad():
        inference = lstm_layer(**tensors, backend=backend.name)
    training = lstm_layer(**{name: value.requires_grad_() for name, value in tensors.items()}, backend=backend.name)
    for one, other in zip(inference, training, strict=True):
        assert not one.requires_grad
        assert torch.equal(one, other)


def arguments(case: Case) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """What backends take: gates_x, w_hh, h0, c0."""
    values = case.tensors()
    gates = torch.nn.functional.linear(values["x"], values["w_ih"], values.get("bias"))
    return gates, values["w_hh"], values.get("h0"), values.get("c0")


@pytest.mark.parametrize("reverse", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("states", [False, True], ids=["zeros", "states"])
@pytest.mark.parametrize("reader", ABLE)
@pytest.mark.parametrize("writer", ABLE)
def test_any_backward_reads_what_any_forward_saved(writer, reader, states, reverse):
    case = Case(5, 3, 2, 17, torch.float64, states=states)
    gates, w_hh, h0, c0 = arguments(case)
    want = reference.forward(gates.clone(), w_hh, h0, c0, reverse=reverse)
    saved = writer.forward(gates.clone(), w_hh, h0, c0, reverse=reverse)
    for name in Saved._fields:
        torch.testing.assert_close(getattr(saved, name), getattr(want, name), rtol=1e-13, atol=1e-14)
    before = [tensor.clone() for tensor in saved]
    for dh, dc in (
        (torch.randn_like(saved.h), torch.randn_like(saved.c[0])),
        (torch.randn_like(saved.h), None),
        (None, saved.c[0]),
    ):
        got = reader.backward(dh, dc, saved, w_hh, c0, reverse=reverse)
        expected = torch_gradients(gates, w_hh, h0, c0, dh, dc, reverse)
        for name, one, other in zip(got._fields, got, expected, strict=True):
            assert (one is None) == (other is None), name
            if one is not None:
                torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-13, msg=name)
    assert all(torch.equal(one, other) for one, other in zip(saved, before, strict=True))  # nothing was overwritten


def torch_gradients(gates, w_hh, h0, c0, dh, dc, reverse):
    """The gradients of the definition as torch differentiates it."""
    given_tensors = [gates, *(state for state in (h0, c0) if state is not None)]
    leaves = [tensor.clone().requires_grad_() for tensor in given_tensors]
    states = leaves[1:] or [None, None]
    saved = reference.forward(leaves[0], w_hh, *states, reverse=reverse)
    loss = sum((a * b).sum() for a, b in ((saved.h, dh), (saved.c[0 if reverse else -1], dc)) if b is not None)
    found = torch.autograd.grad(loss, leaves)
    return [*found, *[None] * (3 - len(found))]


@pytest.mark.skipif(bool(REASONS["cpu"]), reason=str(REASONS["cpu"]))
@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.integers(1, 6),
    st.integers(1, 9),
    st.integers(1, 5),
    st.integers(1, 40),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_any_size(steps, batch, inputs, hidden, bias, states, reverse):
    case = Case(steps, batch, inputs, hidden, torch.float64, bias, states, reverse)
    ours, truth = (run_ours(case, name, torch.float64) for name in ("cpu", "reference"))
    for name, value in ours.items():
        torch.testing.assert_close(value, truth[name], rtol=1e-10, atol=1e-11, msg=name)


@pytest.mark.skipif(bool(REASONS["cpu"]), reason=str(REASONS["cpu"]))
@pytest.mark.parametrize("keep", [False, True])
def test_nothing_is_kept_for_inference(keep):
    gates, w_hh, h0, c0 = arguments(Case(4, 2, 3, 5))
    saved = cpp_cpu.forward(gates, w_hh, h0, c0, keep=keep)
    assert (saved.gates is not None) == keep
    assert len(saved.c) == (4 if keep else 1)


@pytest.mark.parametrize("backend", ABLE)
def test_same_bits_every_time_and_in_every_thread(backend):
    case = Case(6, 5, 3, 33)
    first = run_ours(case, backend.name, case.dtype)
    others: list[dict[str, Tensor]] = [run_ours(case, backend.name, case.dtype)]
    threads = [
        threading.Thread(target=lambda: others.append(run_ours(case, backend.name, case.dtype))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(others) == 5
    for other in others:
        assert all(torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("backend", ABLE)
def test_number_of_threads_does_not_matter(backend):
    case = Case(4, 33, 3, 64)
    truth = run_ours(case, "reference", torch.float64)
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            ours, fair = run_ours(case, backend.name, case.dtype), run_torch(case)
            for name, value in ours.items():
                assert error(value, truth[name]) <= 2 * error(fair[name], truth[name]) + FLOORS[case.dtype], name
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("backend", ABLE)
def test_memory_of_any_layout(backend):
    case = Case(4, 3, 5, 6, torch.float64)
    tensors = case.tensors()
    want = lstm_layer(**tensors, backend=backend.name)
    strided = {name: torch.stack((value, value), dim=-1)[..., 0] for name, value in tensors.items()}
    strided["x"] = tensors["x"].transpose(0, 1).contiguous().transpose(0, 1)
    strided = {name: value.requires_grad_() for name, value in strided.items()}
    got = lstm_layer(**strided, backend=backend.name)
    for one, other in zip(got, want, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-13, atol=1e-14)
    dense = {name: value.clone().requires_grad_() for name, value in tensors.items()}
    expected = torch.autograd.grad(lstm_layer(**dense, backend="reference")[0].sum(), list(dense.values()))
    found = torch.autograd.grad(got[0].sum(), list(strided.values()))  # the gradient of a sum has strides of 0
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-13)


def test_arguments_are_not_written_to():
    tensors = Case(4, 3, 1, 6).tensors()
    before = {name: value.clone() for name, value in tensors.items()}
    lstm_layer(**tensors)
    assert all(torch.equal(tensors[name], before[name]) for name in NAMES)
