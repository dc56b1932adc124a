"""A call that is made again and again: other sequences of the same shape, weights that change in place."""

from collections.abc import Sequence

from torch import Tensor

from fastgan.ops.lstm.stack import Gradients, Stack, Trace
from fastgan.ops.registry import Backend


class Repeated:
    """Forward and backward passes of one shape by any backend, each a call of its own.

    A backend may bring another one, whose passes share their memory: what it gives lasts until the next pass.

    Args:
        backend: who runs them.
        stack: the call; of `x` the shape and the dtype count.
    """

    def __init__(self, backend: Backend, stack: Stack):
        self.backend, self.stack = backend, stack

    def forward(self, x: Tensor) -> Trace:
        """Run other sequences, contiguous and of the shape and dtype of the call's."""
        self.stack = self.stack._replace(x=x)
        self.trace: Trace = self.backend.forward(self.stack, True)
        return self.trace

    def backward(self, d_output: Tensor | None, d_h_n: Tensor | None, wanted: Sequence[bool]) -> Gradients:
        """The gradients of the last pass, as the backend's `backward` gives them; d_output and d_h_n contiguous."""
        found: Gradients = self.backend.backward(self.stack, self.trace, d_output, d_h_n, None, wanted)
        return found
