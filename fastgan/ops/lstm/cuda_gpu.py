"""Backend "cuda": the kernels of csrc/cuda, for Nvidia GPUs: weights stay in registers, spread over blocks that run together.

Precision: as in the backend "triton". What a layer gets from the input of a call is one product of torch's, summed and left in
float32, unless there are so few inputs that the kernel adds them one by one.
"""

import contextlib
from collections.abc import Sequence
from types import ModuleType

import torch
from torch import Tensor

from fastgan.ops import native
from fastgan.ops.lstm import products, triton_gpu, weights_gpu
from fastgan.ops.lstm.second import second as by_hand
from fastgan.ops.lstm.stack import Gradients, Stack, Trace, layout_of, new_trace, offsets_of
from fastgan.ops.registry import Backend, Problem

_DTYPES = (torch.float32, torch.bfloat16, torch.float16)
_THIN = 8  # inputs that the kernel adds one by one
_ALIGNED = 16  # bytes


def emulated() -> bool:
    """Whether the library is one whose kernels run on the processor, as tests build it; it takes tensors of the processor."""
    return hasattr(native.cuda_library(), "emulate")


def why_not(problem: Problem) -> str | None:
    """Every reason why this backend cannot run a problem, or None."""
    reasons = problem.beyond("cpu" if emulated() else "cuda", _DTYPES)
    multiple = _ALIGNED // problem.dtype.itemsize
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


def why_not_here() -> str | None:
    """Why no kernel runs on this machine, or None."""
    if native.cuda_library() is None:
        return "the CUDA kernels are not built (FASTGAN_NATIVE=cuda pip install ... builds them where nvcc is, or says why not)"
    if emulated():
        return None
    if not torch.cuda.is_available():
        return "no GPU that torch can use"
    major, minor = torch.cuda.get_device_capability()
    return None if major >= 8 else f"a GPU of compute capability {major}.{minor} (it takes 8.0 and above)"


def forward(stack: Stack, keep: bool = True) -> Trace:
    """As `reference.forward`."""
    stack = _ready(stack)
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
    stack = _ready(stack)
    above, d_h_n, d_c_n, cells, gates = (
        None if one is None else aligned(one) for one in (d_output, d_h_n, d_c_n, trace.cells, trace.gates)
    )
    shapes, new = layout_of(stack).shapes, stack.x.new_empty
    d_gates = new(shapes.gates)
    states = (wanted[1] or wanted[2]) and stack.h0 is not None
    d_h0, d_c0 = (new(shapes.h_n), new(shapes.c_n)) if states else (None, None)
    flags = flags_for(stack.x)
    for first, last in reversed(_calls(stack, backward=True)):
        with on(stack.x):
            library().backward(
                *_where(stack, first, last),
                *all_at((above, d_h_n, d_c_n, stack.c0, stack.masks, cells, gates, d_gates, d_h0, d_c0)),
                flags.data_ptr(),
            )
        if first > 0:
            above = products.d_below(stack, d_gates, first)
    how = products if triton_gpu.why_not_here() is not None else weights_gpu
    return how.gradients(stack, trace, d_gates, d_h0, d_c0, wanted)


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


def library() -> ModuleType:
    """The kernels, where `why_not_here` gives no reason."""
    library = native.cuda_library()
    assert library is not None
    return library


def _kind(dtype: torch.dtype) -> str:
    """In the words of csrc/cuda/lstm.h."""
    if dtype == torch.float32:
        return "tf32" if triton_gpu.precision() == "tf32" else "float32"
    return str(dtype).removeprefix("torch.")


def _fits(problem: Problem) -> bool:
    one = (problem.steps, problem.batch, problem.inputs, problem.hidden, 1, problem.directions, problem.batch, 0)
    device = 0 if emulated() else torch.cuda.current_device()
    kind = _kind(problem.dtype)
    return all(library().layers_together(kind, device, one, backward) > 0 for backward in (False, True))


def _calls(stack: Stack, *, backward: bool) -> list[tuple[int, int]]:
    """Which layers [first, last) each call takes."""
    together = library().layers_together(_kind(stack.x.dtype), _device(stack.x), _numbers(stack), backward)
    if together == 0:
        raise RuntimeError("backend='cuda' cannot run this on the device of x; use backend='auto'")
    return [(first, first + together) for first in range(0, stack.layers, together)]


def _where(stack: Stack, first: int, last: int) -> tuple[object, ...]:
    """The arguments that both passes begin with."""
    x = stack.x
    weights = stack.weights[5 * first * stack.directions : 5 * last * stack.directions]
    at = [0 if one is None else one.data_ptr() for k, one in enumerate(weights) if k % 5 < 4]
    return *queue_of(x), _numbers(stack), (first, last), at


def queue_of(x: Tensor) -> tuple[str, int, int]:
    """What every launch begins with: the kind of numbers, the device, and the stream that is in use there."""
    return _kind(x.dtype), _device(x), 0 if emulated() else torch.cuda.current_stream(x.device).cuda_stream


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


def flags_for(x: Tensor) -> Tensor:
    """Memory in which the blocks of a launch on x's device tell each other how far they are."""
    return torch.empty(library().processors(_device(x)), dtype=torch.int32, device=x.device)


def _ready(stack: Stack) -> Stack:
    """The same call with every tensor as the kernels read it: row-major, without gaps, on even addresses."""
    return stack.with_tensors([None if tensor is None else aligned(tensor) for tensor in stack.tensors()])


def aligned(tensor: Tensor) -> Tensor:
    """The same numbers row-major, without gaps, on an even address."""
    tensor = tensor.contiguous()
    return tensor if tensor.data_ptr() % _ALIGNED == 0 else tensor.clone()


def all_at(tensors: Sequence[Tensor | None]) -> list[int]:
    """Where tensors lie; 0 for None."""
    return [0 if tensor is None else tensor.data_ptr() for tensor in tensors]


def _device(x: Tensor) -> int:
    return x.device.index or 0


def on(x: Tensor) -> contextlib.AbstractContextManager[object]:
    """Where x lies is the current device."""
    return torch.cuda.device(x.device) if x.is_cuda else contextlib.nullcontext()


BACKEND = Backend("cuda", why_not, why_not_here, forward, backward, second)
