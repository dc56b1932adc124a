"""Passes of the backend "cuda" for many sequences: a warp keeps 16 of them, and the weights go by (csrc/cuda/stream.h).

A layer is a launch each way. States and cells between steps do not leave the multiprocessor, so a pass is bound by what it leaves in
memory. For numbers of two bytes, one direction, sequences of equal length, and up to 128 units and inputs.
"""

import torch
from torch import Tensor

from fastgan.ops.lstm import products
from fastgan.ops.lstm.cuda_calls import Back, all_at, device_of, emulated, kind_of, library, on, queue_of, why_not_here
from fastgan.ops.lstm.stack import Stack, Trace, layout_of, new_trace
from fastgan.ops.registry import Problem

FEWEST = 1536
"""Sequences of the smallest batch that is taken. Below, weights that stay in registers are faster (docs/lstm.md)."""


def serves(problem: Problem) -> bool:
    """Whether calls of these sizes are passed through in this way on the current device."""
    here = "cpu" if emulated() else "cuda"
    if problem.device != here or problem.packed or problem.projection or why_not_here() is not None:
        return False
    device = 0 if emulated() else torch.cuda.current_device()
    return _fit(device, problem.steps, problem.batch, problem.inputs, problem.hidden, problem.directions, problem.dtype)


def takes(stack: Stack) -> bool:
    """Whether a call that a kernel of csrc/cuda is to run is passed through in this way."""
    steps, batch, inputs, hidden, _, _, directions = layout_of(stack).sizes
    return not stack.batch_sizes and _fit(device_of(stack.x), steps, batch, inputs, hidden, directions, stack.x.dtype)


def _fit(device: int, steps: int, batch: int, inputs: int, hidden: int, directions: int, dtype: torch.dtype) -> bool:
    if batch < FEWEST or directions == 2 or dtype.itemsize != 2:
        return False
    return bool(library().streams(kind_of(dtype), device, (steps, batch, inputs, hidden)))


def forward(stack: Stack, keep: bool) -> Trace:
    """As `reference.forward`, on tensors that the kernels can read."""
    trace = new_trace(stack, keep)
    inner = trace.inner
    if inner is None and stack.layers > 1:
        inner = stack.x.new_empty(layout_of(stack).shapes.inner)
    read = stack.x
    for layer in range(stack.layers):
        top = layer + 1 == stack.layers
        output = trace.output if inner is None or top else inner[layer]
        mask, dropped = (None if top or one is None else one[layer] for one in (stack.masks, trace.dropped))
        states = (_of(stack.h0, layer), _of(stack.c0, layer), mask)
        left = (output, dropped, *(_of(one, layer) for one in (trace.cells, trace.gates, trace.h_n, trace.c_n)))
        packed = _packed(
            stack, read.shape[-1]
        )  # held until the launch has its address: what follows may have the memory
        with on(stack.x):
            library().stream_forward(
                *queue_of(stack.x),
                (stack.steps, stack.batch, read.shape[-1], stack.hidden),
                all_at(stack.place(layer)[:4]),
                *all_at((packed, read, *states, *left)),
            )
        read = output if dropped is None else dropped
    return trace


def back(stack: Stack, call: Back) -> None:
    """Find the gradients of the gates' sums and of the first states."""
    above = call.above
    for layer in reversed(range(stack.layers)):
        w_hh, packed = products.kept(stack.place(layer)[1]), _packed(stack, 0)
        read = (above, *(_of(one, layer) for one in (call.d_h_n, call.d_c_n, stack.c0, call.cells, call.gates)))
        written = (_of(one, layer) for one in (call.d_gates, call.d_h0, call.d_c0))
        with on(stack.x):
            library().stream_backward(
                *queue_of(stack.x),
                (stack.steps, stack.batch, stack.hidden, stack.hidden),
                *all_at((w_hh, packed, *read, *written)),
            )
        if layer > 0:
            above = products.d_below(stack, call.d_gates, layer)


def _of(tensor: Tensor | None, layer: int) -> Tensor | None:
    return None if tensor is None else tensor[layer]


def _packed(stack: Stack, inputs: int) -> Tensor:
    """Memory for a layer's weights in the order in which a pass reads them."""
    return stack.x.new_empty(library().stream_bytes(inputs, stack.hidden), dtype=torch.uint8)
