"""An LSTM-GAN that learns to make music, and a fused LSTM that drops in for torch.nn.LSTM.

Importing this package loads neither torch nor anything else heavy; `FusedLSTM` and its companions are fetched when they
are first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from fastgan.version import VERSION as __version__

if TYPE_CHECKING:
    from fastgan.nn.cell import FusedLSTMCell
    from fastgan.nn.convert import convert, revert
    from fastgan.nn.lstm import FusedLSTM
    from fastgan.ops.native import empty_cache

__all__ = ["FusedLSTM", "FusedLSTMCell", "convert", "empty_cache", "revert", "__version__"]

_HOMES = {
    "FusedLSTM": "fastgan.nn.lstm",
    "FusedLSTMCell": "fastgan.nn.cell",
    "convert": "fastgan.nn.convert",
    "empty_cache": "fastgan.ops.native",
    "revert": "fastgan.nn.convert",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
