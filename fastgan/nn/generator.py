"""The paper's generator: two LSTM layers and a dense one."""

import torch
from torch import Tensor, nn

from fastgan.nn.lstm import FusedLSTM

State = list[tuple[Tensor, Tensor]]
"""Hidden and cell state [B, H] of each layer."""


class Generator(nn.Module):
    """Two LSTM layers with one bias vector each, then a dense layer: 198,273 parameters for one feature and 128 units.

    Args:
        features: values per step of the sequence (1 for raw samples).
        hidden: units in each LSTM layer.
        backend: implementation of the LSTM, see `FusedLSTM`.
    """

    def __init__(self, features: int = 1, hidden: int = 128, *, backend: str = "auto"):
        super().__init__()
        self.lstm = FusedLSTM(features, hidden, num_layers=2, bias="single", batch_first=True, backend=backend)
        self.dense = nn.Linear(hidden, features)

    def forward(self, noise: Tensor) -> Tensor:
        """Make sequences in one pass, the dense layer on every step: noise [B, n, D] to [B, n, D]."""
        return self.dense(self.lstm(noise)[0])

    def next_value(self, window: Tensor) -> Tensor:
        """Predict what follows each window, the dense layer on the last step: [B, n, D] to [B, D]."""
        return self.dense(self.lstm(window)[0][:, -1])

    def advance(self, value: Tensor, state: State) -> tuple[Tensor, State]:
        """Take one step with given state: value [B, D], h and c [B, H] of each layer, to (prediction [B, D], new state).

        A step at a time, torch's cell costs a third of a call that is made for whole sequences.
        """
        lstm, new = self.lstm, []
        for layer, (hidden, cell) in enumerate(state):
            bias = getattr(lstm, f"bias_l{layer}")
            weights = getattr(lstm, f"weight_ih_l{layer}"), getattr(lstm, f"weight_hh_l{layer}")
            value, cell = torch.lstm_cell(value, (hidden, cell), *weights, bias, torch.zeros_like(bias))
            new.append((value, cell))
        return self.dense(value), new

    def zero_state(self, batch: int) -> State:
        """State before the first step: h and c [batch, H] of each layer."""
        shape = batch, self.lstm.hidden_size
        return [
            (self.dense.weight.new_zeros(shape), self.dense.weight.new_zeros(shape))
            for _ in range(self.lstm.num_layers)
        ]
