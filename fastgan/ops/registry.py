"""Choosing who computes: a table of backends, each of which can say no in words."""

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

import torch
from torch import Tensor
from torch.autograd import forward_ad

VARIABLE = "FASTGAN_BACKEND"  # what "auto" means when it is set

# Asked at every call, so kept at hand: each dot on the way to a name takes time.
_transforms_active = torch._C._are_functorch_transforms_active
_dispatch_modes = torch._C._len_torch_dispatch_stack
_function_modes = torch._C._len_torch_function_stack
_tracing_state = torch._C._get_tracing_state
_autocast_available = torch.amp.is_autocast_available
_autocast_enabled = torch.is_autocast_enabled
_PLAIN = {Tensor, torch.nn.Parameter, type(None)}
_log = logging.getLogger(__name__)
_logged: set[str] = set()


class Problem(NamedTuple):
    """The sizes, dtype and device that a backend is asked to handle.

    Attributes:
        steps: time steps T; for packed input the longest sequence.
        batch: sequences B.
        inputs: values per step that come in.
        hidden: cells H.
        projection: values per step that come out when they are projected, 0 when they are not.
        dtype: of every tensor.
        device: its kind, such as "cpu" or "cuda".
        packed: whether sequences have different lengths.
        directions: 1, or 2 where each layer also reads from the last step to the first.
    """

    steps: int
    batch: int
    inputs: int
    hidden: int
    projection: int
    dtype: torch.dtype
    device: str
    packed: bool = False
    directions: int = 1

    def beyond(self, device: str, dtypes: Iterable[torch.dtype], *, projected: bool = False) -> list[str]:
        """What keeps kernels from running this that need something of everything, in words; empty when nothing does.

        Args:
            device: the kind that they take tensors of.
            dtypes: those that they take.
            projected: whether they can project states.
        """
        reasons = [] if self.device == device else [f"tensors on {self.device} (it takes {device})"]
        names = [str(dtype).removeprefix("torch.") for dtype in (self.dtype, *dtypes)]
        if names[0] not in names[1:]:
            reasons.append(f"{names[0]} (it takes {', '.join(names[1:])})")
        if self.projection and not projected:
            reasons.append("projected states")
        sizes = ("batch", self.batch), ("input", self.inputs), ("state", self.hidden)
        return reasons + [f"an empty {name}" for name, size in sizes if size == 0]


@dataclass(frozen=True, slots=True)
class Backend:
    """One implementation of an op.

    Attributes:
        name: what users write in `backend=`.
        why_not: gives None when this backend can run a problem, else all its reasons in words.
        why_not_here: the same for this machine alone, whatever the problem.
        forward: computes; its arguments are those of the op's reference.
        backward: computes gradients from what any backend's `forward` saved.
        second: computes gradients of gradients from the same; None for torch to differentiate the definition.
        repeated: makes a call that is to be run many times; None for a new call each time.
    """

    name: str
    why_not: Callable[[Problem], str | None]
    why_not_here: Callable[[], str | None]
    forward: Callable[..., Any]
    backward: Callable[..., Any]
    second: Callable[..., Any] | None = None
    repeated: Callable[..., Any] | None = None


def absent(name: str, reason: str) -> Backend:
    """A row for a backend that is known by name and never runs."""

    def run(*_: object, **__: object) -> NoReturn:
        raise AssertionError(f"backend {name!r} was chosen although it is absent")

    return Backend(name, lambda _: reason, lambda: reason, run, run)


