"""The native library by itself: its sigmoid and tanh, the edges of memory, and what its bindings refuse."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.ops.lstm.cases import LIBRARY, needs_cpu

pytestmark = needs_cpu
DTYPES = {"float32": torch.float32, "float64": torch.float64}


def activations(x: Tensor) -> tuple[Tensor, Tensor]:
    """The kernels' sigmoid and tanh of x [N], in memory full of NaN."""
    name = f"lstm_activations_{str(x.dtype).removeprefix('torch.')}"
    sigmoid, tanh = (torch.full_like(x, torch.nan) for _ in range(2))
    getattr(LIBRARY, name)(x.data_ptr(), sigmoid.data_ptr(), tanh.data_ptr(), len(x))
    return sigmoid, tanh


def units(got: Tensor, truth: np.ndarray) -> np.ndarray:
    """Errors in units of the last place of the truth."""
    own = got.numpy()
    return np.abs(own.astype(truth.dtype) - truth) / np.spacing(np.abs(truth).astype(own.dtype)).astype(truth.dtype)


@pytest.mark.parametrize("name", DTYPES)
def test_activations_within_their_bounds(instructions, name):
    wide = np.float64 if name == "float32" else np.longdouble
    if np.finfo(wide).eps >= np.finfo(name).eps:
        pytest.skip("this machine has no number format finer than float64")
    reach, least = (85, 1e-37) if name == "float32" else (706, 1e-307)
    small = np.geomspace(np.finfo(name).tiny, 1, 20001)
    x = np.concatenate((np.linspace(-reach, reach, 200_003), np.linspace(-20, 20, 200_001), small, -small, [0.0]))
    x = x.astype(name)
    sigmoid, tanh = activations(torch.from_numpy(x))
    exact = x.astype(wide)
    truth = 1 / (1 + np.exp(-exact))
    assert truth.min() > least
    assert units(sigmoid, truth).max() <= 3
    with np.errstate(over="ignore"):
        assert units(tanh, np.tanh(exact)).max() <= 3


@pytest.mark.parametrize("name", DTYPES)
def test_activations_at_the_edges(instructions, name):
    x = torch.tensor([0.0, -0.0, torch.inf, -torch.inf, 1e30, -1e30, torch.nan], dtype=DTYPES[name])
    sigmoid, tanh = activations(x)
    below = 1e-37 if name == "float32" else 1e-307
    assert sigmoid[:3].tolist() == [0.5, 0.5, 1.0]
    assert sigmoid[4] == 1
    assert ((sigmoid[[3, 5]] >= 0) & (sigmoid[[3, 5]] < below)).all()
    assert tanh[:6].tolist() == [0, 0, 1, -1, 1, -1]
    assert sigmoid[6].isnan()
    assert tanh[6].isnan()


@pytest.mark.parametrize("name", DTYPES)
def test_activations_of_any_count(instructions, name):
    x = torch.randn(40, dtype=DTYPES[name])
    want = activations(x)
    for count in range(1, 40):
        got = activations(x[:count].clone())
        assert all(torch.equal(one, other[:count]) for one, other in zip(got, want, strict=True))


GUARDED = """
    import ctypes, mmap, torch
    from fastgan.ops.lstm import cpp_cpu
    from fastgan.ops import native
    from fastgan.ops.lstm.stack import Gradients
    from tests.ops.lstm.cases import Case, names_of, seeds_for

    libc, maps = ctypes.CDLL(None, use_errno=True), []
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]

    def at_the_edge(tensor):
        "A copy whose last byte is the last one of its page, before a page that nobody may touch."
        if tensor is None:
            return None
        size = tensor.numel() * tensor.element_size()
        pages = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        memory = mmap.mmap(-1, pages + mmap.PAGESIZE)
        maps.append(memory)
        start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        assert libc.mprotect(start + pages, mmap.PAGESIZE, 0) == 0, ctypes.get_errno()
        copy = torch.frombuffer(memory, dtype=tensor.dtype, count=tensor.numel(), offset=pages - size)
        copy = copy.view(tensor.shape)
        return copy.copy_(tensor)

    def new_trace(stack, keep, lend=None):
        return type(plain)(*map(at_the_edge, plain_trace(stack, keep)))

    plain_trace, empty_like = cpp_cpu.new_trace, torch.empty_like
    crash = at_the_edge(torch.zeros(3))
    for instructions in native.library().instruction_sets():
        native.library().use_instruction_set(instructions)
        for hidden in (1, 7, 17, 33):
            for dtype in (torch.float32, torch.float64):
                for options in OPTIONS + [{"states": True, "steps": 1}]:
                    options = dict(options)
                    steps = options.pop("steps", 4)
                    case = Case(steps, 5 if steps > 1 else 2, 3, hidden, dtype, **options)
                    stack = case.stack()
                    plain = cpp_cpu.forward(stack, True)
                    everything = [name != "masks" for name in names_of(stack)]
                    seeds = seeds_for(plain[:3])
                    edged = stack.with_tensors(list(map(at_the_edge, stack.tensors())))
                    cpp_cpu.new_trace = new_trace
                    for keep in (True, False):
                        trace = cpp_cpu.forward(edged, keep)
                        assert all(torch.equal(a, b) for a, b in zip(trace[:3], plain[:3]))
                    cpp_cpu.new_trace = plain_trace
                    expected = cpp_cpu.backward(stack, plain, *seeds, everything)
                    edged_trace = type(plain)(*map(at_the_edge, plain))
                    cpp_cpu.torch.empty_like = lambda tensor: at_the_edge(empty_like(tensor))
                    edged_seeds = list(map(at_the_edge, seeds))
                    found = cpp_cpu.backward(edged, edged_trace, *edged_seeds, everything)
                    if not case.projected:
                        cpp_cpu.second(edged, edged_trace, *edged_seeds, found, everything)
                    cpp_cpu.torch.empty_like = empty_like
                    for a, b in zip((*found[:3], *found.weights), (*expected[:3], *expected.weights)):
                        assert a is b is None or torch.equal(a, b)
    print("passed")
    if REACH:
        ctypes.c_float.from_address(crash.data_ptr() + 12).value
        print("not reached")
"""
OPTIONS = [
    {"layers": 2, "directions": 2, "states": True, "dropout": True},
    {"biases": 1},
    {"layers": 2, "states": True, "dropout": True, "lengths": (4, 4, 2, 1, 1)},
]


