"""What the tests of the LSTM share: calls of every kind, and what is fair to ask of an answer."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from fastgan.ops import native
from fastgan.ops.lstm import BACKENDS, Stack, lstm, reference
from fastgan.ops.lstm.stack import PARTS, Gradients
from fastgan.ops.registry import Backend

REASONS = {row.name: row.why_not_here() for row in BACKENDS if row.name in ("cpu", "reference")}
ABLE = [
    pytest.param(name, marks=pytest.mark.skipif(reason is not None, reason=f"{reason}"))
    for name, reason in REASONS.items()
]
ROWS = {row.name: row for row in BACKENDS}
needs_cpu = pytest.mark.skipif(REASONS["cpu"] is not None, reason=f"{REASONS['cpu']}")
LIBRARY = native.library()
SETS = [] if LIBRARY is None else LIBRARY.instruction_sets()
# A few roundings of the largest value: below it an error says nothing about an implementation.
FLOORS = {dtype: 4 * torch.finfo(dtype).eps for dtype in (torch.float32, torch.float64, torch.bfloat16, torch.float16)}
OUTPUTS = ("output", "h_n", "c_n")


@dataclass(frozen=True)
class Case:
    steps: int
    batch: int
    inputs: int
    hidden: int
    dtype: torch.dtype = torch.float32
    layers: int = 1
    directions: int = 1
    projected: int = 0
    biases: int = 2
    states: bool = False
    dropout: bool = False
    lengths: tuple[int, ...] = ()  # of each sequence, falling; empty when all have `steps`

    def __str__(self) -> str:
        words = [f"T{self.steps}B{self.batch}I{self.inputs}H{self.hidden}"]
        words += ["float64"] if self.dtype == torch.float64 else []
        words += [f"{self.layers}layers"] if self.layers > 1 else []
        words += ["both"] if self.directions > 1 else []
        words += [f"P{self.projected}"] if self.projected else []
        words += [f"{self.biases}biases"] if self.biases != 2 else []
        words += [word for word in ("states", "dropout") if getattr(self, word)]
        words += ["packed"] if self.lengths else []
        return "-".join(words)

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        return tuple(sum(length > t for length in self.lengths) for t in range(self.steps)) if self.lengths else ()

    def stack(
        self, dtype: torch.dtype | None = None, *, grad: bool = False, seed: int = 0, device: str = "cpu"
    ) -> Stack:
        """A call as a trained net may make it; the numbers are exact in the case's own dtype, whatever `dtype` is."""
        generator = torch.Generator().manual_seed(seed)

        def draw(*shape: int, scale: float = 1.0) -> Tensor:
            exact = (torch.randn(*shape, generator=generator) * scale).to(self.dtype)
            return exact.to(device, dtype or self.dtype).requires_grad_(grad)

        hidden, out, places = self.hidden, self.projected or self.hidden, self.layers * self.directions
        rows = sum(self.batch_sizes) or self.steps * self.batch
        x = draw(rows, self.inputs) if self.lengths else draw(self.steps, self.batch, self.inputs)
        h0, c0 = (draw(places, self.batch, size) if self.states else None for size in (out, hidden))
        weights: list[Tensor | None] = []
        for k in range(places):
            inputs = self.inputs if k < self.directions else out * self.directions
            weights += [draw(4 * hidden, inputs, scale=inputs**-0.5), draw(4 * hidden, out, scale=out**-0.5)]
            weights += [draw(4 * hidden, scale=0.5) if k < self.biases else None for k in range(2)]
            weights += [draw(out, hidden, scale=hidden**-0.5) if self.projected else None]
        masks = None
        if self.dropout and self.layers > 1:
            shape = (self.layers - 1, rows, out * self.directions)
            masks = (torch.rand(shape, generator=generator) < 0.5).to(device, dtype or self.dtype) * 2
        return Stack(x, h0, c0, masks, tuple(weights), self.directions, self.batch_sizes)


def names_of(stack: Stack) -> list[str]:
    """What each of `stack.tensors()` is."""
    places = len(stack.weights) // 5
    return ["x", "h0", "c0", "masks", *(f"{part}[{k}]" for k in range(places) for part in PARTS)]


def leaves_of(stack: Stack) -> dict[str, Tensor]:
    """The tensors of a call that may have a gradient, by name."""
    named = zip(names_of(stack), stack.tensors(), strict=True)
    return {name: tensor for name, tensor in named if tensor is not None and name != "masks"}


def with_leaves(stack: Stack, leaves: list[Tensor] | tuple[Tensor, ...]) -> Stack:
    """The same call with other tensors, in the order of `leaves_of`."""
    mine = iter(leaves)
    old = zip(names_of(stack), stack.tensors(), strict=True)
    return stack.with_tensors([tensor if tensor is None or name == "masks" else next(mine) for name, tensor in old])


