"""Backend "cuda": the kernels of csrc/cuda, for Nvidia GPUs: weights stay in registers, spread over blocks that run together.

Many sequences of short numbers go another way, in which states stay and weights move (`stream_gpu`).

Precision: as in the backend "triton". What a layer gets from the input of a call is one product of torch's, summed and left in
float32, unless there are so few inputs that the kernel adds them one by one.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from fastgan.ops.lstm import products, stream_gpu, triton_gpu, weights_gpu
from fastgan.ops.lstm.cuda_calls import (
    ALIGNED,
    Back,
    aligned,
    all_at,
    device_of,
    emulated,
    flags_for,
    kind_of,
    library,
    on,
    queue_of,
    ready,
    why_not_here,
)
from fastgan.ops.lstm.second import second as by_hand
from fastgan.ops.lstm.stack import Gradients, Stack, Trace, layout_of, new_trace, offsets_of
from fastgan.ops.registry import Backend, Problem

_DTYPES = (torch.float32, torch.bfloat16, torch.float16)
_THIN = 8  # inputs that the kernel adds one by one


def why_not(problem: Problem) -> str | None:
    """Every reason why this backend cannot run a problem, or None."""
    reasons = problem.beyond("cpu" if emulated() else "cuda", _DTYPES)
    multiple = ALIGNED // problem.dtype.itemsize
    if problem.hidden % multiple:
        reasons.append(f"{problem.hidden} hidden units (it takes multiples of {multiple})")
    if problem.dtype.itemsize == 2 and "dtype" not in torch.ops.aten.mm.overloads():
        reasons.append(
            f"torch {torch.__version__}, whose products of short numbers are short themselves (2.8 can do more)"
        )
    absent = why_not_here()
    if absent is not None:
        reasons.append(absent)
    if not reasons and not _fits(problem):
        reasons.append(
            f"{problem.hidden} hidden units of {problem.dtype.itemsize} bytes for {problem.batch} sequences: more than "
            "the registers of this GPU hold at once"
        )
    return "; ".join(reasons) or None


def forward(stack: Stack, keep: bool = True) -> Trace:
    """As `reference.forward`."""
    stack = ready(stack)
    if stream_gpu.takes(stack):
        return stream_gpu.forward(stack, keep)
    trace = new_trace(stack, keep)
    inner = trace.inner
    if inner is None and stack.layers > 1:
        inner = stack.x.new_empty(layout_of(stack).shapes.inner)
    seen = trace._replace(inner=inner)
    flags = flags_for(stack.x)
    for first, last in _calls(stack, backward=False):
        sums = None
        if first > 0 or stack.x.shape[-1] > _THIN:
            read = products.read(stack, seen, first)
            here = range(first * stack.directions, (first + 1) * stack.directions)
            sums = torch.stack([_sums(read, stack.weights[5 * place]) for place in here])
        with on(stack.x):
            library().forward(
                *_where(stack, first, last),
                *all_at((stack.x, sums, stack.h0, stack.c0, stack.masks)),
                all_at((trace.output, trace.h_n, trace.c_n, inner, trace.dropped, trace.cells, trace.gates)),
                flags.data_ptr(),
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
    stack = ready(stack)
    above, d_h_n, d_c_n, cells, gates = (
        None if one is None else aligned(one) for one in (d_output, d_h_n, d_c_n, trace.cells, trace.gates)
    )
    shapes, new = layout_of(stack).shapes, stack.x.new_empty
    states = (wanted[1] or wanted[2]) and stack.h0 is not None
    d_h0, d_c0 = (new(shapes.h_n), new(shapes.c_n)) if states else (None, None)
    call = Back(above, d_h_n, d_c_n, cells, gates, new(shapes.gates), d_h0, d_c0)
    if stream_gpu.takes(stack):
        stream_gpu.back(stack, call)
    else:
        _back(stack, call)
    how = products if triton_gpu.why_not_here() is not None else weights_gpu
    return how.gradients(stack, trace, call.d_gates, d_h0, d_c0, wanted)


def _back(stack: Stack, call: Back) -> None:
    """As `stream_gpu.back`."""
    above, flags = call.above, flags_for(stack.x)
    for first, last in reversed(_calls(stack, backward=True)):
        read = (above, call.d_h_n, call.d_c_n, stack.c0, stack.masks, call.cells, call.gates)
        with on(stack.x):
            library().backward(
                *_where(stack, first, last),
                *all_at((*read, call.d_gates, call.d_h0, call.d_c0)),
                flags.data_ptr(),
            )
        if first > 0:
            above = products.d_below(stack, call.d_gates, first)


def second(
    stack: Stack,
    trace: Trace,
    d_output: Tensor | None,
    d_h_n: Tensor | None,
    d_c_n: Tensor | None,
    u: Gradients,
    wanted: Sequence[bool],
) -> tuple[tuple[Tensor, Tensor, Tensor], Gradients]:
    """As `second.second`: by the kernels in Triton where they run here, else in plain torch."""
    how = by_hand if triton_gpu.why_not_here() is not None else triton_gpu.second
    return how(stack, trace, d_output, d_h_n, d_c_n, u, wanted)


def _fits(problem: Problem) -> bool:
    one = (problem.steps, problem.batch, problem.inputs, problem.hidden, 1, problem.directions, problem.batch, 0)
    device = 0 if emulated() else torch.cuda.current_device()
    kind = kind_of(problem.dtype)
    return all(library().layers_together(kind, device, one, backward) > 0 for backward in (False, True))


def _calls(stack: Stack, *, backward: bool) -> list[tuple[int, int]]:
    """Which layers [first, last) each call takes."""
    together = library().layers_together(kind_of(stack.x.dtype), device_of(stack.x), _numbers(stack), backward)
    if together == 0:
        raise RuntimeError("backend='cuda' cannot run this on the device of x; use backend='auto'")
    return [(first, first + together) for first in range(0, stack.layers, together)]


def _where(stack: Stack, first: int, last: int) -> tuple[object, ...]:
    """The arguments that both passes begin with."""
    x = stack.x
    weights = stack.weights[5 * first * stack.directions : 5 * last * stack.directions]
    at = [0 if one is None else one.data_ptr() for k, one in enumerate(weights) if k % 5 < 4]
    return *queue_of(x), _numbers(stack), (first, last), at


def _numbers(stack: Stack) -> tuple[int, ...]:
    """T, B, I, H, L, D, N, and where the offsets are."""
    steps, batch, inputs, hidden, _, layers, directions = layout_of(stack).sizes
    offsets = offsets_of(stack)
    at = 0 if offsets is None else offsets.data_ptr()
    return steps, batch, inputs, hidden, layers, directions, layout_of(stack).shapes.gates[1], at


def _sums(x: Tensor, weight: Tensor | None) -> Tensor:
    """What x [N, K] times a weight [4H, K] transposed is, in float32 whatever they are."""
    assert weight is not None
    if x.dtype == torch.float32 or not x.is_cuda:
        return x.float() @ weight.float().t()
    return torch.mm(x, weight.t(), out_dtype=torch.float32)


BACKEND = Backend("cuda", why_not, why_not_here, forward, backward, second)
