"""Backend "cpu": the native kernels of csrc/cpu, one call for a whole stack of layers."""

import functools
import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from fastgan.ops import native
from fastgan.ops.lstm.repeated import Repeated
from fastgan.ops.lstm.stack import Gradients, Stack, Trace, layout_of, new_trace
from fastgan.ops.registry import Backend, Problem

_WORTH_LENDING = 1 << 20  # bytes
DTYPES = {torch.float32: "float32", torch.float64: "float64"}  # in the names of the kernels


def why_not(problem: Problem) -> str | None:
    """Every reason why this backend cannot run a problem, or None."""
    if problem.device == "cpu" and problem.dtype in DTYPES and problem.batch and problem.inputs and problem.hidden:
        return native.why_not()
    reasons = problem.beyond("cpu", DTYPES, projected=True)
    absent = native.why_not()
    if absent is not None:
        reasons.append(absent)
    return "; ".join(reasons)


def forward(stack: Stack, keep: bool = True) -> Trace:
    """As `reference.forward`."""
    stack = _dense(stack)
    trace = new_trace(stack, keep, functools.partial(_lend, stack.x.dtype) if keep else None)
    kernel = _kernel("forward", stack.x.dtype)
    kernel(*_call(stack), _trace_at(trace), trace.h_n.data_ptr(), trace.c_n.data_ptr(), torch.get_num_threads())
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
    given = [None if tensor is None else tensor.contiguous() for tensor in (d_output, d_h_n, d_c_n)]
    gradients, at = _new_gradients(stack, wanted)
    _kernel("backward", stack.x.dtype)(
        *_call(stack), _trace_at(trace), *_all_at(given), *at[:3], at[3:], torch.get_num_threads()
    )
    return gradients


def second(
    stack: Stack,
    trace: Trace,
    d_output: Tensor | None,
    d_h_n: Tensor | None,
    d_c_n: Tensor | None,
    u: Gradients,
    wanted: Sequence[bool],
) -> tuple[tuple[Tensor, Tensor, Tensor], Gradients]:
    """The gradients of `backward`: those of S, the sum of u times what `backward` gives.

    Args:
        stack: the call; without projection.
        trace: what any backend's `forward` left for it.
        d_output: as `backward` had it.
        d_h_n: as `backward` had it.
        d_c_n: as `backward` had it.
        u: what S weighs the gradients with; None for zeros.
        wanted: which of `stack.tensors()` to give a gradient of S for.

    Returns:
        The gradients of S for d_output, d_h_n and d_c_n, and for the call's tensors.
    """
    stack = _dense(stack)
    given = [None if tensor is None else tensor.contiguous() for tensor in (d_output, d_h_n, d_c_n)]
    u_x, u_h0, u_c0 = (None if tensor is None else tensor.contiguous() for tensor in (u.x, u.h0, u.c0))
    u_weights = [None if tensor is None else tensor.contiguous() for tensor in u.weights]
    s = torch.empty_like(trace.output), torch.empty_like(trace.h_n), torch.empty_like(trace.c_n)
    gradients, at = _new_gradients(stack, wanted)
    _kernel("second", stack.x.dtype)(
        *_call(stack),
        _trace_at(trace),
        *_all_at(given),
        _at(u_x),
        _all_at(u_weights),
        _at(u_h0),
        _at(u_c0),
        _all_at(s),
        *at[:3],
        at[3:],
        torch.get_num_threads(),
    )
    return s, gradients


