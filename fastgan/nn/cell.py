"""FusedLSTMCell: torch.nn.LSTMCell's arguments, weights and answers, one step at a time."""

import math

import torch
from torch import Tensor, nn

from fastgan.nn.lstm import check_alike, check_dtype
from fastgan.nn.recorded import Recorded, leaf, refuse_script
from fastgan.ops.lstm import Stack, check_name, lstm

States = tuple[Tensor, Tensor]


class FusedLSTMCell(nn.Module):
    """A drop-in for `torch.nn.LSTMCell`: same arguments, parameter names, initialisation, results and error messages.

    It is `FusedLSTM` with one layer and one step; everything said there of gradients and transforms holds. For whole
    sequences `FusedLSTM` is several times faster than a loop of cells. Under autocast the states have autocast's
    dtype.

    Args:
        input_size: values that come in (I).
        hidden_size: cells (H).
        bias: whether there are the two bias vectors.
        device: where the parameters are created.
        dtype: of the parameters.
        backend: as `FusedLSTM` takes it.

    Raises:
        ValueError: no backend has this name.
    """

    bias_ih: Tensor | None
    bias_hh: Tensor | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        backend: str = "auto",
    ) -> None:
        super().__init__()
        check_name(backend)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        self.backend = backend
        gates = 4 * hidden_size
        self.weight_ih = nn.Parameter(torch.empty((gates, input_size), device=device, dtype=dtype))
        self.weight_hh = nn.Parameter(torch.empty((gates, hidden_size), device=device, dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            vector = nn.Parameter(torch.empty(gates, device=device, dtype=dtype)) if bias else None
            self.register_parameter(name, vector)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every parameter anew, uniform in ±1/sqrt(H), in the order in which torch.nn.LSTMCell draws."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size else 0.0
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, input: Tensor, hx: States | None = None) -> States:
        """Take one step.

        Args:
            input: [B, I], or [I] without a batch.
            hx: (h_0 [B, H], c_0 [B, H]), without B for input without a batch; None for zeros.

        Returns:
            (h_1, c_1), shaped like hx.

        Raises:
            ValueError: the number of dimensions or the dtype of the input is wrong.
            RuntimeError: a size is wrong, a state's dtype or device is not the input's, or the named backend cannot
                run this.
        """
        if isinstance(input, Recorded):
            return leaf(self, input, hx)
        dims = input.dim()
        if dims not in (1, 2):
            raise ValueError(f"LSTMCell: Expected input to be 1D or 2D, got {dims}D instead")
        x = (input.unsqueeze(0) if dims == 1 else input).unsqueeze(0)  # [1, B, I]
        states = (None, None) if hx is None else self._states(hx, dims)
        weights = self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh
        if torch.jit.is_tracing():  # torch's own operator takes any number of sequences
            h, c = (x.new_zeros(x.size(1), self.hidden_size) if state is None else state for state in states)
            h, c = torch.lstm_cell(x[0], (h, c), *weights)
            return (h[0], c[0]) if dims == 1 else (h, c)
        self._check(x, states, weights[0])
        h0, c0 = (None if state is None else state.unsqueeze(0) for state in states)
        _, h, c = lstm(Stack(x, h0, c0, None, (*weights, None), 1), backend=self.backend)
        return (h[0, 0], c[0, 0]) if dims == 1 else (h[0], c[0])

    def _states(self, hx: States, dims: int) -> States:
        """Both states as [B, H]."""
        for place, state in enumerate(hx):
            if state.dim() not in (1, 2):
                raise ValueError(f"LSTMCell: Expected hx[{place}] to be 1D or 2D, got {state.dim()}D instead")
        if len(hx) != 2:
            raise RuntimeError("lstm_cell expects two hidden states")
        h, c = hx
        return (h.unsqueeze(0), c.unsqueeze(0)) if dims == 1 else (h, c)

    def _check(self, x: Tensor, states: tuple[Tensor | None, Tensor | None], weight: Tensor) -> None:
        """Refuse what torch.nn.LSTMCell refuses, in its words where they say what is wrong."""
        if x.size(-1) != self.input_size:
            raise RuntimeError(f"input has inconsistent input_size: got {x.size(-1)} expected {self.input_size}")
        check_dtype(x, weight)
        for place, state in enumerate(states):
            if state is None:
                continue
            if state.size(0) != x.size(1):
                raise RuntimeError(
                    f"Input batch size {x.size(1)} doesn't match hidden{place} batch size {state.size(0)}"
                )
            if state.dim() != 2 or state.size(1) != self.hidden_size:
                found = state.size(1) if state.dim() > 1 else "no such dimension"
                raise RuntimeError(
                    f"hidden{place} has inconsistent hidden_size: got {found}, expected {self.hidden_size}"
                )
            check_alike(x, state, "hidden")
        check_alike(x, weight, "parameter")

    def __prepare_scriptable__(self) -> nn.Module:
        """Called by torch.jit.script."""
        refuse_script(self)

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults, as torch.nn.LSTMCell shows them."""
        shown = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            shown += f", bias={self.bias}"
        return shown if self.backend == "auto" else f"{shown}, backend={self.backend}"
