"""What torch.jit and torch.fx write down of our modules: torch's own operators, or the module as a leaf."""

from typing import Any, NoReturn

import torch
from torch import Tensor, fx, nn

Recorded = fx.Proxy


def traced_stack(
    module: Any, x: Tensor, batch_sizes: Tensor | None, states: tuple[Tensor | None, Tensor | None], weights: list[Any]
) -> tuple[Tensor, Tensor, Tensor]:
    """A call of `FusedLSTM` while torch.jit.trace watches: its trace then takes any number of steps and sequences.

    Args:
        module: with the attributes of `torch.nn.LSTM`.
        x: [T, B, I], or [N, I] with `batch_sizes`.
        batch_sizes: sequences at each step of packed ones; None where all are as long.
        states: in three dimensions, in the order of x; None for zeros.
        weights: five for each layer and direction, None for those that are not there.

    Returns:
        output, h_n, c_n.
    """
    many: Any = x.size(1) if batch_sizes is None else batch_sizes[0]
    sizes = module.proj_size or module.hidden_size, module.hidden_size
    hx = [
        x.new_zeros(len(weights) // 5, many, size) if state is None else state
        for state, size in zip(states, sizes, strict=True)
    ]
    for k in range(2, len(weights), 5):  # torch has two biases or none
        if weights[k] is not None and weights[k + 1] is None:
            weights[k + 1] = torch.zeros_like(weights[k])
    given = [weight for weight in weights if weight is not None]
    how = weights[2] is not None, module.num_layers, module.dropout, module.training, module.bidirectional
    operator: Any = torch.lstm
    found: tuple[Tensor, Tensor, Tensor] = (
        operator(x, hx, given, *how, False) if batch_sizes is None else operator(x, batch_sizes, hx, given, *how)
    )
    return found


def leaf(module: nn.Module, *inputs: Any) -> Any:
    """A call while torch.fx writes down what a model does: one node, as for the modules of torch.nn.

    Args:
        module: one of ours.
        inputs: of its call; the first stands for a tensor that is not there yet.
    """
    tracer = inputs[0].tracer
    given = tuple(one for one in inputs if one is not None)
    return tracer.create_proxy("call_module", tracer.path_of_module(module), given, {})


def refuse_script(module: nn.Module) -> NoReturn:
    """Say what torch.jit.script, which compiles Python's source, can be given instead.

    Raises:
        RuntimeError: always.
    """
    raise RuntimeError(
        f"torch.jit.script cannot compile {type(module).__name__}, whose kernels are no TorchScript; "
        "script fastgan.revert(copy.deepcopy(model)).model, which has torch's modules and the same weights, "
        "or use torch.export or torch.jit.trace"
    )
