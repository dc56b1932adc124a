"""What the paper reports, as printed: "Generating Music with Generative Adversarial Networks and Long Short-Term Memory".

Y. Dai, T. Xin and Y. Zheng. Numbers are those of its tables; readings of them are marked as ours.
"""

from typing import Any, NamedTuple

EPOCHS = (3, 4, 5, 6, 7, 8, 40, 50)
"""All that it trained for: Table 5 has 3, Table 3 some of the others."""
FEW, MANY = 10, 100
"""Clips of its two experiments."""
SECONDS_PER_EPOCH = (1_300, 1_500)
"""On Colab's GPU, 100 clips of 30 s."""
WINDOWS = 9_450_000
"""In an epoch of 100 clips: 100 x 661,500 samples / 6, six clips of seven. Our reading."""

STRUCTURE: dict[str, Any] = {
    "epochs": 5,
    "valid label": (3, 1),
    "fake label": (3, 1),
    "true": (3, 6, 1),
    "fake": (3, 6, 1),
}
"""Table 1."""
SIGNAL: dict[str, Any] = {"sample rate, Hz": 22_050, "length, samples": 44_100, "type": "PCM16bit"}
"""Table 2. The text says 44.1 kHz."""
LAYERS: tuple[tuple[str, tuple[int | None, ...], int], ...] = (
    ("LSTM", (None, 6, 128), 66_560),
    ("LSTM", (None, 128), 131_584),
    ("Dense", (None, 1), 129),
)
"""Table 4: type, output shape, parameters."""
PARAMETERS = {"total": 198_273, "trainable": 198_273, "non-trainable": 0}
"""Table 4."""


class Learning(NamedTuple):
    """A line of Table 3 or 5."""

    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float


TABLE_3 = {
    5: Learning(1.177, 9.007, 9.406, 7.493),
    6: Learning(1.173, 9.007, 9.506, 7.493),
    7: Learning(1.167, 9.007, 9.879, 7.493),
    8: Learning(1.168, 9.007, 1.002, 7.493),
    40: Learning(1.144, 9.007, 9.786, 7.493),
    50: Learning(1.141, 9.007, 9.471, 7.493),
}
"""As printed, by epochs; 100 clips."""
TABLE_5 = {
    FEW: Learning(2.7026e-05, 1.7993e-04, 2.4748e-05, 5.4875e-04),
    MANY: Learning(1.1901e-04, 9.0071e-04, 1.0110e-04, 7.4928e-04),
}
"""By clips; 3 epochs."""


def restored(printed: Learning) -> Learning:
    """A line of Table 3 with the exponents that it lost, each the one that brings it nearest to Table 5's 100 clips. Our reading."""

    def nearest(value: float, like: float) -> float:
        return min((value * 10.0**-power for power in range(9)), key=lambda one: abs(one / like - 1))

    return Learning(*map(nearest, printed, TABLE_5[MANY]))
