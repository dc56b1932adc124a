"""A density of vectors given what is known of them: noise that is carried to a sample along a learnt flow."""

import torch
from torch import Tensor, nn

_WAVES = 16  # sines and cosines that tell the blocks how far along the flow they are


class Flow(nn.Module):
    """Rectified flow: a velocity field whose straight paths lead from normal noise to the data.

    Trained by least squares alone, and unlike a mixture of Gaussians it knows how all values of a vector hang together.
    Source: Liu, Gong and Liu, "Flow straight and fast: learning to generate and transfer data with rectified flow", 2023;
    Lipman et al., "Flow matching for generative modeling", 2023.

    Args:
        features: D, values of a vector.
        context: C, values that are known.
        width: of the blocks.
        blocks: residual blocks, each with two dense layers.
    """

    waves: Tensor

    def __init__(self, features: int, context: int, *, width: int = 384, blocks: int = 2):
        super().__init__()
        self.features = features
        self.known = nn.Linear(context, width)
        self.point = nn.Linear(features, width)
        self.when = nn.Linear(2 * _WAVES, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
            for _ in range(blocks)
        )
        self.velocity = nn.Linear(width, features)
        nn.init.zeros_(self.velocity.weight)  # so that training begins at the mean and not at noise
        nn.init.zeros_(self.velocity.bias)
        self.register_buffer("waves", torch.pi / 2 * 2.0 ** torch.arange(_WAVES), persistent=False)

    def forward(self, points: Tensor, told: Tensor) -> Tensor:
        """Give the velocity [R, D] at points [R, D]; `told` is what is known there and when that is, [R, width]."""
        x = self.point(points) + told
        for block in self.blocks:
            x = x + block(x)
        return self.velocity(x)

    def error(self, context: Tensor, target: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """Squared error of the velocity on the straight paths from noise [R, D] to targets [R, D], at times [R]: [R, D]."""
        along = times[:, None]
        points = (1 - along) * noise + along * target
        return (self(points, self.known(context) + self.at(times)) - (target - noise)).square()

    def at(self, times: Tensor) -> Tensor:
        """Times [R] within [0, 1] as the blocks are told them, [R, width]."""
        angle = times[:, None] * self.waves
        return self.when(torch.cat((angle.sin(), angle.cos()), -1))

    def times(self, steps: int) -> Tensor:
        """The times of so many equal steps of the flow, as the blocks are told them, [steps, width]; differentiable."""
        return self.at(torch.arange(steps, dtype=self.waves.dtype, device=self.waves.device) / steps)

    def sample(self, context: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """Carry noise [R, D] to samples [R, D] by Euler's method, a step for each of `self.times`; differentiable."""
        known = self.known(context)
        for now in times:
            noise = noise + self(noise, known + now) / len(times)
        return noise
