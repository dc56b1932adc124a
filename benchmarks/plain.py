"""The same networks as a practitioner writes them, on torch.nn.LSTM."""

import torch
from torch import Tensor, nn


def with_torch(lstm: nn.Module) -> nn.LSTM:
    """A torch.nn.LSTM with the weights of a FusedLSTM that has two layers and one bias in each: torch's second one is 0."""
    ours = lstm.state_dict()
    hidden, inputs = ours["weight_hh_l0"].shape[1], ours["weight_ih_l0"].shape[1]
    theirs = nn.LSTM(inputs, hidden, num_layers=2, batch_first=True).to(ours["weight_ih_l0"].dtype)
    state = {}
    for name, value in theirs.state_dict().items():
        kind = name.replace("bias_ih", "bias")
        state[name] = torch.zeros_like(value) if name.startswith("bias_hh") else ours[kind]
    theirs.load_state_dict(state)
    return theirs


class Generator(nn.Module):
    """LSTM and dense layer, with the weights of one of ours."""

    def __init__(self, ours: nn.Module):
        super().__init__()
        self.lstm = with_torch(ours.lstm)  # type: ignore[arg-type]
        self.dense = nn.Linear(self.lstm.hidden_size, self.lstm.input_size).to(self.lstm.weight_hh_l0.dtype)
        self.dense.load_state_dict(ours.dense.state_dict())  # type: ignore[union-attr, operator]

    def forward(self, x: Tensor) -> Tensor:
        """[B, n, D] to [B, n, D], the dense layer on every step."""
        return self.dense(self.lstm(x)[0])

    def next_value(self, window: Tensor) -> Tensor:
        """[B, n, D] to [B, D]."""
        return self.dense(self.lstm(window)[0][:, -1])
