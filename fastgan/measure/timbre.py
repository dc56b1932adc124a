"""A description of sound that needs no network: how levels in bands lie, spread and rise within three seconds."""

import numpy as np
from numpy.typing import NDArray

from fastgan.measure.log_mel import hop_s as frame_s
from fastgan.measure.log_mel import log_mel

BANDS = 48
PATCH_S = 3.0
"""Length of a patch, as that of musicnn."""

Samples = NDArray[np.int16]


class Timbre:
    """Describes patches by their mean level, its spread and its mean rise in each band, dB: 144 numbers.

    It hears timbre, density and attacks, not harmony; `fastgan.measure.musicnn` hears more and is to be preferred.
    """

    version = f"timbre 1, {BANDS} bands"
    """Changes whenever the same sound would be described by other numbers."""

    def embed(self, samples: Samples, rate: int, *, hop_s: float = 1.0) -> NDArray[np.float32]:
        """Describe each patch of a sound.

        Args:
            samples: int16 [N], at least `PATCH_S` long.
            rate: Hz.
            hop_s: seconds from one patch to the next.

        Returns:
            float32 [P, 144].

        Raises:
            ValueError: the sound is shorter than a patch.
        """
        if len(samples) < PATCH_S * rate:
            raise ValueError(f"the sound has {len(samples) / rate:.3f} s; a patch is {PATCH_S} s")
        levels = log_mel(samples, rate, BANDS)
        length, hop = round(PATCH_S / frame_s(rate)) - 4, max(1, round(hop_s / frame_s(rate)))  # frames overlap by 3
        patches = np.lib.stride_tricks.sliding_window_view(levels, length, axis=0)[::hop]  # [P, BANDS, length]
        rises = np.maximum(np.diff(patches, axis=2), 0)
        parts = (patches.mean(2), patches.std(2), rises.mean(2) * length**0.5)  # about as large as each other
        return np.concatenate(parts, axis=1).astype(np.float32)
