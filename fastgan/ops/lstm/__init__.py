"""The LSTM as a function: the op that `fastgan.nn.FusedLSTM` is made of."""

import functools
import os

import torch
from torch import Tensor

from fastgan.ops.lstm import autograd, cpp_cpu, cuda_gpu, op, reference, stream_gpu, triton_gpu
from fastgan.ops.lstm.repeated import Repeated
from fastgan.ops.lstm.stack import (
    Gradients,
    Layout,
    Sizes,
    Stack,
    Trace,
    alike,
    check,
    is_float,
    layout_from,
    layout_of,
)
from fastgan.ops.registry import (
    VARIABLE,
    Backend,
    Problem,
    absent,
    autocast_on,
    choose,
    plain_only,
    refuse_unknown,
    surroundings,
)

__all__ = [
    "BACKENDS",
    "Gradients",
    "Repeated",
    "Stack",
    "Trace",
    "backends",
    "check_name",
    "lstm",
    "repeated",
    "table_for",
]

Kind = tuple[Sizes, int, tuple[int, ...], torch.dtype, str]  # sizes, directions, batch_sizes, dtype, device

# The order of "auto", but for many sequences. Where Triton's interpreter takes the processor's tensors, the kernels made for it still
# come before.
BACKENDS = (cpp_cpu.BACKEND, cuda_gpu.BACKEND, triton_gpu.BACKEND, reference.BACKEND)
_MANY = (cpp_cpu.BACKEND, triton_gpu.BACKEND, cuda_gpu.BACKEND, reference.BACKEND)
_SHORT = (torch.float16, torch.bfloat16)
_FEW = 4096  # sequences at which blocks that share the weights are still faster than programs of their own


def lstm(stack: Stack, *, backend: str = "auto") -> tuple[Tensor, Tensor, Tensor]:
    """Run a stack of layers over a batch of sequences.

    On the processor, float16 and bfloat16 are computed in float32 and rounded once, at the end; so is everything under
    autocast, whose dtype the results then have. On other devices autocast's dtype is what is computed in. Complex numbers are
    for the reference, under autocast, too.

    `torch.compile`, `torch.export`, `torch.func.vmap` and modes that watch operations see one operator. Transforms of
    `torch.func` that differentiate, forward-mode differentiation and `torch.jit.trace` can only follow plain torch, so
    under them the reference runs.

    Args:
        stack: the call, see `Stack`.
        backend: "auto", or the name of the one that is to run this.

    Returns:
        output [T, B, D R], or [N, D R] with `batch_sizes`; h_n [L D, B, R]; c_n [L D, B, H].

    Raises:
        ValueError: a shape or dtype does not fit the others, or no backend has this name.
        RuntimeError: the named backend cannot run this; says why.
    """
    tensors, dtype = stack.tensors(), stack.x.dtype
    device = "cpu" if stack.x.is_cpu else stack.x.device.type  # the first is found in a tenth of the time
    watched = surroundings(tensors, device) is not None
    ready = is_float(dtype) if device == "cpu" else device == "cuda"
    if ready and not watched and backend != "reference" and alike(tensors, dtype):
        return _run(*_checked(stack, backend))
    stack = check(stack)
    if backend == "reference":
        return reference.run(stack)
    if dtype.is_complex:
        return _run(_choose(stack, backend), stack)
    if (watched and autocast_on(device)) or (device == "cpu" and dtype in _SHORT):
        return _converted(stack, backend)
    plain = plain_only() if watched else None
    if watched and plain is None and device != "meta":
        return op.run(stack, backend)
    return _run(_choose(stack, backend, plain), stack)


def repeated(stack: Stack, backend: str = "auto") -> Repeated:
    """A call that is to be made many times, with gradients that are asked for: no autograd is involved.

    Args:
        stack: the call, all of it contiguous, of one dtype and on one device.
        backend: as for `lstm`.

    Raises:
        ValueError, RuntimeError: as `lstm`.
    """
    chosen, stack = _checked(stack, backend)
    found: Repeated = Repeated(chosen, stack) if chosen.repeated is None else chosen.repeated(stack)
    return found


def _checked(stack: Stack, backend: str) -> tuple[Backend, Stack]:
    """Who is to run a call, and the call with its layout; its tensors have one dtype and one device."""
    x = stack.x
    sizes = tuple([None if one is None else one.shape for one in stack.tensors()])
    kind = sizes, stack.directions, stack.batch_sizes, x.dtype, x.device.type
    layout, chosen = _known(kind, backend, os.environ.get(VARIABLE))
    return chosen, stack.with_layout(layout)


def _run(chosen: Backend, stack: Stack) -> tuple[Tensor, Tensor, Tensor]:
    return reference.run(stack) if chosen is reference.BACKEND else autograd.run(chosen, stack)


def _converted(stack: Stack, backend: str) -> tuple[Tensor, Tensor, Tensor]:
    """The call in another dtype: on the processor short numbers in float32, elsewhere those that autocast asks for."""
    device, own = stack.x.device.type, stack.x.dtype
    dtype = torch.get_autocast_dtype(device) if autocast_on(device) and own != torch.float64 else own
    inside = dtype if device != "cpu" or own == torch.float64 else torch.float32
    with torch.autocast(device, enabled=False):
        converted = [None if tensor is None else tensor.to(inside) for tensor in stack.tensors()]
        output, h_n, c_n = lstm(stack.with_tensors(converted), backend=backend)
        return output.to(dtype), h_n.to(dtype), c_n.to(dtype)


def _choose(stack: Stack, name: str, plain: str | None = None) -> Backend:
    x = stack.x
    problem = _problem(layout_of(stack), x.dtype, x.device.type, bool(stack.batch_sizes))
    table = table_for(problem)
    if plain is not None:
        table = tuple(row if row is reference.BACKEND else absent(row.name, plain) for row in table)
    return choose(table, problem, name)


def table_for(problem: Problem) -> tuple[Backend, ...]:
    """Who may run a problem, the fastest first, as measured on a GPU (docs/decisions/0007-few-and-many-sequences.md)."""
    return BACKENDS if problem.batch <= _FEW or stream_gpu.serves(problem) else _MANY


def _problem(layout: Layout, dtype: torch.dtype, device: str, packed: bool) -> Problem:
    steps, batch, inputs, hidden, projected, _, directions = layout.sizes
    return Problem(steps, batch, inputs, hidden, projected, dtype, device, packed, directions)


@functools.lru_cache(maxsize=1024)
def _known(kind: Kind, name: str, variable: str | None) -> tuple[Layout, Backend]:
    """What `check` and `choose` find for calls of one kind; `variable` is what the environment says, which `choose` reads."""
    sizes, directions, batch_sizes, dtype, device = kind
    layout = layout_from(sizes, directions, batch_sizes)
    problem = _problem(layout, dtype, device, bool(batch_sizes))
    return layout, choose(table_for(problem), problem, name)


op.use(_choose)


def backends() -> list[tuple[str, str | None]]:
    """Who can run on this machine, fastest first.

    Returns:
        Names with None, or with the reason why that backend cannot run here.
    """
    return [(row.name, row.why_not_here()) for row in BACKENDS]


def check_name(backend: str) -> None:
    """Refuse a name that no backend has.

    Raises:
        ValueError: lists the names there are.
    """
    refuse_unknown(BACKENDS, backend)
