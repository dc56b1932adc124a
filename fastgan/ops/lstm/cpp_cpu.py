"""Backend "cpu": torch multiplies the matrices into memory laid out beforehand, the native cell does all the rest.

The cell's activations, the cell state and the hidden state of one step are computed in one pass over memory; the first
step of a sequence that begins from zeros needs no product.
"""

import torch
from torch import Tensor

from fastgan.ops import native
from fastgan.ops.lstm.reference import Gradients, Saved
from fastgan.ops.registry import Backend, Problem

_DTYPES = {torch.float32: "float32", torch.float64: "float64"}


def why_not(problem: Problem) -> str | None:
    """Every reason why this backend cannot run a problem, or None."""
    if problem.setting is not None:
        return problem.setting  # alone: a compiler that traces this line could not follow the loading of a library
    reasons = []
    if problem.device != "cpu":
        reasons.append(f"tensors on {problem.device} (it takes cpu)")
    if problem.dtype not in _DTYPES:
        reasons.append(f"{str(problem.dtype).removeprefix('torch.')} (it takes {', '.join(_DTYPES.values())})")
    if problem.packed:
        reasons.append("sequences of different lengths")
    if problem.projection:
        reasons.append("projected states")
    if problem.batch == 0:
        reasons.append("an empty batch")
    absent = native.why_not()
    if absent is not None:
        reasons.append(absent)
    return "; ".join(reasons) or None


def forward(
    gates_x: Tensor, w_hh: Tensor, h0: Tensor | None, c0: Tensor | None, *, reverse: bool = False, keep: bool = True
) -> Saved:
    """The recurrence, in place of `gates_x`; arguments and result as in `reference.forward`."""
    library = native.library()
    assert library is not None
    cell = library.lstm_forward_float32 if gates_x.dtype == torch.float32 else library.lstm_forward_float64
    gates = gates_x.contiguous()
    steps, rows, width = gates.shape
    hidden = width // 4
    h = gates.new_empty(steps, rows, hidden)
    c = gates.new_empty(steps if keep else 1, rows, hidden)
    size = gates.element_size() * rows * hidden  # bytes of one step of h; a step of gates has four times as many
    gates_at, h_at, c_at = gates.data_ptr(), h.data_ptr(), c.data_ptr()
    c_step = size if keep else 0
    w_t = w_hh.t()
    each_gates, each_h = gates.unbind(0), h.unbind(0)
    h_prev = h0
    c_prev_at = 0
    if c0 is not None:
        c0 = c0.contiguous()
        c_prev_at = c0.data_ptr()
    for t in reversed(range(steps)) if reverse else range(steps):
        if h_prev is not None:
            each_gates[t].addmm_(h_prev, w_t)
        c_now_at = c_at + t * c_step
        cell(gates_at + 4 * t * size, c_prev_at, c_now_at, h_at + t * size, rows, hidden, keep)
        h_prev, c_prev_at = each_h[t], c_now_at
    return Saved(h, c, gates if keep else None)


def backward(
    dh: Tensor | None,
    dc_n: Tensor | None,
    saved: Saved,
    w_hh: Tensor,
    c0: Tensor | None,
    *,
    reverse: bool = False,
) -> Gradients:
    """The recurrence backwards; arguments and result as in `reference.backward`."""
    library = native.library()
    assert library is not None
    h, c, gates = saved
    assert gates is not None
    cell = library.lstm_backward_float32 if h.dtype == torch.float32 else library.lstm_backward_float64
    gates, c = gates.contiguous(), c.contiguous()
    steps, rows, hidden = h.shape
    dgates = torch.empty_like(gates)
    each_dgates = dgates.unbind(0)
    each_dh = None if dh is None else dh.unbind(0)
    dh_t = h.new_empty(rows, hidden)
    dc = torch.zeros_like(dh_t) if dc_n is None else dc_n.clone(memory_format=torch.contiguous_format)
    c0 = None if c0 is None else c0.contiguous()
    c0_at = 0 if c0 is None else c0.data_ptr()
    size = h.element_size() * rows * hidden
    gates_at, c_at, dgates_at = gates.data_ptr(), c.data_ptr(), dgates.data_ptr()
    dh_at, dc_at = dh_t.data_ptr(), dc.data_ptr()
    later = None  # the step that was computed before this one
    back = 1 if reverse else -1
    for t in range(steps) if reverse else reversed(range(steps)):
        if later is None:
            dh_t.zero_()
        else:
            torch.mm(each_dgates[later], w_hh, out=dh_t)
        if each_dh is not None:  # added afterwards: a product accumulated onto it would round twice as coarsely
            dh_t.add_(each_dh[t])
        before = t + back
        c_prev_at = c_at + before * size if 0 <= before < steps else c0_at
        cell(gates_at + 4 * t * size, c_prev_at, c_at + t * size, dh_at, dc_at, dgates_at + 4 * t * size, rows, hidden)
        later = t
    if c0 is None:
        return Gradients(dgates, None, None)
    assert later is not None
    return Gradients(dgates, torch.mm(each_dgates[later], w_hh), dc)


BACKEND = Backend("cpu", why_not, native.why_not, forward, backward)
