"""Passes through a network of LSTM and dense layer with gradients by hand: what autograd does, in a fraction of the calls."""

from typing import NamedTuple

import torch
from torch import Tensor

from fastgan.nn.discriminator import Discriminator
from fastgan.nn.generator import Generator
from fastgan.ops.lstm import Gradients, Stack, Trace, checked
from fastgan.ops.registry import Backend


class Pass(NamedTuple):
    """A forward pass, and what its backward pass needs.

    Attributes:
        out: what the dense layer gives: [B, K] on the last step, or [T * B, K] on every step.
        read: what it has read, [B, H] or [T * B, H].
        every: whether that is every step.
        stack: the call of the LSTM.
        trace: what that left.
        backend: who ran it.
    """

    out: Tensor
    read: Tensor
    every: bool
    stack: Stack
    trace: Trace
    backend: Backend


class ByHand:
    """A generator or a discriminator as functions of sequences [T, B, D] in contiguous memory.

    Args:
        network: whose weights; they may be changed in place.
        dtype: to compute in, that of the weights when left out. With another one, `refresh` has to follow every change of weights;
            what comes in and goes out has the dtype of the weights all the same.

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
        self._backend = lstm.backend
        used = {name: weight.to(self.dtype) for name, weight in self.weights.items()}  # the same, where the dtype is
        self._used = list(used.values())
        self._lstm = tuple([None if part is None else used[f"lstm.{part}"] for part in lstm.parts])
        self._dense, self._bias = used["dense.weight"], used["dense.bias"]
        came = [f"lstm.{part}" for part in lstm.parts if part is not None] + ["dense.weight", "dense.bias"]
        self._places = [came.index(name) for name in self.weights]
        self._of_weights = [False] * 4 + [weight is not None for weight in self._lstm]
        self._of_x = [True] + [False] * (3 + len(self._lstm))

    def refresh(self) -> None:
        """Convert the weights anew, where they are converted."""
        if self.dtype is not self.outside:
            torch._foreach_copy_(self._used, list(self.weights.values()))

    def forward(self, x: Tensor, *, every: bool = False) -> Pass:
        """Run sequences [T, B, D], with the dense layer on the last step or on every step."""
        backend, stack = checked(Stack(x.to(self.dtype), None, None, None, self._lstm, 1), self._backend)
        trace = backend.forward(stack, True)
        read = trace.output.flatten(0, 1) if every else trace.h_n[-1]
        out = torch.addmm(self._bias, read, self._dense.t()).to(self.outside)
        return Pass(out, read, every, stack, trace, backend)

    def gradients(self, done: Pass, d_out: Tensor) -> list[Tensor]:
        """The gradients of all weights, in the order and in the dtype of `weights`.

        Args:
            done: a pass; since then the weights have not changed.
            d_out: the gradient of its `out`.
        """
        d_out = d_out.to(self.dtype)
        found = [value for value in self._backward(done, d_out, self._of_weights).weights if value is not None]
        found += [d_out.t() @ done.read, d_out.sum(0)]
        return [found[place].to(self.outside) for place in self._places]

    def gradient_of_x(self, done: Pass, d_out: Tensor) -> Tensor:
        """The gradient of the sequences, [T, B, D]; arguments as in `gradients`."""
        found = self._backward(done, d_out.to(self.dtype), self._of_x).x
        assert found is not None, "it is wanted"
        return found.to(self.outside)

    def _backward(self, done: Pass, d_out: Tensor, wanted: list[bool]) -> Gradients:
        d_read = d_out @ self._dense
        if done.every:
            return done.backend.backward(done.stack, done.trace, d_read.view_as(done.trace.output), None, None, wanted)
        d_h_n = torch.zeros_like(done.trace.h_n)
        d_h_n[-1] = d_read
        return done.backend.backward(done.stack, done.trace, None, d_h_n, None, wanted)
