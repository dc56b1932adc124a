"""One layer of an LSTM in one direction: the op that `fastgan.nn.FusedLSTM` is made of."""

from collections.abc import Sequence

from torch import Tensor

from fastgan.ops.lstm import autograd, cpp_cpu, reference
from fastgan.ops.registry import Problem, absent, autocast_on, choose, refuse_unknown, surroundings

__all__ = ["BACKENDS", "backends", "check_name", "lstm_layer"]

_NOT_YET = "not part of this release; use auto"
BACKENDS = (absent("cuda", _NOT_YET), absent("triton", _NOT_YET), cpp_cpu.BACKEND, reference.BACKEND)  # fastest first


def lstm_layer(
    x: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    bias: Tensor | None = None,
    h0: Tensor | None = None,
    c0: Tensor | None = None,
    w_hr: Tensor | None = None,
    *,
    batch_sizes: Sequence[int] | None = None,
    reverse: bool = False,
    backend: str = "auto",
) -> tuple[Tensor, Tensor, Tensor]:
    """Run one layer over a whole sequence.

    Args:
        x: [T, B, I] with T of at least 1, or [N, I] with `batch_sizes`: the steps of all sequences, as a
            `PackedSequence` holds them.
        w_ih: [4H, I], gates in the order i, f, g, o.
        w_hh: [4H, R]; R is P when states are projected, else H.
        bias: [4H], or None for none.
        h0: [B, R], or None for zeros.
        c0: [B, H], or None for zeros; given exactly when `h0` is.
        w_hr: [P, H], which projects the hidden state, or None.
        batch_sizes: how many sequences each step has, never growing; their sum is N. None when all have T steps.
        reverse: run from the last step to the first.
        backend: "auto", or the name of the one that is to run this.

    Returns:
        h [T, B, R] (or [N, R]), the hidden state at each step; the last h [B, R], which may share h's memory; the last
        c [B, H].

    Raises:
        ValueError: a shape or dtype does not fit the others, or no backend has this name.
        RuntimeError: the named backend cannot run this; says why.
    """
    _check(x, w_ih, w_hh, bias, h0, c0, w_hr, batch_sizes)
    if backend != "reference":
        inputs = (x, w_ih, w_hh, bias, h0, c0)
        problem = Problem(
            steps=len(x) if batch_sizes is None else len(batch_sizes),
            batch=x.shape[1] if batch_sizes is None else batch_sizes[0],
            inputs=x.shape[-1],
            hidden=w_hh.shape[0] // 4,
            projection=0 if w_hr is None else w_hr.shape[0],
            dtype=x.dtype,
            device=x.device.type,
            packed=batch_sizes is not None,
            setting=surroundings(inputs, x.device.type),
        )
        chosen = choose(BACKENDS, problem, backend)
        if chosen is not reference.BACKEND:
            return autograd.layer(chosen, inputs, reverse=reverse)
    return reference.layer(x, w_ih, w_hh, bias, h0, c0, w_hr, batch_sizes=batch_sizes, reverse=reverse)


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


def _check(
    x: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    bias: Tensor | None,
    h0: Tensor | None,
    c0: Tensor | None,
    w_hr: Tensor | None,
    batch_sizes: Sequence[int] | None,
) -> None:
    """The only place that checks shapes and dtypes."""
    dims = 3 if batch_sizes is None else 2
    if x.dim() != dims or len(x) == 0:
        raise ValueError(f"x has shape {tuple(x.shape)}, needs {dims} dimensions and at least one step")
    gates, inputs = w_ih.shape
    hidden, out = gates // 4, w_hh.shape[1]
    batch = x.shape[1] if batch_sizes is None else batch_sizes[0]
    needs = {
        "x": (x, (*x.shape[:-1], inputs)),
        "w_ih": (w_ih, (4 * hidden, inputs)),
        "w_hh": (w_hh, (4 * hidden, hidden if w_hr is None else out)),
        "bias": (bias, (4 * hidden,)),
        "h0": (h0, (batch, out)),
        "c0": (c0, (batch, hidden)),
        "w_hr": (w_hr, (out, hidden)),
    }
    mixed = autocast_on(x.device.type)
    for name, (tensor, shape) in needs.items():
        if tensor is None:
            continue
        if tensor.shape != shape:
            raise ValueError(f"{name} has shape {tuple(tensor.shape)}, needs {shape}")
        if tensor.dtype != x.dtype and not mixed:
            raise ValueError(f"{name} is {tensor.dtype}, x is {x.dtype}; convert one of them")
    if (h0 is None) != (c0 is None):
        raise ValueError("h0 and c0 go together: give both, or neither to start from zeros")
