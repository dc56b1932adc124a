"""What a network is made of: its layers with the shapes that really come out of them, found by running it on zeros."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fastgan.nn.discriminator import Discriminator
from fastgan.nn.generator import Generator
from fastgan.nn.lstm import FusedLSTM

Network = Generator | Discriminator
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """One layer as it was run.

    Attributes:
        name: its kind, with a number where there are several.
        units: values that it gives per step.
        weights: name to shape.
        parameters: values in all of them.
        taken, given: shapes of what went in and came out, [B, n, D], or [B, D] on the last step alone; B is 1.
    """

    name: str
    units: int
    weights: dict[str, Shape]
    parameters: int
    taken: Shape
    given: Shape


@torch.no_grad()
def layers_of(network: Network, window: int) -> list[Layer]:
    """Run a network layer by layer on zeros.

    Args:
        network: a generator or discriminator; it stays as it is, and no random number is drawn.
        window: n, steps in the sequence.

    Raises:
        TypeError: it is another kind of network.
        ValueError: the window is not positive.
    """
    if not isinstance(network, Network):
        raise TypeError(f"needs a Generator or a Discriminator, got {type(network).__name__}")
    check_window(window)
    value, layers = zeros_for(network, window), []
    for index in range(network.lstm.num_layers):
        layer = lstm_layer(network.lstm, index)
        given = layer(value)[0]
        layers.append(_layer(f"LSTM {index + 1}", layer.hidden_size, layer, value, given))
        value = given
    return [*layers, dense_of(network, network, window)]


@torch.no_grad()
def dense_of(network: Network, run: Callable[[Tensor], Tensor], window: int) -> Layer:
    """What the dense layer of a network takes and gives while `run` is called with zeros [1, n, D]."""
    seen: list[tuple[Tensor, Tensor]] = []
    hook = network.dense.register_forward_hook(lambda _, taken, given: seen.append((taken[0], given)))
    try:
        run(zeros_for(network, window))
    finally:
        hook.remove()
    return _layer("Dense", network.dense.out_features, network.dense, *seen[0])


def lstm_layer(lstm: FusedLSTM, index: int) -> FusedLSTM:
    """One layer of a stack that runs forwards, as a module of its own that shares the weights."""
    ending = f"_l{index}"
    weights = {
        name.removesuffix(ending) + "_l0": value for name, value in lstm.state_dict().items() if name.endswith(ending)
    }
    inputs = weights["weight_ih_l0"].shape[1]
    layer = FusedLSTM(
        inputs, lstm.hidden_size, bias=lstm.bias, batch_first=lstm.batch_first, device="meta", backend=lstm.backend
    )  # on "meta" nothing is drawn at random or kept
    layer.load_state_dict(weights, assign=True)
    return layer


def zeros_for(network: Network, window: int) -> Tensor:
    """A sequence that a network takes, [1, n, D]."""
    return network.dense.weight.new_zeros(1, window, network.lstm.input_size)


def check_window(window: int) -> None:
    """Refuse a window without steps.

    Raises:
        ValueError: it is not positive.
    """
    if window < 1:
        raise ValueError(f"window is {window}, needs at least one step")


def count(module: nn.Module) -> int:
    """Parameters of a module, trainable or not."""
    return sum(weight.numel() for weight in module.parameters())


def written(shape: Shape, *, batch: bool = True) -> str:
    """A shape as [B, 6, 1]; its first size is the batch's, unless it has none."""
    return f"[{', '.join(['B', *map(str, shape[1:])] if batch else map(str, shape))}]"


def _layer(name: str, units: int, module: nn.Module, taken: Tensor, given: Tensor) -> Layer:
    weights = {key.removesuffix("_l0"): tuple(value.shape) for key, value in module.named_parameters()}
    return Layer(name, units, weights, count(module), tuple(taken.shape), tuple(given.shape))
