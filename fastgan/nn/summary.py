"""A network layer by layer, as the paper's Table 4 shows it."""

from torch import nn

from fastgan.nn.discriminator import Discriminator
from fastgan.nn.generator import Generator


def summarise(network: Generator | Discriminator, window: int) -> str:
    """The table of layers, output shapes and parameters, as text.

    Args:
        network: a generator or discriminator; the dense layer is shown on the last step, as in the paper.
        window: steps in a sequence.
    """
    lstm = network.lstm
    layers = [sum(weight.numel() for weight in lstm.all_weights[layer]) for layer in range(lstm.num_layers)]
    shapes = [f"(None, {window}, {lstm.hidden_size})"] * (lstm.num_layers - 1) + [f"(None, {lstm.hidden_size})"]
    rows = [("LSTM", shape, count) for shape, count in zip(shapes, layers, strict=True)]
    rows.append(("Dense", f"(None, {network.dense.out_features})", _count(network.dense)))
    lines = [type(network).__name__, f"  {'Layer type':<12}{'Output shape':<18}{'Parameters':>10}"]
    lines += [f"  {name:<12}{shape:<18}{count:>10,}" for name, shape, count in rows]
    return "\n".join([*lines, *_totals(network)])


def outline(network: nn.Module) -> str:
    """The parts of any network with their parameters, as text."""
    lines = [type(network).__name__, f"  {'Part':<30}{'Parameters':>10}"]
    lines += [f"  {name:<30}{_count(part):>10,}" for name, part in network.named_children()]
    return "\n".join([*lines, *_totals(network)])


def _totals(network: nn.Module) -> list[str]:
    total, trainable = _count(network), sum(p.numel() for p in network.parameters() if p.requires_grad)
    counts = (("Total", total), ("Trainable", trainable), ("Non-trainable", total - trainable))
    return [f"  {name + ' parameters':<30}{count:>10,}" for name, count in counts]


def _count(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())
