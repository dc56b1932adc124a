"""What a call of the LSTM is made of, what it leaves behind, and the shapes of both."""

import functools
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from fastgan.ops.registry import autocast_on

PARTS = ("w_ih", "w_hh", "b_ih", "b_hh", "w_hr")  # of the weights of one layer in one direction


class Stack(NamedTuple):
    """One call: a stack of layers over a batch of sequences.

    With N rows in all (T * B, or fewer when sequences differ in length), I inputs, H cells, R values that come out (P when
    they are projected, else H), L layers and D directions; what belongs to a layer and a direction lies at
    layer * D + direction.

    Attributes:
        x: [T, B, I] with T of at least 1, or [N, I] with `batch_sizes`: the steps of all sequences, as a
            `PackedSequence` holds them.
        h0: [L D, B, R], or None for zeros.
        c0: [L D, B, H], or None for zeros; given exactly when `h0` is.
        masks: [L - 1, N, D R], what is multiplied into the output of every layer but the last; None for nothing.
        weights: five for each layer and direction: w_ih [4H, K], w_hh [4H, R], b_ih [4H], b_hh [4H], w_hr [P, H]; K is I in
            the first layer and D R above. Gates are in the order i, f, g, o. Biases and w_hr may be None.
        directions: 1, or 2 for a second set of cells that reads from the last step to the first.
        batch_sizes: how many sequences each step has, never growing; empty when all have T steps.
        layout: what the shapes come to, once they are checked.
    """

    x: Tensor
    h0: Tensor | None
    c0: Tensor | None
    masks: Tensor | None
    weights: tuple[Tensor | None, ...]
    directions: int
    batch_sizes: tuple[int, ...] = ()
    layout: "Layout | None" = None

    @property
    def layers(self) -> int:
        """L."""
        return len(self.weights) // (5 * self.directions)

    @property
    def steps(self) -> int:
        """T; of the longest sequence when they differ."""
        return len(self.batch_sizes) or self.x.shape[0]

    @property
    def batch(self) -> int:
        """B."""
        return self.batch_sizes[0] if self.batch_sizes else self.x.shape[1]

    @property
    def hidden(self) -> int:
        """H."""
        return self.first("w_ih").shape[0] // 4

    @property
    def projected(self) -> int:
        """P, or 0."""
        return 0 if self.weights[4] is None else self.weights[4].shape[0]

    def first(self, part: str) -> Tensor:
        """A weight of the first layer that is never None."""
        weight = self.weights[PARTS.index(part)]
        assert weight is not None
        return weight

    def place(self, number: int) -> tuple[Tensor | None, ...]:
        """The five weights of a layer and direction."""
        return self.weights[5 * number : 5 * number + 5]

    def tensors(self) -> tuple[Tensor | None, ...]:
        """Everything that may have a gradient, and the masks: x, h0, c0, masks, weights."""
        return (self.x, self.h0, self.c0, self.masks, *self.weights)

    def with_tensors(self, tensors: Sequence[Tensor | None]) -> "Stack":
        """The same call with other tensors, in the order of `tensors`."""
        x, h0, c0, masks, *weights = tensors
        assert x is not None
        return Stack(x, h0, c0, masks, tuple(weights), self.directions, self.batch_sizes, self.layout)

    def with_layout(self, layout: "Layout") -> "Stack":
        """The same call, checked."""
        x, h0, c0, masks, weights, directions, batch_sizes, _ = self
        return Stack(x, h0, c0, masks, weights, directions, batch_sizes, layout)


class Trace(NamedTuple):
    """What a forward pass leaves: its results, and what any backend's backward pass reads.

    Attributes:
        output: [T, B, D R], or [N, D R] with `batch_sizes`; of the last layer.
        h_n: [L D, B, R].
        c_n: [L D, B, H].
        inner: [L - 1, N, D R], outputs of the layers below; None when there are none or nothing was kept.
        dropped: [L - 1, N, D R], `inner` times the masks; None without masks.
        cells: [L D, N, H], every cell state; None when nothing was kept.
        gates: [L D, N, 4H], every gate after its activation; None when nothing was kept.
    """

    output: Tensor
    h_n: Tensor
    c_n: Tensor
    inner: Tensor | None = None
    dropped: Tensor | None = None
    cells: Tensor | None = None
    gates: Tensor | None = None


