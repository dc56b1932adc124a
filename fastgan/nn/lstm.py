"""FusedLSTM: torch.nn.LSTM's arguments, weights and answers, computed by the fastest backend that can."""

import math
import warnings
from typing import Any, Literal, overload

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from fastgan.nn.recorded import Recorded, leaf, refuse_script, traced_stack
from fastgan.ops.lstm import Stack, check_name, lstm
from fastgan.ops.registry import autocast_on

States = tuple[Tensor, Tensor]

# What the op calls w_ih, w_hh, b_ih, b_hh, w_hr; a single bias stands in the place of the first.
_KINDS = (("weight_ih",), ("weight_hh",), ("bias_ih", "bias"), ("bias_hh",), ("weight_hr",))


class FusedLSTM(nn.Module):
    """A drop-in for `torch.nn.LSTM`: same arguments, parameter names, initialisation, results and error messages.

    Beyond it: gradients can be differentiated again, backward works in eval mode, `torch.compile(fullgraph=True)` and
    `torch.func` transforms work, and the same seed gives the same bits. It does not inherit from `torch.nn.LSTM`, at
    whose instances the compiler breaks its graph. `torch.jit.trace` records torch's own operator, `torch.fx` a leaf;
    `torch.jit.script` and `quantize_dynamic` want `fastgan.revert` first.

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

    mode = "LSTM"  # as torch's has it

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
        self._all_weights = [
            self._create(layer, way, device, dtype) for layer in range(num_layers) for way in self._ways
        ]
        self.parts = [_named(kinds, names) for names in self._all_weights for kinds in _KINDS]
        self.reset_parameters()

    @property
    def _ways(self) -> tuple[str, ...]:
        return ("", "_reverse") if self.bidirectional else ("",)

    @property
    def _output_size(self) -> int:
        return self.proj_size or self.hidden_size

    def _create(self, layer: int, way: str, device: torch.device | str | None, dtype: torch.dtype | None) -> list[str]:
        """Register the parameters of one layer in one direction; gives their names."""
        gates = 4 * self.hidden_size
        inputs = self._output_size * len(self._ways) if layer else self.input_size
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (gates, inputs), "weight_hh": (gates, self._output_size)}
        if self.bias == "single":
            shapes["bias"] = (gates,)
        elif self.bias:
            shapes |= {"bias_ih": (gates,), "bias_hh": (gates,)}
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        names = [f"{kind}_l{layer}{way}" for kind in shapes]
        for name, shape in zip(names, shapes.values(), strict=True):
            self.register_parameter(name, nn.Parameter(torch.empty(shape, device=device, dtype=dtype)))
        return names

    def reset_parameters(self) -> None:
        """Draw every parameter anew, uniform in ±1/sqrt(H), in the order in which torch.nn.LSTM draws."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The weights of each layer and direction, as `torch.nn.LSTM.all_weights` gives them."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

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
            RuntimeError: a size is wrong, a sequence is empty, a state's dtype or device is not the input's, or the named
                backend cannot run this.
        """
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        if isinstance(input, Recorded):
            return leaf(self, input, hx)
        dims = input.dim()
        if dims == 3:
            x = input.transpose(0, 1) if self.batch_first else input
        elif dims == 2:
            x = input.unsqueeze(1)
        else:
            raise ValueError(f"LSTM: Expected input to be 2D or 3D, got {dims}D instead")
        if hx is not None:
            hx = _states(hx, dims)
        output, h_n, c_n = self._run(x, hx, None)
        if dims == 2:
            return output.squeeze(1), (h_n.squeeze(1), c_n.squeeze(1))
        return (output.transpose(0, 1) if self.batch_first else output), (h_n, c_n)

    def _forward_packed(self, packed: PackedSequence, hx: States | None) -> tuple[PackedSequence, States]:
        data, batch_sizes, sorted_indices, unsorted_indices = packed
        if data.dim() != 2:
            raise RuntimeError(f"input must have 2 dimensions, got {data.dim()}")
        if hx is not None:
            hx = _states(hx, 3)
        output, h_n, c_n = self._run(data, hx, batch_sizes, sorted_indices)
        if unsorted_indices is not None:
            h_n, c_n = h_n.index_select(1, unsorted_indices), c_n.index_select(1, unsorted_indices)
        return PackedSequence(output, batch_sizes, sorted_indices, unsorted_indices), (h_n, c_n)

    def _run(
        self,
        x: Tensor,
        hx: States | None,
        batch_sizes: Tensor | None,
        sorted_indices: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Every layer and direction; x is [T, B, I] or, packed, [N, I]; hx is in the caller's order of sequences."""
        traced = torch.jit.is_tracing()
        sizes = () if batch_sizes is None or traced else tuple(batch_sizes.tolist())
        parameters = self._parameters
        weights: tuple[Any, ...] = tuple(
            [  # a list, since tuple() of a generator is slower
                None if name is None else parameters[name] if name in parameters else getattr(self, name)
                for name in self.parts
            ]
        )
        if not traced:  # what is checked of an example would be taken for every call
            self._check(x, hx, sizes[0] if sizes else x.size(1), weights[0])
        if hx is None:
            h0 = c0 = None
        else:
            h0, c0 = hx
            if sorted_indices is not None:
                h0, c0 = h0.index_select(1, sorted_indices), c0.index_select(1, sorted_indices)
        if traced:
            return traced_stack(self, x, batch_sizes, (h0, c0), list(weights))
        masks = self._masks(x) if self.dropout and self.training and self.num_layers > 1 else None
        stack = Stack(x, h0, c0, masks, weights, 2 if self.bidirectional else 1, sizes)
        return lstm(stack, backend=self.backend)

    def _masks(self, x: Tensor) -> Tensor:
        """What is multiplied into the outputs of all layers but the last, drawn as torch.nn.LSTM draws."""
        rows = x.shape[:-1]
        shape = (*rows, self._output_size * len(self._ways))
        if self.dropout == 1:
            return x.new_zeros((self.num_layers - 1, *shape)).flatten(1, -2)
        masks = [x.new_empty(shape).bernoulli_(1 - self.dropout) for _ in range(self.num_layers - 1)]
        return torch.stack(masks).flatten(1, -2) / (1 - self.dropout)

    def _check(self, x: Tensor, hx: States | None, batch: int, weight: Tensor) -> None:
        """Refuse what torch.nn.LSTM refuses, in its words."""
        check_dtype(x, weight)
        shape = x.shape
        if self.input_size != shape[-1]:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {shape[-1]}"
            )
        if hx is not None:
            for place, (state, size) in enumerate(zip(hx, (self._output_size, self.hidden_size), strict=True)):
                expected = (len(self._all_weights), batch, size)
                if state.size() != expected:
                    raise RuntimeError(f"Expected hidden[{place}] size {expected}, got {list(state.size())}")
                check_alike(x, state, "hidden")
        if shape[0] == 0:
            raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
        check_alike(x, weight, "parameter")

    def __prepare_scriptable__(self) -> nn.Module:
        """Called by torch.jit.script."""
        refuse_script(self)

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


