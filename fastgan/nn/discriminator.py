"""The paper's discriminator: two LSTM layers and a dense one."""

from torch import Tensor, nn

from fastgan.nn.lstm import FusedLSTM


class Discriminator(nn.Module):
    """Tell real sequences from generated ones; layers and sizes as in `Generator`, one output.

    Args:
        features: values per step of the sequence.
        hidden: units in each LSTM layer.
        backend: implementation of the LSTM, see `FusedLSTM`.
    """

    def __init__(self, features: int = 1, hidden: int = 128, *, backend: str = "auto"):
        super().__init__()
        self.lstm = FusedLSTM(features, hidden, num_layers=2, bias="single", batch_first=True, backend=backend)
        self.dense = nn.Linear(hidden, 1)

    def forward(self, sequence: Tensor) -> Tensor:
        """Judge sequences [B, n, D]: logits [B], above 0 for real."""
        return self.dense(self.lstm(sequence)[0][:, -1])[:, 0]