class InPlace(Repeated):
    """A call whose memory is taken and whose addresses are looked up once: at batch 3 that was a third of a training step.

    Args:
        stack: the call, all of it contiguous.
    """

    def __init__(self, stack: Stack):
        super().__init__(BACKEND, stack)
        self.trace, dtype = new_trace(stack, True), stack.x.dtype
        sizes, batch_sizes, weights, _, *states = _call(stack)
        self._sizes, self._states = (sizes, batch_sizes, weights), states
        self._trace_at, self._ends_at = _trace_at(self.trace), _all_at((self.trace.h_n, self.trace.c_n))
        self._gradients: dict[tuple[bool, ...], tuple[Gradients, list[int]]] = {}
        self._run, self._run_back = _kernel("forward", dtype), _kernel("backward", dtype)

    def forward(self, x: Tensor) -> Trace:
        """As `Repeated.forward`; its memory is that of the pass before."""
        self.stack = self.stack._replace(x=x)
        threads = torch.get_num_threads()
        self._run(*self._sizes, x.data_ptr(), *self._states, self._trace_at, *self._ends_at, threads)
        return self.trace

    def backward(self, d_output: Tensor | None, d_h_n: Tensor | None, wanted: Sequence[bool]) -> Gradients:
        """As `Repeated.backward`; its memory is that of the pass before with the same gradients wanted."""
        asked = tuple(wanted)
        if asked not in self._gradients:
            self._gradients[asked] = _new_gradients(self.stack, asked)
        gradients, at = self._gradients[asked]
        given, places, threads = (_at(d_output), _at(d_h_n), 0), at[3:], torch.get_num_threads()
        x = self.stack.x.data_ptr()
        self._run_back(*self._sizes, x, *self._states, self._trace_at, *given, *at[:3], places, threads)
        return gradients


@functools.cache
def _kernel(name: str, dtype: torch.dtype) -> Callable[..., None]:
    kernel: Callable[..., None] = getattr(native.library(), f"lstm_{name}_{DTYPES[dtype]}")
    return kernel


def _dense(stack: Stack) -> Stack:
    """The same call with every tensor as the kernels read it: row-major, without gaps."""
    tensors = stack.tensors()
    if all([tensor is None or tensor.is_contiguous() for tensor in tensors]):  # noqa: C419 a list is faster here
        return stack
    return stack.with_tensors([None if tensor is None else tensor.contiguous() for tensor in tensors])


def _lend(dtype: torch.dtype, *shape: int) -> Tensor:
    """Memory of a shape, which serves the next call when nobody holds it any more. Small pieces are not worth it."""
    count = math.prod(shape)
    if count * dtype.itemsize < _WORTH_LENDING:
        return torch.empty(*shape, dtype=dtype)
    library = native.library()
    assert library is not None
    return torch.frombuffer(library.Buffer(count * dtype.itemsize), dtype=dtype, count=count).view(shape)


def _at(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def _all_at(tensors: Iterable[Tensor | None]) -> list[int]:
    return [0 if tensor is None else tensor.data_ptr() for tensor in tensors]


def _call(stack: Stack) -> tuple[object, ...]:
    """The arguments that all kernels begin with."""
    x, h0, c0, masks, weights, _, batch_sizes, _ = stack
    return layout_of(stack).sizes, batch_sizes, _all_at(weights), x.data_ptr(), _at(h0), _at(c0), _at(masks)


def _trace_at(trace: Trace) -> list[int]:
    output, _, _, *rest = trace
    return [output.data_ptr(), *_all_at(rest)]


def _new_gradients(stack: Stack, wanted: Sequence[bool]) -> tuple[Gradients, list[int]]:
    """Memory for the gradients that are wanted, and its addresses: x, h0, c0, weights.

    Both biases share one gradient, which the kernels write where that of the first belongs.
    """
    x, h0, c0, _, *weights = [
        torch.empty_like(tensor) if want and tensor is not None else None
        for tensor, want in zip(stack.tensors(), wanted, strict=True)
    ]
    at = _all_at((x, h0, c0, *weights))
    for k in range(2, len(weights), 5):
        if weights[k] is None:
            at[3 + k] = at[4 + k]
        elif weights[k + 1] is not None:
            weights[k + 1] = weights[k]
        at[4 + k] = 0
    return Gradients(x, h0, c0, tuple(weights)), at


BACKEND = Backend("cpu", why_not, native.why_not, forward, backward, second, InPlace)
