"""The native cell by itself: its sigmoid and tanh, its edges, and what it refuses."""

import numpy as np
import pytest
import torch
from torch import Tensor

from fastgan.ops import native
from fastgan.ops.lstm import reference

pytestmark = pytest.mark.skipif(native.why_not() is not None, reason=f"{native.why_not()}")
DTYPES = {"float32": torch.float32, "float64": torch.float64}
SETS = native.library().instruction_sets() if native.library() else []


@pytest.fixture(params=SETS)
def instructions(request):
    library = native.library()
    library.use_instruction_set(request.param)
    assert library.instruction_set() == request.param
    yield request.param
    library.use_instruction_set("auto")


def forward(gates: Tensor, c_prev: Tensor | None, *, keep: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    """One step of the cell into memory full of NaN: the gates, c, h."""
    gates = gates.clone()
    rows, hidden = gates.shape[0], gates.shape[1] // 4
    c, h = (torch.full((rows, hidden), torch.nan, dtype=gates.dtype) for _ in range(2))
    cell = getattr(native.library(), f"lstm_forward_{str(gates.dtype).removeprefix('torch.')}")
    cell(gates.data_ptr(), 0 if c_prev is None else c_prev.data_ptr(), c.data_ptr(), h.data_ptr(), rows, hidden, keep)
    return gates, c, h


def activations(x: Tensor) -> tuple[Tensor, Tensor]:
    """The cell's sigmoid and tanh of x [N], read off its gates."""
    gates, _, _ = forward(torch.cat((x, x, x, x))[None], None)
    i, f, g, o = gates[0].chunk(4)
    for other in (f, o):
        assert torch.equal(i, other) or i.isnan().any()
    return i, g


def units(got: Tensor, truth: np.ndarray) -> np.ndarray:
    """Errors in units of the last place of the truth."""
    own = got.numpy()
    return np.abs(own.astype(truth.dtype) - truth) / np.spacing(np.abs(truth).astype(own.dtype)).astype(truth.dtype)


@pytest.mark.parametrize("name", DTYPES)
def test_activations_within_their_bounds(instructions, name):
    wide = np.float64 if name == "float32" else np.longdouble
    if np.finfo(wide).eps >= np.finfo(name).eps:
        pytest.skip("this machine has no number format finer than float64")
    reach = 85 if name == "float32" else 700
    small = np.geomspace(np.finfo(name).tiny, 1, 20001)
    x = np.concatenate((np.linspace(-reach, reach, 200_003), np.linspace(-20, 20, 200_001), small, -small, [0.0]))
    x = x.astype(name)
    sigmoid, tanh = activations(torch.from_numpy(x))
    exact = x.astype(wide)
    assert units(sigmoid, 1 / (1 + np.exp(-exact))).max() <= 3
    with np.errstate(over="ignore"):
        assert units(tanh, np.tanh(exact)).max() <= 1.5


@pytest.mark.parametrize("name", DTYPES)
def test_activations_at_the_edges(instructions, name):
    x = torch.tensor([0.0, -0.0, torch.inf, -torch.inf, 1e30, -1e30, torch.nan], dtype=DTYPES[name])
    sigmoid, tanh = activations(x)
    below = 1e-37 if name == "float32" else 1e-307
    assert sigmoid[:3].tolist() == [0.5, 0.5, 1.0]
    assert sigmoid[4] == 1
    assert ((sigmoid[[3, 5]] >= 0) & (sigmoid[[3, 5]] < below)).all()
    assert tanh[:6].tolist() == [0, 0, 1, -1, 1, -1]
    assert torch.signbit(tanh[1])
    assert sigmoid[6].isnan()
    assert tanh[6].isnan()


@pytest.mark.parametrize("state", [False, True], ids=["zeros", "state"])
@pytest.mark.parametrize("hidden", [1, 7, 8, 17, 128])
@pytest.mark.parametrize("name", DTYPES)
def test_one_step_both_ways(instructions, name, hidden, state):
    dtype, rows = DTYPES[name], 3
    generator = torch.Generator().manual_seed(hidden)
    draws = [torch.randn(rows, hidden, generator=generator).to(dtype) for _ in range(3)]
    gates_x = torch.randn(1, rows, 4 * hidden, generator=generator).to(dtype)
    c0 = draws[0] if state else None
    h0 = torch.zeros_like(c0) if state else None
    w_hh = torch.zeros(4 * hidden, hidden, dtype=dtype)
    want = reference.forward(gates_x, w_hh, h0, c0)
    tolerance = {"rtol": 16 * torch.finfo(dtype).eps, "atol": 16 * torch.finfo(dtype).eps}
    gates, c, h = forward(gates_x[0], c0)
    for got, expected in ((gates, want.gates[0]), (c, want.c[0]), (h, want.h[0])):
        torch.testing.assert_close(got, expected, **tolerance)
    untouched, c_alone, h_alone = forward(gates_x[0], c0, keep=False)
    assert torch.equal(untouched, gates_x[0])
    assert torch.equal(c_alone, c)
    assert torch.equal(h_alone, h)

    dh, dc = draws[1], draws[2].clone()
    dgates = torch.full_like(gates, torch.nan)
    gradients = reference.backward(dh[None], dc.clone(), reference.Saved(h[None], c[None], gates[None]), w_hh, c0)
    run = getattr(native.library(), f"lstm_backward_{name}")
    at = [0 if tensor is None else tensor.data_ptr() for tensor in (gates, c0, c, dh, dc, dgates)]
    run(*at, rows, hidden)
    torch.testing.assert_close(dgates, gradients.gates[0], **tolerance)
    if state:
        torch.testing.assert_close(dc, gradients.c0, **tolerance)


@pytest.mark.parametrize("name", DTYPES)
def test_the_cell_state_may_be_overwritten(instructions, name):
    gates = torch.randn(2, 20, dtype=DTYPES[name])
    state = torch.randn(2, 5, dtype=DTYPES[name])
    _, c, h = forward(gates, state)
    h_own = torch.empty_like(h)
    cell = getattr(native.library(), f"lstm_forward_{name}")
    cell(gates.data_ptr(), state.data_ptr(), state.data_ptr(), h_own.data_ptr(), 2, 5, False)
    assert torch.equal(state, c)
    assert torch.equal(h_own, h)


def test_what_it_refuses():
    library = native.library()
    memory = torch.zeros(64)
    at = memory.data_ptr()
    with pytest.raises(ValueError, match="gates is null"):
        library.lstm_forward_float32(0, at, at, at, 1, 1, True)
    with pytest.raises(ValueError, match="h is null"):
        library.lstm_forward_float32(at, at, at, 0, 1, 1, True)
    with pytest.raises(ValueError, match="dgates is null"):
        library.lstm_backward_float32(at, at, at, at, at, 0, 1, 1)
    with pytest.raises(ValueError, match="c is not aligned"):
        library.lstm_forward_float64(at, at, at + 4, at, 1, 1, True)
    for rows, hidden in ((0, 1), (1, 0), (-1, 1)):
        with pytest.raises(ValueError, match="above 0"):
            library.lstm_forward_float32(at, at, at, at, rows, hidden, True)
    with pytest.raises(ValueError, match="no instruction set mmx"):
        library.use_instruction_set("mmx")
