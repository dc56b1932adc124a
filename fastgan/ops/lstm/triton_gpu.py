"""Backend "triton": kernels in Triton, for Nvidia GPUs; in Triton's interpreter (TRITON_INTERPRET=1) also for the processor.

Precision: sums, states between steps and gates are float32 in the kernel. Products of float32 run as TF32 where torch's own
LSTM may (`torch.backends.cudnn.allow_tf32`, on by default), else as three TF32 products, whose sum is about as exact as
float32. What is one product over all steps (gradients of weights and of x) is torch's.
"""

import contextlib
import functools
import importlib
import importlib.util
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fastgan.ops.lstm import products, weights_gpu
from fastgan.ops.lstm.products import previous
from fastgan.ops.lstm.second import Moved, Place, second_by
from fastgan.ops.lstm.stack import Gradients, Stack, Trace, layout_of, new_trace, offsets_from, offsets_of
from fastgan.ops.registry import Backend, Problem

_DTYPES = (torch.float32, torch.bfloat16, torch.float16)
_THIN = 8  # inputs that are added one by one


def interpreted() -> bool:
    """Whether Triton's kernels run in its interpreter, which takes tensors of the processor."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def why_not(problem: Problem) -> str | None:
    """Every reason why this backend cannot run a problem, or None."""
    reasons = problem.beyond("cpu" if interpreted() else "cuda", _DTYPES)
    if problem.hidden * max(problem.inputs, 2 * problem.hidden) >= 2**31:
        reasons.append("weights of 2^31 numbers a gate")
    absent = why_not_here()
    if absent is not None:
        reasons.append(absent)
    return "; ".join(reasons) or None


def why_not_here() -> str | None:
    """Why no kernel runs on this machine, or None."""
    if importlib.util.find_spec("triton") is None:
        return "Triton is not installed (pip install 'fastgan[gpu]')"
    if interpreted():
        return None
    if not torch.cuda.is_available():
        return "no GPU that torch can use (TRITON_INTERPRET=1 runs the kernels slowly on the processor)"
    major, minor = torch.cuda.get_device_capability()
    return None if major >= 8 else f"a GPU of compute capability {major}.{minor} (it takes 8.0 and above)"


def forward(stack: Stack, keep: bool = True) -> Trace:
    """As `reference.forward`."""
    stack = _dense(stack)
    trace = new_trace(stack, keep)
    _, batch, inputs, hidden, _, layers, directions = layout_of(stack).sizes
    inner = trace.inner
    if inner is None and layers > 1:
        inner = stack.x.new_empty(layout_of(stack).shapes.inner)
    tile = tile_of(hidden, batch, stack.x.dtype)
    weights, rows, offsets = _by_part(stack), _counts(stack), offsets_of(stack)
    state = stack.x.new_empty((directions, batch, hidden), dtype=torch.float32)
    for first, last in _launches(layers, directions):
        _run(
            kernels("triton_kernels").forward,
            _grid(batch, tile, directions),
            stack.x,
            stack.h0,
            stack.c0,
            stack.masks,
            *weights,
            trace.output,
            trace.h_n,
            trace.c_n,
            inner,
            trace.dropped,
            trace.cells,
            trace.gates,
            state,
            offsets,
            *rows,
            inputs,
            H=hidden,
            LAYERS=layers,
            DIRECTIONS=directions,
            FIRST=first,
            LAST=last,
            THIN=inputs <= _THIN,
            **tile.options(),
        )
    return trace


def backward(
    stack: Stack,
    trace: Trace,
    d_output: Tensor | None,
    d_h_n: Tensor | None,
    d_c_n: Tensor | None,
    wanted: Sequence[bool],
) -> Gradients:
    """As `reference.backward`."""
    stack = _dense(stack)
    d_output, d_h_n, d_c_n = (None if tensor is None else tensor.contiguous() for tensor in (d_output, d_h_n, d_c_n))
    _, batch, _, hidden, _, layers, directions = layout_of(stack).sizes
    shapes = layout_of(stack).shapes
    new = stack.x.new_empty
    d_gates, d_inner = new(shapes.gates), new(shapes.inner) if layers > 1 else None
    states = (wanted[1] or wanted[2]) and stack.h0 is not None
    d_h0, d_c0 = (new(shapes.h_n), new(shapes.c_n)) if states else (None, None)
    tile = tile_of(hidden, batch, stack.x.dtype)
    w_ih, w_hh, _, _ = _by_part(stack)
    state = new((directions, batch, hidden), dtype=torch.float32)
    for first, last in reversed(_launches(layers, directions)):
        _run(
            kernels("triton_kernels").backward,
            _grid(batch, tile, directions),
            d_output,
            d_h_n,
            d_c_n,
            stack.c0,
            stack.masks,
            w_ih,
            w_hh,
            trace.cells,
            trace.gates,
            d_gates,
            d_inner,
            d_h0,
            d_c0,
            state,
            offsets_of(stack),
            *_counts(stack),
            H=hidden,
            LAYERS=layers,
            DIRECTIONS=directions,
            FIRST=first,
            LAST=last,
            **tile.options(),
        )
        if directions == 2 and first > 0:
            assert d_inner is not None
            d_inner[first - 1] = products.d_below(stack, d_gates, first)
    return weights_gpu.gradients(stack, trace, d_gates, d_h0, d_c0, wanted)


def second(
    stack: Stack,
    trace: Trace,
    d_output: Tensor | None,
    d_h_n: Tensor | None,
    d_c_n: Tensor | None,
    u: Gradients,
    wanted: Sequence[bool],
) -> tuple[tuple[Tensor, Tensor, Tensor], Gradients]:
    """As `second.second`, one launch for each way through a place."""
    return second_by(_move, _back, _dense(stack), trace, d_output, d_h_n, d_c_n, u, wanted)


def _move(place: Place, m_x: Tensor, m_h: Tensor, m_c: Tensor) -> tuple[Moved, tuple[Tensor, Tensor]]:
    m_h, m_c = m_h.contiguous(), m_c.contiguous()
    outside = torch.addmm(place.u_bias, m_x, place.w_ih.t()).addmm_(place.x, place.u_ih.t())
    outside.addmm_(place.h_prev, place.u_hh.t())
    h, c, sums = torch.empty_like(place.c), torch.empty_like(place.c), torch.empty_like(place.gates)
    h_n, c_n = torch.empty_like(m_h), torch.empty_like(m_c)
    _launch(
        kernels("triton_second").move,
        place,
        *(outside, m_h, m_c, place.w_hh, place.gates, place.c, place.c_prev),
        *(h, c, sums, h_n, c_n, torch.empty_like(m_c, dtype=torch.float32)),
    )
    before = [previous(values, first, place.sizes, place.reverse) for values, first in ((h, m_h), (c, m_c))]
    return Moved(h, before[0], c, before[1], sums, h), (h_n, c_n)


def _back(
    place: Place, moved: Moved, d_above: Tensor, e_above: Tensor, d_h: Tensor, d_c: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, None]:
    d_h, d_c, d_above, e_above, u_hh = (one.contiguous() for one in (d_h, d_c, d_above, e_above, place.u_hh))
    d_sums, e_sums = torch.empty_like(place.gates), torch.empty_like(place.gates)
    e_h, e_c = torch.empty_like(d_h), torch.empty_like(d_c)
    _launch(
        kernels("triton_second").back,
        place,
        *(d_above, e_above, d_h, d_c, place.w_hh, u_hh),
        *(place.gates, place.c, place.c_prev, moved.c, moved.c_prev, moved.sums),
        *(d_sums, e_sums, e_h, e_c, *(torch.empty_like(d_c, dtype=torch.float32) for _ in range(2))),
    )
    return d_sums, e_sums, e_h, e_c, None


def _launch(kernel: Any, place: Place, *tensors: Tensor) -> None:
    """A pass over the steps of one place, on dense tensors."""
    sizes = tuple(place.sizes)
    batch, hidden = sizes[0], place.c.shape[1]
    tile = tile_of(hidden, batch, place.c.dtype, order=2)
    offsets = None if sizes[-1] == batch else offsets_from(sizes, place.c.device)
    grid = _grid(batch, tile, 1)
    _run(kernel, grid, *tensors, offsets, len(sizes), batch, H=hidden, REVERSE=place.reverse, **tile.options())


def _run(kernel: Any, grid: tuple[int, int], *arguments: Any, **options: Any) -> None:
    """Launch on the device where the first tensor lies, which need not be the current one."""
    place = next(one for one in arguments if isinstance(one, Tensor))
    with torch.cuda.device(place.device) if place.is_cuda else contextlib.nullcontext():
        kernel[grid](*arguments, **options)


SHARED = 128  # registers of a thread where two programs share a multiprocessor: some spill, and waits overlap


class Tile(NamedTuple):
    """How a pass is cut up: sequences of a program, units at a time, terms of a product at a time; and registers of a thread."""

    block: int
    units: int
    chunk: int
    registers: int = 255  # left alone, the assembler spills to make room for a second program on a multiprocessor

    def options(self) -> dict[str, Any]:
        """What every kernel is told."""
        return {
            "BLOCK": self.block,
            "UNITS": self.units,
            "CHUNK": self.chunk,
            "PRECISION": precision(),
            "num_warps": 8,
            "maxnreg": self.registers,
        }


def tile_of(hidden: int, batch: int, dtype: torch.dtype, order: int = 1) -> Tile:
    """The tile for a problem: small batches are spread over many programs, large ones share what is read of weights.

    Args:
        hidden: units.
        batch: sequences.
        dtype: of all tensors.
        order: 2 for the second order, where there is twice as much to hold.
    """
    chunk = 32 if dtype == torch.float32 else 64
    if hidden * dtype.itemsize % 16:  # rows begin anywhere, so every value has an address of its own, in registers
        return Tile(16, 32, chunk)
    exact = dtype == torch.float32 and precision() == "tf32x3"
    if batch <= 2048 or exact:  # three products hold three times as much
        return Tile(16, 64 // order, chunk)
    if dtype.itemsize == 2 and order == 1 and hidden <= 256 and architecture() >= 90:
        return Tile(64, 32, chunk, SHARED)
    if dtype == torch.float32 and order == 1 and architecture() < 90:  # the other tile spills there, this one on 9.0
        return Tile(32, 16, 64)
    return Tile(64 // order, 16, chunk)


@functools.cache
def architecture() -> int:
    """Ten times the compute capability of the GPU, and a number for the interpreter, which takes any tile."""
    if interpreted():
        return 80
    major, minor = torch.cuda.get_device_capability()
    return 10 * major + minor


def precision() -> str:
    """How products of float32 are computed, in Triton's words."""
    return "tf32" if torch.backends.cudnn.allow_tf32 else "tf32x3"


