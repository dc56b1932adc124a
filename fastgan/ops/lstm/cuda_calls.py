"""What calls of the kernels of csrc/cuda have in common: whether there are any, and how tensors become addresses."""

import contextlib
from collections.abc import Sequence
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor

from fastgan.ops import native
from fastgan.ops.lstm import triton_gpu
from fastgan.ops.lstm.stack import Stack

ALIGNED = 16  # bytes


class Back(NamedTuple):
    """What a pass back reads and writes, as the kernels can read it."""

    above: Tensor | None  # the gradient of the output, [T, B, H] or [N, D * H]; None for zeros
    d_h_n: Tensor | None  # of the last states, [L * D, B, H]; None for zeros
    d_c_n: Tensor | None  # of the last cells
    cells: Tensor | None  # what the forward pass kept
    gates: Tensor | None
    d_gates: Tensor  # of the gates' sums, [L * D, N, 4H], written
    d_h0: Tensor | None  # of the first states, [L * D, B, H], written; None when it is not wanted
    d_c0: Tensor | None  # of the first cells


def emulated() -> bool:
    """Whether the library is one whose kernels run on the processor, as tests build it; it takes tensors of the processor."""
    return hasattr(native.cuda_library(), "emulate")


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


def library() -> ModuleType:
    """The kernels, where `why_not_here` gives no reason."""
    library = native.cuda_library()
    assert library is not None
    return library


def kind_of(dtype: torch.dtype) -> str:
    """In the words of csrc/cuda/lstm.h."""
    if dtype == torch.float32:
        return "tf32" if triton_gpu.precision() == "tf32" else "float32"
    return str(dtype).removeprefix("torch.")


def queue_of(x: Tensor) -> tuple[str, int, int]:
    """What every launch begins with: the kind of numbers, the device, and the stream that is in use there."""
    return kind_of(x.dtype), device_of(x), 0 if emulated() else torch.cuda.current_stream(x.device).cuda_stream


def flags_for(x: Tensor) -> Tensor:
    """Memory in which the blocks of a launch on x's device tell each other how far they are."""
    return torch.empty(library().processors(device_of(x)), dtype=torch.int32, device=x.device)


def ready(stack: Stack) -> Stack:
    """The same call with every tensor as the kernels read it: row-major, without gaps, on even addresses."""
    return stack.with_tensors([None if tensor is None else aligned(tensor) for tensor in stack.tensors()])


def aligned(tensor: Tensor) -> Tensor:
    """The same numbers row-major, without gaps, on an even address."""
    tensor = tensor.contiguous()
    return tensor if tensor.data_ptr() % ALIGNED == 0 else tensor.clone()


def all_at(tensors: Sequence[Tensor | None]) -> list[int]:
    """Where tensors lie; 0 for None."""
    return [0 if tensor is None else tensor.data_ptr() for tensor in tensors]


def device_of(x: Tensor) -> int:
    """Its number."""
    return x.device.index or 0


def on(x: Tensor) -> contextlib.AbstractContextManager[object]:
    """Where x lies is the current device."""
    return torch.cuda.device(x.device) if x.is_cuda else contextlib.nullcontext()