class Gradients(NamedTuple):
    """What a backward pass gives; None where nothing was wanted.

    Attributes:
        x: like the call's x.
        h0: [L D, B, R].
        c0: [L D, B, H].
        weights: like the call's, five for each layer and direction.
    """

    x: Tensor | None
    h0: Tensor | None
    c0: Tensor | None
    weights: tuple[Tensor | None, ...]


class Shapes(NamedTuple):
    """The sizes of a `Trace`, by its fields, for a call that keeps everything."""

    output: tuple[int, ...]
    h_n: tuple[int, ...]
    c_n: tuple[int, ...]
    inner: tuple[int, ...]
    dropped: tuple[int, ...]
    cells: tuple[int, ...]
    gates: tuple[int, ...]


class Layout(NamedTuple):
    """What the shapes of a call come to.

    Attributes:
        sizes: T, B, I, H, P or 0, L, D.
        shapes: of what a forward pass leaves.
    """

    sizes: tuple[int, ...]
    shapes: Shapes


Sizes = tuple[torch.Size | None, ...]


def layout_of(stack: Stack) -> Layout:
    """The sizes of a call.

    Raises:
        ValueError: shapes do not fit each other; names the tensor, what it is and what it has to be.
    """
    if stack.layout is not None:
        return stack.layout
    sizes = tuple([None if one is None else one.shape for one in stack.tensors()])
    return layout_from(sizes, stack.directions, stack.batch_sizes)


def alike(tensors: Sequence[Tensor | None], dtype: torch.dtype) -> bool:
    """Whether all tensors have this dtype, lie where the first does and are what their memory says, not the negative of it.

    Where not, `check` finds out whether that can be.
    """
    first = tensors[0]
    assert first is not None
    if first.is_cpu:  # asked in a way that takes a third of the time
        return all([one is None or (one.dtype is dtype and one.is_cpu and not one.is_neg()) for one in tensors])  # noqa: C419 a list is faster
    return all(
        one is None or (one.dtype is dtype and one.device == first.device and not one.is_neg()) for one in tensors
    )


def check(stack: Stack) -> Stack:
    """Refuse tensors that do not fit each other.

    Args:
        stack: the call.

    Returns:
        The call with its layout, and tensors that are what their memory says.

    Raises:
        ValueError: names the tensor, what it is and what it has to be.
    """
    layout = layout_of(stack)
    stack = stack.with_tensors([None if one is None else one.resolve_neg() for one in stack.tensors()])
    x, h0, c0, masks, weights, _, _, _ = stack
    dtype, device = x.dtype, x.device
    for place, tensor in enumerate((h0, c0, masks, *weights)):
        if tensor is None or (tensor.dtype is dtype and tensor.device == device):
            continue
        name = _name(place + 1)
        if tensor.device != device:
            raise ValueError(f"{name} is on {tensor.device}, x is on {device}; move one of them")
        if not autocast_on(device.type):
            raise ValueError(f"{name} is {tensor.dtype}, x is {dtype}; convert one of them")
    return stack.with_layout(layout)


def _name(place: int) -> str:
    """What an entry of `Stack.tensors` is called."""
    return ("x", "h0", "c0", "masks")[place] if place < 4 else f"{PARTS[(place - 4) % 5]} of place {(place - 4) // 5}"


