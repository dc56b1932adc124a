"""The paper's generator: two LSTM layers and a dense one."""

from torch import Tensor, nn

from fastgan.nn.lstm import FusedLSTM
from fastgan.ops.lstm.free_run import free_run, kind_of_run
from fastgan.ops.lstm.stepwise import FreeRun, Layer, Net


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

    def free_run(self, clips: int, windows: int) -> FreeRun:
        """Begin to read its own values, see `fastgan.ops.lstm.free_run`; later changes of the weights do not reach it.

        Args:
            clips: made at once.
            windows: n, for predictions as `next_value` makes them; 0 to carry one state of each clip on for ever.
        """
        return free_run(self.net(), clips=clips, windows=windows, backend=self.lstm.backend)

    def kind_of_run(self, clips: int, windows: int) -> type[FreeRun]:
        """How such a run would go."""
        return kind_of_run(self.net(), clips=clips, windows=windows, backend=self.lstm.backend)

    def net(self) -> Net:
        """The weights, as such a run takes them."""
        layers: list[Layer] = [(*weights, None) for weights in self.lstm.all_weights]  # type: ignore[misc]
        return Net(layers, self.dense.weight, self.dense.bias)
