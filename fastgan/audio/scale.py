"""The reversible map between 16-bit samples and the floats that networks see."""

import numpy as np
from numpy.typing import NDArray

FULL_SCALE = 32_768
"""What the paper divides by: int16 then lies in [-1, 1), and +1.0 itself saturates to 32,767 on the way back."""


def normalise(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """Map int16 of any shape to float32 in [-1, 1); exact, so that `denormalise` gives back every value."""
    return samples.astype(np.float32) * np.float32(1 / FULL_SCALE)


def denormalise(values: NDArray[np.floating]) -> NDArray[np.int16]:
    """Map floats of any shape to the nearest int16; what lies outside [-1, 32767/32768] saturates.

    Raises:
        ValueError: a value is NaN or infinite, which no sample can hold.
    """
    if not np.isfinite(values).all():
        raise ValueError(
            f"{int((~np.isfinite(values)).sum())} of {values.size} values are NaN or infinite; sound needs numbers"
        )
    return np.clip(np.rint(values * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