def check_dtype(x: Tensor, weight: Tensor) -> None:
    """Refuse an input whose dtype is not that of the weights, and that autocast would not convert.

    Raises:
        ValueError: in torch's words.
    """
    if x.dtype is not weight.dtype and not (autocast_on(x.device.type) and x.is_floating_point()):
        raise ValueError(
            f"RNN input dtype ({x.dtype}) does not match weight dtype ({weight.dtype}). "
            f"Convert input: input.to({weight.dtype}), or convert model: model.to({x.dtype})"
        )


def check_alike(x: Tensor, other: Tensor, name: str) -> None:
    """Refuse a tensor that does not lie where the input does, or has another dtype.

    Args:
        x: the input.
        other: what is to be like it.
        name: "hidden" or "parameter", for the message.

    Raises:
        RuntimeError: in torch's words.
    """
    if other.device != x.device:
        raise RuntimeError(
            f"Input and {name} tensors are not at the same device, found input tensor at {x.device} "
            f"and {name} tensor at {other.device}"
        )
    if other.dtype is not x.dtype and not autocast_on(x.device.type):
        raise RuntimeError(
            f"Input and {name} tensors are not the same dtype, found input tensor with {x.dtype} "
            f"and {name} tensor with {other.dtype}"
        )


def _states(hx: States, dims: int) -> States:
    """Both states in three dimensions [L * D, B, ...], from those that go with an input of `dims` dimensions."""
    if len(hx) != 2:
        raise RuntimeError("lstm expects two hidden states")
    h0, c0 = hx
    if h0.dim() != dims or c0.dim() != dims:
        raise RuntimeError(
            f"For {'batched 3-D' if dims == 3 else 'unbatched 2-D'} input, hx and cx should also be {dims}-D "
            f"but got ({h0.dim()}-D, {c0.dim()}-D) tensors"
        )
    return (h0, c0) if dims == 3 else (h0.unsqueeze(1), c0.unsqueeze(1))


def _named(kinds: tuple[str, ...], names: list[str]) -> str | None:
    """Which of the names is of one of these kinds."""
    return next((name for kind in kinds for name in names if name.startswith(f"{kind}_l")), None)


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