@functools.cache
def kernels(module: str) -> Any:
    """A module of kernels beside this one: it needs Triton, so it is not loaded before a kernel is wanted."""
    return importlib.import_module(f"fastgan.ops.lstm.{module}")


def _dense(stack: Stack) -> Stack:
    """The same call with every tensor as the kernels read it: row-major, without gaps."""
    return stack.with_tensors([None if tensor is None else tensor.contiguous() for tensor in stack.tensors()])


def _by_part(stack: Stack) -> list[tuple[Tensor | None, ...]]:
    """w_ih, w_hh, b_ih, b_hh of all places."""
    return [stack.weights[part::5] for part in range(4)]


def _launches(layers: int, directions: int) -> list[tuple[int, int]]:
    """Which layers [first, last) run together: all, or one where a layer waits for both directions of the one below."""
    return [(0, layers)] if directions == 1 else [(layer, layer + 1) for layer in range(layers)]


def _grid(batch: int, tile: Tile, directions: int) -> tuple[int, int]:
    return (batch + tile.block - 1) // tile.block, directions


def _counts(stack: Stack) -> tuple[int, int, int]:
    """T, B, N."""
    steps, batch, *_ = layout_of(stack).sizes
    return steps, batch, layout_of(stack).shapes.gates[1]


BACKEND = Backend("triton", why_not, why_not_here, forward, backward, second)