def seeds_for(outputs: tuple[Tensor, ...], seed: int = 1) -> list[Tensor]:
    """What outputs are weighed with to make a loss: the same for every dtype."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(value.shape, generator=generator).to(value.device, value.dtype) for value in outputs]


def collect(outputs: tuple[Tensor, ...], leaves: dict[str, Tensor]) -> dict[str, Tensor]:
    """Outputs, and every gradient of a weighted sum of all outputs."""
    gradients = torch.autograd.grad(outputs, list(leaves.values()), seeds_for(outputs))
    named = dict(zip(OUTPUTS, outputs, strict=True))
    named |= {f"d_{name}": gradient for name, gradient in zip(leaves, gradients, strict=True)}
    return {name: value.detach().cpu() for name, value in named.items()}


def over_draws(case: Case, run: Callable[[int], dict[str, Tensor]]) -> dict[str, Tensor]:
    """What several draws of a small case give, side by side: the error of a single number that happens to cancel is luck."""
    runs = [run(seed) for seed in range(max(1, min(8, 256 // (case.batch * case.hidden))))]
    return {name: torch.stack([one[name] for one in runs]) for name in runs[0]}


def run_ours(case: Case, backend: str, dtype: torch.dtype | None = None, device: str = "cpu") -> dict[str, Tensor]:
    def run(seed: int) -> dict[str, Tensor]:
        stack = case.stack(dtype, grad=True, seed=seed, device=device)
        return collect(lstm(stack, backend=backend), leaves_of(stack))

    return over_draws(case, run)


def run_torch(case: Case, device: str = "cpu") -> dict[str, Tensor]:
    """The same from torch's own LSTM."""
    return over_draws(case, lambda seed: _torch_once(case, case.stack(grad=True, seed=seed, device=device)))


def _torch_once(case: Case, stack: Stack) -> dict[str, Tensor]:
    """Layer by layer where something is multiplied in between."""
    size = (case.layers * case.directions, case.batch)
    h0 = stack.x.new_zeros(*size, case.projected or case.hidden) if stack.h0 is None else stack.h0
    c0 = stack.x.new_zeros(*size, case.hidden) if stack.c0 is None else stack.c0
    span = case.directions
    runs = [(0, case.layers)] if stack.masks is None else [(layer, layer + 1) for layer in range(case.layers)]
    x, h_n, c_n = stack.x, [], []
    for first, last in runs:
        weights = []
        for k in range(first * span, last * span):
            w_ih, w_hh, b_ih, b_hh, w_hr = stack.place(k)
            weights += [w_ih, w_hh]
            if b_ih is not None:
                weights += [b_ih, torch.zeros_like(b_ih) if b_hh is None else b_hh]
            weights += [] if w_hr is None else [w_hr]
        hx = [h0[first * span : last * span], c0[first * span : last * span]]
        rest = (hx, weights, case.biases > 0, last - first, 0.0, True, span == 2)
        if case.lengths:
            x, h, c = torch.lstm(x, torch.tensor(stack.batch_sizes), *rest)
        else:
            x, h, c = torch.lstm(x, *rest, False)
        h_n.append(h)
        c_n.append(c)
        if stack.masks is not None and last < case.layers:
            x = x * stack.masks[first].reshape(x.shape)
    return collect((x, torch.cat(h_n), torch.cat(c_n)), leaves_of(stack))


def error(ours: Tensor, truth: Tensor) -> float:
    """The largest error over the largest value; NaN anywhere gives NaN, which no budget admits."""
    return ((ours.double() - truth).abs().max() / truth.abs().max().clamp_min(1e-30)).item()


def assert_fair(
    ours: dict[str, Tensor], fair: dict[str, Tensor], truth: dict[str, Tensor], floor: float | None = None
) -> None:
    """No more than twice torch's error and a floor, by default the dtype's."""
    assert ours.keys() == truth.keys() == fair.keys()
    for name, value in ours.items():
        assert value.shape == truth[name].shape, name
        assert value.dtype == fair[name].dtype, name
        budget = 2 * error(fair[name], truth[name]) + (FLOORS[value.dtype] if floor is None else floor)
        assert error(value, truth[name]) <= budget, name


def flatten(gradients: Gradients) -> list[Tensor | None]:
    """In the order of `names_of`, without the masks."""
    return [gradients.x, gradients.h0, gradients.c0, *gradients.weights]


def assert_any_backward_reads_any_forward(backend: Backend, stack: Stack) -> None:
    """A backend and the definition leave the same, and each goes back from what the other left."""
    want, trace = reference.forward(stack), backend.forward(stack)
    for name, one, other in zip(trace._fields, trace, want, strict=True):
        assert (one is None) == (other is None), name
        if one is not None:
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6, msg=name)
    everything = [name != "masks" for name in names_of(stack)]
    output, h_n, c_n = seeds_for(trace[:3])
    for d_outputs in ((output, h_n, c_n), (output, None, None), (None, h_n, None), (None, None, c_n)):
        found = [run(stack, want, *d_outputs, everything) for run in (backend.backward, reference.backward)]
        crossed = reference.backward(stack, trace, *d_outputs, everything)
        for one, other, third in zip(*map(flatten, (*found, crossed)), strict=True):
            assert (one is None) == (other is None)
            if one is not None:
                torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
                torch.testing.assert_close(third, other, rtol=1e-4, atol=1e-5)