def layout_from(sizes: Sizes, directions: int, batch_sizes: tuple[int, ...]) -> Layout:
    """The same from the shapes of `Stack.tensors`: the only place that compares them.

    Raises:
        ValueError: as `layout_of`.
    """
    x, h0, c0, _, *weights = sizes
    assert x is not None
    if len(weights) == 0 or directions not in (1, 2) or len(weights) % (5 * directions):
        raise ValueError(
            f"weights has {len(weights)} entries, needs five for each layer and each of {directions} directions"
        )
    if len(x) != (2 if batch_sizes else 3) or x[0] == 0:
        raise ValueError(f"x has shape {tuple(x)}, needs {2 if batch_sizes else 3} dimensions and at least one step")
    if batch_sizes and (sum(batch_sizes) != x[0] or any(a < b for a, b in pairwise(batch_sizes))):
        raise ValueError(f"batch_sizes has to add up to the {x[0]} rows of x and never grow")
    for k in range(0, len(weights), 5):
        if weights[k] is None or weights[k + 1] is None:
            raise ValueError(f"w_ih and w_hh of place {k // 5} have to be given")
    if (h0 is None) != (c0 is None):
        raise ValueError("h0 and c0 go together: give both, or neither to start from zeros")

    steps, batch = (len(batch_sizes), batch_sizes[0]) if batch_sizes else (x[0], x[1])
    rows = x[0] if batch_sizes else x[0] * x[1]
    first, projection = weights[0], weights[4]
    assert first is not None
    gates, places = first[0], len(weights) // 5
    hidden, projected = gates // 4, 0 if projection is None else projection[0]
    out = projected or hidden
    width, layers = out * directions, places // directions
    between = (layers - 1, rows, width)
    states = (places, batch, out), (places, batch, hidden)
    needs: list[tuple[int, ...]] = [tuple(x), *states, between]
    for k in range(places):
        inputs = x[-1] if k < directions else width
        needs += [(4 * hidden, inputs), (4 * hidden, out), (4 * hidden,), (4 * hidden,), (projected, hidden)]
    for place, (size, need) in enumerate(zip(sizes, needs, strict=True)):
        if size is not None and tuple(size) != need:
            raise ValueError(f"{_name(place)} has shape {tuple(size)}, needs {need}")
    shapes = Shapes((*x[:-1], width), *states, between, between, (places, rows, hidden), (places, rows, 4 * hidden))
    return Layout((steps, batch, x[-1], hidden, projected, layers, directions), shapes)


def new_trace(stack: Stack, keep: bool, lend: Callable[..., Tensor] | None = None) -> Trace:
    """Memory for a forward pass, not filled.

    Args:
        stack: the call.
        keep: whether a backward pass will follow.
        lend: gives memory of a shape for what no caller sees; None for new memory.
    """
    new, masks = stack.x.new_empty, stack.masks is not None
    lend = lend or new
    output, h_n, c_n, inner, dropped, cells, gates = layout_of(stack).shapes
    return Trace(
        new(*output),  # numbers by themselves are taken faster than a tuple of them
        new(*h_n),
        new(*c_n),
        lend(*inner) if inner[0] and (keep or masks) else None,
        lend(*dropped) if masks else None,
        lend(*cells) if keep else None,
        lend(*gates) if keep else None,
    )


def kept_trace(stack: Stack, output: Tensor, *rest: Tensor | None) -> Trace:
    """A trace from what was saved of it: output, inner, dropped, cells, gates; as kernels take them, however a hook gave them back.

    A pass back reads no last states, so those are new memory of their shape: a caller may have changed his.
    """
    shapes, new = layout_of(stack).shapes, stack.x.new_empty
    dense = [None if one is None else one.contiguous() for one in rest]
    return Trace(output.contiguous(), new(shapes.h_n), new(shapes.c_n), *dense)


def offsets_of(stack: Stack) -> Tensor | None:
    """Where each step's rows begin, int64 [T + 1] where x is; None when all steps have B."""
    return offsets_from(stack.batch_sizes, stack.x.device) if stack.batch_sizes else None


@functools.lru_cache(maxsize=64)
def offsets_from(sizes: tuple[int, ...], device: torch.device) -> Tensor:
    """The same from the sequences at each step."""
    with torch.inference_mode(False):
        return torch.tensor([0, *accumulate(sizes)], device=device)


def rows_of(stack: Stack) -> list[int]:
    """Sequences at each step."""
    return list(stack.batch_sizes) or [stack.x.shape[1]] * stack.x.shape[0]


def flat(x: Tensor) -> Tensor:
    """[T, B, K] or [N, K] as [N, K]."""
    return x.reshape(x.shape[:-1].numel(), x.shape[-1])


def is_float(dtype: torch.dtype) -> bool:
    """Whether a dtype is one that kernels compute in; the shorter ones are widened first."""
    return dtype in (torch.float32, torch.float64)