def run_guarded(options: list[dict[str, object]], reach: bool) -> subprocess.CompletedProcess[str]:
    code = f"OPTIONS = {options}\nREACH = {reach}\n" + textwrap.dedent(GUARDED)
    return subprocess.run([sys.executable, "-c", code], timeout=120, capture_output=True, text=True, check=False)


@pytest.mark.skipif(sys.platform != "linux", reason="page protection is tested on Linux alone")
@pytest.mark.parametrize("projected", [False, True], ids=["plain", "projected"])
def test_nothing_is_read_or_written_beyond_the_end(projected):
    options = [{**OPTIONS[0], "projected": 5}] if projected else OPTIONS
    if projected:
        options[0].pop("directions")
    done = run_guarded(options, reach=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "passed\n"


@pytest.mark.skipif(sys.platform != "linux", reason="page protection is tested on Linux alone")
def test_the_guard_would_notice():
    done = run_guarded([], reach=True)
    assert done.returncode < 0
    assert "not reached" not in done.stdout


MEMORY = torch.zeros(4096)
AT = MEMORY.data_ptr()
FINE = {
    "sizes": (2, 1, 1, 2, 0, 1, 1),
    "batch_sizes": (),
    "weights": [AT, AT, 0, 0, 0],
    "x": AT,
    "h0": 0,
    "c0": 0,
    "masks": 0,
    "trace": (AT, 0, 0, AT, AT),
    "h_n": AT,
    "c_n": AT,
    "threads": 1,
}
SIZES = ("steps", "batch", "inputs", "hidden", "projected", "layers", "directions")
REFUSED = [
    ({"x": 0}, "x is null"),
    ({"x": AT + 2}, "x is not aligned"),
    ({"h0": AT + 1}, "h0 is not aligned"),
    ({"c0": AT + 3}, "c0 is not aligned"),
    ({"masks": AT + 2}, "masks is not aligned"),
    ({"h_n": 0}, "h_n is null"),
    ({"c_n": 0}, "c_n is null"),
    ({"c_n": AT + 2}, "c_n is not aligned"),
    ({"trace": (0, 0, 0, AT, AT)}, "output is null"),
    ({"trace": (AT, 0, 0, AT, AT + 1)}, "gates is not aligned"),
    ({"weights": [0, AT, 0, 0, 0]}, "w_ih is null"),
    ({"weights": [AT, 0, 0, 0, 0]}, "w_hh is null"),
    ({"weights": [AT, AT, AT + 2, 0, 0]}, "b_ih is not aligned"),
    ({"weights": [AT, AT, 0, 0]}, "five addresses for each place"),
    ({"sizes": (2, 1, 1, 2, 1, 1, 1)}, "w_hr is null"),
    ({"batch_sizes": (1,)}, "one number for each step"),
    ({"batch_sizes": (2, 1)}, "one number for each step"),
    ({"sizes": (2, 2, 1, 2, 0, 1, 1), "batch_sizes": (2, 3)}, "never grow"),
    ({"batch_sizes": (1, 0)}, "above 0 and never grow"),
]
REFUSED += [
    (
        {"sizes": tuple(bad if name == wrong else size for name, size in zip(SIZES, FINE["sizes"], strict=True))},
        "above 0",
    )
    for wrong in SIZES
    for bad in ((-1,) if wrong == "projected" else (0, -1, 3) if wrong == "directions" else (0, -1))
]


def call(kernel: str, **changes: object) -> None:
    given = {**FINE, **changes}
    common = [given[name] for name in ("sizes", "batch_sizes", "weights", "x", "h0", "c0", "masks", "trace")]
    if kernel.startswith("lstm_forward"):
        getattr(LIBRARY, kernel)(*common, given["h_n"], given["c_n"], given["threads"])
    else:
        getattr(LIBRARY, kernel)(*common, 0, 0, 0, 0, 0, 0, [0] * len(given["weights"]), given["threads"])


def test_what_is_fine_runs():
    call("lstm_forward_float32")
    call("lstm_backward_float32")


@pytest.mark.parametrize(("changes", "says"), REFUSED, ids=[f"{n} {says}" for n, (_, says) in enumerate(REFUSED)])
def test_what_it_refuses(changes, says):
    with pytest.raises(ValueError, match=says):
        call("lstm_forward_float32", **changes)
    if not changes.keys() & {"h_n", "c_n"}:
        with pytest.raises(ValueError, match=says):
            call("lstm_backward_float32", **changes)


def test_backward_needs_what_was_kept():
    for trace, says in (((AT, 0, 0, 0, AT), "cells is null"), ((AT, 0, 0, AT, 0), "gates is null")):
        with pytest.raises(ValueError, match=says):
            call("lstm_backward_float32", trace=trace)


def test_doubles_have_their_own_alignment():
    for kernel in ("lstm_forward_float64", "lstm_backward_float64"):
        with pytest.raises(ValueError, match="x is not aligned"):
            call(kernel, x=AT + 4)


def test_an_unknown_instruction_set_is_refused():
    with pytest.raises(ValueError, match="no instruction set mmx"):
        LIBRARY.use_instruction_set("mmx")
