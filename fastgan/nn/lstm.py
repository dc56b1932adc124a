"""FusedLSTM: torch.nn.LSTM's arguments, weights and answers, computed by the fastest backend that can."""

import math
import warnings
from collections.abc import Sequence
from typing import Literal, overload

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from fastgan.ops.lstm import check_name, lstm_layer
from fastgan.ops.registry import autocast_on

States = tuple[Tensor, Tensor]


class FusedLSTM(nn.Module):
    """A drop-in for `torch.nn.LSTM`: same arguments, parameter names, initialisation, results and error messages.

    Beyond it: gradients can be differentiated again, backward works in eval mode, `torch.compile(fullgraph=True)` and
    `torch.func` transforms work, and the same seed gives the same bits. It does not inherit from `torch.nn.LSTM`, at
    whose instances the compiler breaks its graph.

    Args:
        input_size: values per time step that come in (I).
        hidden_size: cells per layer and direction (H).
        num_layers: layers, each fed with the output of the one below.
        bias: True for torch's two bias vectors per layer, False for none, "single" for one vector `bias_l0` per
            layer, as Keras has it.
        batch_first: whether input and output are [B, T, ...] and not [T, B, ...]; states never are.
        dropout: the probability that a value between two layers is dropped in training.
        bidirectional: whether a second set of cells reads the sequence backwards.
        proj_size: when above 0, hidden states are projected to this many values (R).
        device: where the parameters are created.
        dtype: of the parameters.
        backend: "auto" for the fastest that can run a call, or "reference", "cpu", "triton", "cuda" for that one alone.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is out of its range, or no backend has this name.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool | Literal["single"] = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        backend: str = "auto",
    ) -> None:
        super().__init__()
        _check_arguments(input_size, hidden_size, num_layers, bias, batch_first, dropout, proj_size)
        check_name(backend)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self.backend = backend
        self._names = [self._create(layer, way, device, dtype) for layer in range(num_layers) for way in self._ways]
        self.reset_parameters()

    @property
    def _ways(self) -> tuple[str, ...]:
        return ("", "_reverse") if self.bidirectional else ("",)

    @property
    def _output_size(self) -> int:
        return self.proj_size or self.hidden_size

    def _create(
        self, layer: int, way: str, device: torch.device | str | None, dtype: torch.dtype | None
    ) -> dict[str, str]:
        """Register the parameters of one layer in one direction; gives their names by what they are."""
        gates = 4 * self.hidden_size
        inputs = self._output_size * len(self._ways) if layer else self.input_size
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (gates, inputs), "weight_hh": (gates, self._output_size)}
        if self.bias == "single":
            shapes["bias"] = (gates,)
        elif self.bias:
            shapes |= {"bias_ih": (gates,), "bias_hh": (gates,)}
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        names = {kind: f"{kind}_l{layer}{way}" for kind in shapes}
        for kind, shape in shapes.items():
            self.register_parameter(names[kind], nn.Parameter(torch.empty(shape, device=device, dtype=dtype)))
        return names

    def reset_parameters(self) -> None:
        """Draw every parameter anew, uniform in ±1/sqrt(H), in the order in which torch.nn.LSTM draws."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The weights of each layer and direction, as `torch.nn.LSTM.all_weights` gives them."""
        return [[getattr(self, name) for name in names.values()] for names in self._names]

    def flatten_parameters(self) -> None:
        """Does nothing: parameters may lie anywhere. It is here because callers of torch.nn.LSTM call it."""

    @overload
    def forward(self, input: PackedSequence, hx: States | None = None) -> tuple[PackedSequence, States]: ...

    @overload
    def forward(self, input: Tensor, hx: States | None = None) -> tuple[Tensor, States]: ...

    def forward(
        self, input: Tensor | PackedSequence, hx: States | None = None
    ) -> tuple[Tensor | PackedSequence, States]:
        """Run the sequence through all layers.

        Args:
            input: [T, B, I], [B, T, I] with `batch_first`, [T, I] without a batch, or a PackedSequence.
            hx: (h_0 [L * D, B, R], c_0 [L * D, B, H]) for L layers and D directions, without B for input without a
                batch; None for zeros. R is H unless states are projected.

        Returns:
            output [T, B, D * R] in the layout of the input, and (h_n, c_n) shaped like hx.

        Raises:
            ValueError: the input's dimensions or dtype are wrong.
            RuntimeError: a size is wrong, a sequence is empty, or the named backend cannot run this.
        """
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        if input.dim() not in (2, 3):
            raise ValueError(f"LSTM: Expected input to be 2D or 3D, got {input.dim()}D instead")
        batched = input.dim() == 3
        if hx is not None and (hx[0].dim() != input.dim() or hx[1].dim() != input.dim()):
            raise RuntimeError(
                f"For {'batched 3-D' if batched else 'unbatched 2-D'} input, hx and cx should also be {input.dim()}-D "
                f"but got ({hx[0].dim()}-D, {hx[1].dim()}-D) tensors"
            )
        x = input if batched else input.unsqueeze(1)
        if batched and self.batch_first:
            x = x.transpose(0, 1)
        if hx is not None and not batched:
            hx = (hx[0].unsqueeze(1), hx[1].unsqueeze(1))
        self._check(x, hx, x.size(1))
        if x.size(0) == 0:
            raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
        output, h_n, c_n = self._layers(x, hx, None)
        if not batched:
            return output.squeeze(1), (h_n.squeeze(1), c_n.squeeze(1))
        return (output.transpose(0, 1) if self.batch_first else output), (h_n, c_n)

    def _forward_packed(self, packed: PackedSequence, hx: States | None) -> tuple[PackedSequence, States]:
        data, batch_sizes, sorted_indices, unsorted_indices = packed
        sizes = batch_sizes.tolist()
        if hx is not None and sorted_indices is not None:
            hx = (hx[0].index_select(1, sorted_indices), hx[1].index_select(1, sorted_indices))
        if data.dim() != 2:
            raise RuntimeError(f"input must have 2 dimensions, got {data.dim()}")
        self._check(data, hx, sizes[0])
        output, h_n, c_n = self._layers(data, hx, sizes)
        if unsorted_indices is not None:
            h_n, c_n = h_n.index_select(1, unsorted_indices), c_n.index_select(1, unsorted_indices)
        return PackedSequence(output, batch_sizes, sorted_indices, unsorted_indices), (h_n, c_n)

    def _layers(self, x: Tensor, hx: States | None, batch_sizes: Sequence[int] | None) -> tuple[Tensor, Tensor, Tensor]:
        """Every layer and direction; x is [T, B, I] or, packed, [N, I]."""
        ways = len(self._ways)
        h_n: list[Tensor] = []
        c_n: list[Tensor] = []
        outputs: list[Tensor] = []
        for place, names in enumerate(self._names):
            if place and place % ways == 0:
                x = outputs[0] if ways == 1 else torch.cat(outputs, dim=-1)
                outputs = []
                if self.dropout and self.training:
                    x = nn.functional.dropout(x, self.dropout, True)
            weights = {kind: getattr(self, name) for kind, name in names.items()}  # looked up: they may be replaced
            bias = weights["bias_ih"] + weights["bias_hh"] if "bias_ih" in weights else weights.get("bias")
            h, h_last, c_last = lstm_layer(
                x,
                weights["weight_ih"],
                weights["weight_hh"],
                bias,
                None if hx is None else hx[0][place],
                None if hx is None else hx[1][place],
                weights.get("weight_hr"),
                batch_sizes=batch_sizes,
                reverse=place % ways == 1,
                backend=self.backend,
            )
            outputs.append(h)
            h_n.append(h_last)
            c_n.append(c_last)
        output = outputs[0] if ways == 1 else torch.cat(outputs, dim=-1)
        return output, torch.stack(h_n), torch.stack(c_n)

    def _check(self, x: Tensor, hx: States | None, batch: int) -> None:
        """Refuse what torch.nn.LSTM refuses, in its words."""
        dtype = getattr(self, self._names[0]["weight_ih"]).dtype
        if x.dtype != dtype and not autocast_on(x.device.type):
            raise ValueError(
                f"RNN input dtype ({x.dtype}) does not match weight dtype ({dtype}). "
                f"Convert input: input.to({dtype}), or convert model: model.to({x.dtype})"
            )
        if self.input_size != x.size(-1):
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {x.size(-1)}"
            )
        if hx is None:
            return
        for place, (state, size) in enumerate(zip(hx, (self._output_size, self.hidden_size), strict=True)):
            expected = (len(self._names), batch, size)
            if state.size() != expected:
                raise RuntimeError(f"Expected hidden[{place}] size {expected}, got {list(state.size())}")

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults, as torch.nn.LSTM shows them."""
        shown = [f"{self.input_size}, {self.hidden_size}"]
        defaults = {
            "proj_size": 0,
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0.0,
            "bidirectional": False,
            "backend": "auto",
        }
        shown += [f"{name}={getattr(self, name)}" for name, value in defaults.items() if getattr(self, name) != value]
        return ", ".join(shown)


def _check_arguments(
    input_size: object,
    hidden_size: object,
    num_layers: int,
    bias: object,
    batch_first: object,
    dropout: object,
    proj_size: int,
) -> None:
    """Refuse what torch.nn.LSTM's constructor refuses, in its words and its order."""
    if not isinstance(dropout, int | float) or not 0 <= dropout <= 1 or isinstance(dropout, bool):
        raise ValueError(
            "dropout should be a number in range [0, 1] representing the probability of an element being zeroed"
        )
    if dropout > 0 and num_layers == 1:
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
            f"num_layers greater than 1, but got dropout={dropout} and num_layers={num_layers}",
            stacklevel=3,
        )
    if not isinstance(bias, bool) and bias != "single":
        raise TypeError(f"bias should be of type bool, got: {type(bias).__name__}")
    if not isinstance(batch_first, bool):
        raise TypeError(f"batch_first should be of type bool, got: {type(batch_first).__name__}")
    for name, size in (("input_size", input_size), ("hidden_size", hidden_size)):
        if not isinstance(size, int):
            raise TypeError(f"{name} should be of type int, got: {type(size).__name__}")
        if size <= 0:
            raise ValueError(f"{name} must be greater than zero")
    if num_layers <= 0:
        raise ValueError("num_layers must be greater than zero")
    if proj_size < 0:
        raise ValueError("proj_size should be a positive integer or zero to disable projections")
    if isinstance(hidden_size, int) and proj_size >= hidden_size:
        raise ValueError("proj_size has to be smaller than hidden_size")