def choose(backends: Sequence[Backend], problem: Problem, name: str = "auto") -> Backend:
    """The backend to run a problem with.

    Args:
        backends: the table, fastest first.
        problem: what is to be computed.
        name: one of the table, or "auto" for the first that can; the environment variable FASTGAN_BACKEND, when
            set, is what "auto" stands for.

    Returns:
        A row of the table that can run the problem.

    Raises:
        ValueError: no backend has this name; lists those there are.
        RuntimeError: the named backend cannot run this, or none can; gives every reason.
    """
    source, way_out = f"backend={name!r}", "use backend='auto'"
    if name == "auto":
        name = os.environ.get(VARIABLE) or "auto"
        source, way_out = f"{VARIABLE}={name!r}", f"unset {VARIABLE} and use backend='auto'"
    if name == "auto":
        return _first_able(backends, problem)
    for backend in backends:
        if backend.name == name:
            reason = backend.why_not(problem)
            if reason is None:
                return backend
            raise RuntimeError(f"{source} cannot run this: {reason}; {way_out}")
    raise _unknown(backends, source)


def refuse_unknown(backends: Sequence[Backend], name: str) -> None:
    """Refuse a name that is neither "auto" nor one of the table.

    Raises:
        ValueError: lists the names there are.
    """
    if name not in ("auto", *(backend.name for backend in backends)):
        raise _unknown(backends, f"backend={name!r}")


def _unknown(backends: Sequence[Backend], source: str) -> ValueError:
    names = ", ".join(repr(name) for name in ("auto", *(backend.name for backend in backends)))
    return ValueError(f"{source} is not known; the names are {names}")


def _first_able(backends: Sequence[Backend], problem: Problem) -> Backend:
    reasons: list[tuple[str, str]] = []
    for backend in backends:
        reason = backend.why_not(problem)
        if reason is None:
            _log_once(backend, reasons)
            return backend
        reasons.append((backend.name, reason))
    raise RuntimeError("no backend can run this: " + "; ".join(f"{name}: {reason}" for name, reason in reasons))


def _log_once(chosen: Backend, reasons: list[tuple[str, str]]) -> None:
    if not reasons or chosen.name in _logged or torch.compiler.is_compiling():
        return
    _logged.add(chosen.name)
    _log.info("using backend %r: %s", chosen.name, "; ".join(f"{name}: {reason}" for name, reason in reasons))


def surroundings(tensors: Iterable[Tensor | None], device: str) -> str | None:
    """What around a call has to see what it does as operators of torch, in words; None when nothing has to.

    Args:
        tensors: the arguments of the call; None for those left out.
        device: their kind of device, such as "cpu".
    """
    if torch.compiler.is_compiling():
        return "torch.compile or torch.export is tracing"
    if _transforms_active():
        return "a torch.func transform (vmap, grad, jacrev, functionalize) is active"
    if _dispatch_modes() or _function_modes():
        return "a torch mode that watches operations is active"
    if forward_ad._current_level >= 0:
        return "forward-mode differentiation is active"
    if autocast_on(device):
        return "autocast is on"
    if _tracing_state() is not None:
        return "torch.jit is tracing"
    tensors = tuple(tensors)
    if not _PLAIN.issuperset(map(type, tensors)):
        return f"a tensor of the class {next(type(one).__name__ for one in tensors if type(one) not in _PLAIN)}"
    return None


def plain_only() -> str | None:
    """What around a call can follow plain torch operations and nothing else, in words; None when nothing is like that."""
    if forward_ad._current_level >= 0:
        return "forward-mode differentiation is active"
    if _tracing_state() is not None:
        return "torch.jit is tracing"
    if _transforms_active() and (torch.compiler.is_compiling() or _func_differentiates()):
        # Operators made by torch.library have gradients for torch.autograd alone.
        return "a torch.func transform that differentiates (grad, vjp, jacrev, jvp, hessian) is active"
    return None


def _func_differentiates() -> bool:
    kinds = torch._C._functorch.TransformType
    return any(level.key() in (kinds.Grad, kinds.Jvp) for level in torch._C._functorch.get_interpreter_stack() or ())


def autocast_on(device: str) -> bool:
    """Whether operations on this kind of device choose their own dtypes now."""
    return (device in ("cpu", "cuda") or _autocast_available(device)) and _autocast_enabled(device)
