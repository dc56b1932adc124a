"""An LSTM-GAN that learns to make music, and a fused LSTM that drops in for torch.nn.LSTM.

Importing this package loads neither torch nor anything else heavy; `FusedLSTM` is fetched when it is first used.
"""

from typing import TYPE_CHECKING, Any

from fastgan.version import VERSION as __version__

if TYPE_CHECKING:
    from fastgan.nn.lstm import FusedLSTM

__all__ = ["FusedLSTM", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "FusedLSTM":
        from fastgan.nn.lstm import FusedLSTM

        globals()[name] = FusedLSTM
        return FusedLSTM
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
