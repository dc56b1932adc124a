"""Numbers as the report writes them."""

import math
from collections.abc import Iterable


def small(value: float | None) -> str:
    """A loss or a share: 1.177e-04; 0 as it is; a dash for none."""
    if value is None:
        return "-"
    return "0" if value == 0 else f"{value:.3e}"


def gain_db(power: float, error: float | None) -> str:
    """How far an error lies under a power, dB."""
    if error is None or power <= 0:
        return "-"
    return "infinite" if error == 0 else f"{10 * math.log10(power / error):.1f} dB"


def percent(value: float | None) -> str:
    """A share of 1 in percent."""
    return "-" if value is None else f"{100 * value:.3g} %"


def decibel(value: float | None) -> str:
    """A ratio that is in dB already."""
    return "-" if value is None else f"{value:.1f} dB"


def shape_of(shape: Iterable[int | None]) -> str:
    """A shape as the paper writes it: (None, 6, 128)."""
    return f"({', '.join(map(str, shape))})"
