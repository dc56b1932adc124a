"""Adam over all weights of a network at once."""

import functools
import importlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from fastgan.ops.lstm.triton_gpu import why_not_here

_BLOCK = 1024  # numbers of a tensor that a program of the kernel takes
_TENSORS = 24  # of a launch, at most


class Adam:
    """Adam (Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015), one launch a step, equal to `torch.optim.Adam`.

    It takes gradients as arguments and keeps everything on the device of the weights, the count of steps too, so that a captured CUDA
    graph can hold a step. `torch.optim.Adam(fused=True)` calls the same kernel as this on the processor, and takes three times as
    long on the way to it. On a GPU that kernel gives a few multiprocessors all of the work, so there it is one in Triton.

    Args:
        weights: by name; changed in place.
        lr: learning rate.
        betas: how slowly the means of gradients and of their squares change.
        eps: added to the root of the mean square.
    """

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        lr: float,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ):
        self.lr, self.betas, self.eps = lr, betas, eps
        self.names = list(weights)
        self.weights = [weight.detach() for weight in weights.values()]
        self.means = [torch.zeros_like(weight) for weight in self.weights]
        self.squares = [torch.zeros_like(weight) for weight in self.weights]
        device = self.weights[0].device
        self.steps = torch.zeros((), device=device)  # float32 counts to 16 million, then stays: its effect is long gone
        self._counts = [self.steps] * len(self.weights)

    @torch.no_grad()
    def step(self, gradients: list[Tensor], copies: Sequence[Tensor | None] = ()) -> None:
        """Change the weights.

        Args:
            gradients: one for each weight, in their order, of their shapes, of any dtype.
            copies: of the weights in other dtypes, written anew; None where there is none.
        """
        self.steps += 1
        copies = copies or [None] * len(self.weights)
        if self._in_one_launch(gradients):
            with torch.cuda.device(self.steps.device):
                self.launch(gradients, copies)
            return
        torch._fused_adam_(
            self.weights,
            [one.to(weight.dtype) for one, weight in zip(gradients, self.weights, strict=True)],
            self.means,
            self.squares,
            [],
            self._counts,
            lr=self.lr,
            beta1=self.betas[0],
            beta2=self.betas[1],
            weight_decay=0.0,
            eps=self.eps,
            amsgrad=False,
            maximize=False,
        )
        for copy, weight in zip(copies, self.weights, strict=True):
            if copy is not None:
                copy.copy_(weight)

    def _in_one_launch(self, gradients: list[Tensor]) -> bool:
        return (
            self.steps.is_cuda
            and why_not_here() is None
            and all(weight.dtype == torch.float32 for weight in self.weights)
            and all(one.is_contiguous() for one in [*self.weights, *gradients])
        )

    def launch(self, gradients: Sequence[Tensor], copies: Sequence[Tensor | None]) -> None:
        """As `step`, by the kernel, for float32 in dense memory; the count is up to date."""
        numbers = self.lr, *self.betas, *map(_log, self.betas), self.eps
        every = [self.weights, gradients, self.means, self.squares, copies]
        for first in range(0, len(self.weights), _TENSORS):
            tensors = [tuple(some[first : first + _TENSORS]) for some in every]
            sizes = tuple(weight.numel() for weight in self.weights[first : first + _TENSORS])
            grid = ((max(sizes) + _BLOCK - 1) // _BLOCK,)
            kernels().step[grid](*tensors, sizes, self.steps, *numbers, COUNT=len(sizes), BLOCK=_BLOCK)

    def tensors(self) -> dict[str, Tensor]:
        """What the next step depends on beside the weights, by the names that `torch.optim.Adam` gives it, for each weight."""
        found: dict[str, Tensor] = {}
        for name, mean, square in zip(self.names, self.means, self.squares, strict=True):
            found |= {f"{name}.step": self.steps.clone(), f"{name}.exp_avg": mean, f"{name}.exp_avg_sq": square}
        return found

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `tensors` gave; an empty mapping is that of an optimiser without a past."""
        for name, mean, square in zip(self.names, self.means, self.squares, strict=True):
            if tensors:
                self.steps.copy_(tensors[f"{name}.step"])
                mean.copy_(tensors[f"{name}.exp_avg"])
                square.copy_(tensors[f"{name}.exp_avg_sq"])


def _log(share: float) -> float:
    return math.log(share) if share else -math.inf


@functools.cache
def kernels() -> Any:
    """The module of the kernel: it needs Triton, so it is not loaded before it is wanted."""
    return importlib.import_module("fastgan.ops.adam_triton")
