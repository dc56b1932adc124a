"""The end of a backward pass on a GPU: where rows are few, the gradients of all weights are one launch instead of four for each layer."""

import contextlib
import functools
import importlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from fastgan.ops.lstm import products
from fastgan.ops.lstm.stack import Gradients, Stack, Trace, flat

_ROWS, _EXACT_ROWS = 8192, 512  # beyond them torch's products, which share the rows among programs, are as fast
_LARGEST = 2**29  # numbers of gates of a layer: places in them are 32 bits wide
_TILE = {"GATES": 64, "COLUMNS": 32, "ROWS": 64}
_EXACT_TILE = {"GATES": 32, "COLUMNS": 32, "ROWS": 32}  # without matrix units: more programs with less work each


def gradients(
    stack: Stack, trace: Trace, d_gates: Tensor, d_h0: Tensor | None, d_c0: Tensor | None, wanted: Sequence[bool]
) -> Gradients:
    """As `products.gradients`; Triton has to run here."""
    if not _in_one_launch(stack, d_gates, wanted):
        return products.gradients(stack, trace, d_gates, d_h0, d_c0, wanted)
    of_x = products.d_read(stack, d_gates, 0).view(stack.x.shape) if wanted[0] else None
    weights = tuple(_d_weights(stack, trace, d_gates))
    return Gradients(of_x, d_h0 if wanted[1] else None, d_c0 if wanted[2] else None, weights)


def _in_one_launch(stack: Stack, d_gates: Tensor, wanted: Sequence[bool]) -> bool:
    alike = stack.directions == 1 and not stack.batch_sizes and not stack.projected
    few = d_gates.shape[1] <= (_EXACT_ROWS if _exact(d_gates) else _ROWS) and d_gates[0].numel() < _LARGEST
    return alike and few and all(want for want, one in zip(wanted[4:], stack.weights, strict=True) if one is not None)


def _d_weights(stack: Stack, trace: Trace, d_gates: Tensor) -> list[Tensor | None]:
    """As `products.d_weights`, all of them."""
    layers, rows, gates = d_gates.shape
    batch, inputs, hidden = stack.batch, stack.x.shape[-1], gates // 4
    reads = tuple(products.read(stack, trace, layer) for layer in range(layers))
    inner = () if layers == 1 else products.kept(trace.inner).unbind()
    outputs = (*inner, flat(trace.output))
    d_ih, d_hh = (
        [torch.empty_like(weight) for weight in stack.weights[part::5] if weight is not None] for part in (0, 1)
    )
    d_bias = [
        d_gates.new_empty(gates) for _ in range(layers)
    ]  # each in memory of its own, as operators of torch have to give
    widest = max(inputs, hidden) if layers > 1 else inputs
    tile = _EXACT_TILE if _exact(d_gates) else _TILE
    columns = _over(hidden, tile["COLUMNS"]) + _over(widest, tile["COLUMNS"])
    grid = _over(gates, tile["GATES"]), columns, layers
    sizes = {"H": hidden, "LAYERS": layers, "PRECISION": "ieee" if _exact(d_gates) else "tf32", **tile}
    with torch.cuda.device(d_gates.device) if d_gates.is_cuda else contextlib.nullcontext():
        kernels().d_weights[grid](
            d_gates, reads, outputs, stack.h0, tuple(d_ih), tuple(d_hh), tuple(d_bias), rows, batch, inputs, **sizes
        )
    found: list[Tensor | None] = []
    for layer in range(layers):
        biases = [None if bias is None else d_bias[layer] for bias in stack.place(layer)[2:4]]
        found += [d_ih[layer], d_hh[layer], *biases, None]
    return found


def _exact(numbers: Tensor) -> bool:
    """Whether products are of whole float32, as torch's own are unless it may use TF32."""
    return numbers.dtype == torch.float32 and not torch.backends.cuda.matmul.allow_tf32


def _over(size: int, side: int) -> int:
    return -(-size // side)


@functools.cache
def kernels() -> Any:
    """The module of the kernel: it needs Triton, so it is not loaded before it is wanted."""
    return importlib.import_module("fastgan.ops.lstm.triton_weights")
