"""The truth for float64: an LSTM forward and backward in numpy's `longdouble`, formula by formula as docs/lstm.md has them.

It is slow and knows plain cases alone: one direction, no states given, sequences of one length.
"""

import numpy as np
from torch import Tensor

Wide = np.ndarray  # of longdouble

POSSIBLE = np.finfo(np.longdouble).eps < np.finfo(np.float64).eps
IMPOSSIBLE = "this machine has no number format finer than float64, in which its errors could be seen"


def wide(value: Tensor | Wide) -> Wide:
    """Numbers as `longdouble`."""
    return value.detach().double().numpy().astype(np.longdouble) if isinstance(value, Tensor) else value


def lstm(
    weights: dict[str, Tensor], x: Tensor, cotangent: Tensor | None, *, input_gradient: bool = False
) -> dict[str, Wide]:
    """What `torch.nn.LSTM` with these weights answers.

    Args:
        weights: by torch's names, both biases included.
        x: [T, B, I].
        cotangent: [T, B, H], of the output; None for a forward pass alone.
        input_gradient: whether the gradient of x is among the answers.

    Returns:
        output, h_n, c_n and, with a cotangent, "gradient of" every weight.
    """
    layers = sum(name.startswith("weight_hh") for name in weights)
    values = {name: wide(weight) for name, weight in weights.items()}
    inputs, kept, h_n, c_n = [wide(x)], [], [], []
    for layer in range(layers):
        steps, state, cell = _forward(values, layer, inputs[-1])
        kept.append(steps)
        inputs.append(np.stack([o * tanh_c for _, _, _, o, _, _, tanh_c in steps]))
        h_n.append(state)
        c_n.append(cell)
    found = {"output": inputs[-1], "h_n": np.stack(h_n), "c_n": np.stack(c_n)}
    if cotangent is None:
        return found
    above = wide(cotangent)
    for layer in reversed(range(layers)):
        above, gradients = _backward(values, layer, inputs[layer], kept[layer], above)
        found |= {f"gradient of {name}_l{layer}": value for name, value in gradients.items()}
    if input_gradient:
        found["gradient of x"] = above
    return found


def _forward(values: dict[str, Wide], layer: int, x: Wide) -> tuple[list[tuple[Wide, ...]], Wide, Wide]:
    """Each step's i, f, g, o, c before it, h before it and tanh(c); the last h and c."""
    w_ih, w_hh, b_ih, b_hh = (values[f"{name}_l{layer}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    h = c = np.zeros((x.shape[1], w_hh.shape[1]), np.longdouble)
    steps = []
    for x_t in x:
        a_i, a_f, a_g, a_o = np.split(x_t @ w_ih.T + h @ w_hh.T + b_ih + b_hh, 4, axis=1)
        i, f, g, o = _sigmoid(a_i), _sigmoid(a_f), np.tanh(a_g), _sigmoid(a_o)
        before = c, h
        c = f * c + i * g
        h = o * np.tanh(c)
        steps.append((i, f, g, o, *before, np.tanh(c)))
    return steps, h, c


def _backward(
    values: dict[str, Wide], layer: int, x: Wide, steps: list[tuple[Wide, ...]], above: Wide
) -> tuple[Wide, dict[str, Wide]]:
    """The gradient of x, and those of the layer's weights."""
    w_ih, w_hh = values[f"weight_ih_l{layer}"], values[f"weight_hh_l{layer}"]
    d_ih, d_hh, d_b = np.zeros_like(w_ih), np.zeros_like(w_hh), np.zeros(len(w_ih), np.longdouble)
    d_h = d_c = np.zeros_like(steps[0][0])
    d_x = np.zeros_like(x)
    for t in reversed(range(len(steps))):
        i, f, g, o, c_before, h_before, tanh_c = steps[t]
        d_h = d_h + above[t]
        d_c = d_c + d_h * o * (1 - tanh_c**2)
        d_a = np.concatenate(
            (
                d_c * g * i * (1 - i),
                d_c * c_before * f * (1 - f),
                d_c * i * (1 - g**2),
                d_h * tanh_c * o * (1 - o),
            ),
            axis=1,
        )
        d_ih, d_hh, d_b = d_ih + d_a.T @ x[t], d_hh + d_a.T @ h_before, d_b + d_a.sum(axis=0)
        d_x[t], d_h, d_c = d_a @ w_ih, d_a @ w_hh, d_c * f
    return d_x, {"weight_ih": d_ih, "weight_hh": d_hh, "bias_ih": d_b, "bias_hh": d_b}


def _sigmoid(x: Wide) -> Wide:
    return 1 / (1 + np.exp(-x))
