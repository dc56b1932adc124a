"""Modules with weights. They own parameters and convenience, never arithmetic of their own."""

from fastgan.nn.cell import FusedLSTMCell
from fastgan.nn.lstm import FusedLSTM

__all__ = ["FusedLSTM", "FusedLSTMCell"]
