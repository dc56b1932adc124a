"""Adam over all weights of a network at once."""

from collections.abc import Mapping

import torch
from torch import Tensor


class Adam:
    """Adam (Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015), one launch a step, equal to `torch.optim.Adam`.

    It takes gradients as arguments and keeps everything on the device of the weights, the count of steps too, so that a captured CUDA
    graph can hold a step. `torch.optim.Adam(fused=True)` calls the same kernel, and takes three times as long on the way to it.

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
    def step(self, gradients: list[Tensor]) -> None:
        """Change the weights.

        Args:
            gradients: one for each weight, in their order, of their shapes and dtypes.
        """
        self.steps += 1
        torch._fused_adam_(
            self.weights,
            gradients,
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
