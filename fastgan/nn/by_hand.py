"""Passes through a network of LSTM and dense layer with gradients by hand: what autograd does, in a fraction of the calls."""

import torch
from torch import Tensor

from fastgan.nn.discriminator import Discriminator
from fastgan.nn.generator import Generator
from fastgan.ops.lstm import Gradients, Stack, repeated


class ByHand:
    """A generator or a discriminator as functions of sequences [T, B, D] in contiguous memory.

    Args:
        network: whose weights; they may be changed in place.
        dtype: to compute in, that of the weights when left out. With another one, whoever changes the weights writes `copies` anew;
            what comes in and goes out has the dtype of the weights all the same, but for the gradients of the weights.

    Attributes:
        weights: by name.
        copies: of the weights in the dtype that is computed in, in their order; empty where that is their own.

    Raises:
        ValueError: its LSTM has dropout, two directions or projections.
    """

    def __init__(self, network: Generator | Discriminator, dtype: torch.dtype | None = None):
        lstm = network.lstm
        if lstm.dropout or lstm.bidirectional or lstm.proj_size:
            raise ValueError("gradients by hand are for LSTMs in one direction, without dropout and projections")
        self.weights = {name: weight.detach() for name, weight in network.named_parameters()}
        self.outside = network.dense.weight.dtype
        self.dtype = dtype or self.outside
        self.backend = lstm.backend
        used = {name: _as(weight, self.dtype) for name, weight in self.weights.items()}
        self.copies = [] if self.dtype is self.outside else list(used.values())
        self.lstm = tuple([None if part is None else used[f"lstm.{part}"] for part in lstm.parts])
        self.dense, self.bias = used["dense.weight"], used["dense.bias"]
        came = [f"lstm.{part}" for part in lstm.parts if part is not None] + ["dense.weight", "dense.bias"]
        self.places = [came.index(name) for name in self.weights]  # in what a backward pass finds
        self._passes: dict[tuple[torch.Size, bool], Pass] = {}

    def forward(self, x: Tensor, *, every: bool = False) -> "Pass":
        """Run sequences [T, B, D], with the dense layer on the last step or on every step.

        Returns:
            The pass. The next one with equal shape and `every` takes its memory.
        """
        kind = x.shape, every
        if kind not in self._passes:
            self._passes[kind] = Pass(self, x, every)
        found = self._passes[kind]
        found.run(x)
        return found


class Pass:
    """Forward passes of one shape, and what their backward passes need. All share their memory.

    Args:
        network: who computes.
        x: sequences of that shape.
        every: whether the dense layer reads every step, and not the last alone.

    Attributes:
        out: what the dense layer gave: [B, K] on the last step, or [T * B, K] on every step.
    """

    def __init__(self, network: ByHand, x: Tensor, every: bool):
        self._network, self._every = network, every
        self._lstm = repeated(Stack(_as(x, network.dtype), None, None, None, network.lstm, 1), network.backend)
        steps, batch, _ = x.shape
        dense, layers = network.dense, len(network.lstm) // 5
        self._out = dense.new_empty(steps * batch if every else batch, dense.shape[0])
        d_output = dense.new_empty(steps, batch, dense.shape[1])
        d_h_n = dense.new_zeros(layers, batch, dense.shape[1])  # of what the lower layers end with nothing is read
        self._d_output: Tensor | None = d_output if every else None
        self._d_h_n: Tensor | None = None if every else d_h_n
        self._d_read = d_output.view(steps * batch, -1) if every else d_h_n[-1]
        self._d_dense, self._d_bias = torch.empty_like(dense), torch.empty_like(network.bias)
        self._of_x = [True] + [False] * (3 + len(network.lstm))
        self._of_weights = [False] * 4 + [weight is not None for weight in network.lstm]

    def run(self, x: Tensor) -> None:
        """A forward pass."""
        network = self._network
        trace = self._lstm.forward(_as(x, network.dtype))
        self._read = trace.output.flatten(0, 1) if self._every else trace.h_n[-1]
        self.out = _as(torch.addmm(network.bias, self._read, network.dense.t(), out=self._out), network.outside)

    def gradients(self, d_out: Tensor) -> list[Tensor]:
        """The gradients of all weights, in the order of the network's `weights`, which have not changed since.

        Args:
            d_out: the gradient of `out`.
        """
        network, d_out = self._network, _as(d_out, self._network.dtype)
        found = [value for value in self._backward(d_out, self._of_weights).weights if value is not None]
        found.append(torch.mm(d_out.t(), self._read, out=self._d_dense))
        found.append(torch.sum(d_out, 0, out=self._d_bias))
        return [found[place] for place in network.places]

    def gradient_of_x(self, d_out: Tensor) -> Tensor:
        """The gradient of the sequences, [T, B, D]; as `gradients`."""
        found = self._backward(_as(d_out, self._network.dtype), self._of_x).x
        assert found is not None, "it is wanted"
        return _as(found, self._network.outside)

    def _backward(self, d_out: Tensor, wanted: list[bool]) -> Gradients:
        torch.mm(d_out, self._network.dense, out=self._d_read)
        return self._lstm.backward(self._d_output, self._d_h_n, wanted)


def _as(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor if tensor.dtype is dtype else tensor.to(dtype)
