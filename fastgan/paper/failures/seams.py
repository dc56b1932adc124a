"""The seams between sequences of n values that are joined: how strong the lines are that they draw into the spectrum."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SEQUENCES = 1024  # in a block of the spectrum: a line then fills one bin of rate / (1024 n), 3.6 Hz for n = 6
_FEWEST = 16  # below it a line has no neighbours to stand out from
_BESIDE = 4  # the neighbours of a line: a quarter of the way to the next one on both sides


@dataclass(frozen=True)
class Seams:
    """The lines at the multiples of rate / n, up to half the rate."""

    hz: tuple[float, ...]
    over_db: tuple[float, ...]  # energy of each line over the mean of the bins beside it; 0 where there is no line
    shares: tuple[float, ...]  # of the energy without the mean


def measure_seams(samples: NDArray[np.int16], rate: int, *, window: int) -> Seams:
    """Measure the lines that sequences of n values leave when they stand one after the other.

    Each begins in the same state, so the mean of its k-th value is a pattern of n values that repeats: lines at the multiples of
    rate / n. Blocks hold whole sequences, so that each line lies in one bin and needs no taper.

    Args:
        samples: [N], 16 sequences or more.
        rate: Hz.
        window: n, values in a sequence, at least 2.

    Returns:
        The lines; the mean over the blocks.

    Raises:
        ValueError: the sound is too short or never moves, or the window is below 2.
    """
    sequences = min(_SEQUENCES, len(samples) // max(window, 2))
    if window < 2 or sequences < _FEWEST:
        raise ValueError(
            f"{len(samples)} samples in sequences of {window}; needs {_FEWEST} sequences or more of 2 values or more"
        )
    length = sequences * window
    blocks = samples[: len(samples) // length * length].reshape(-1, length) / 32_768
    energy = (np.abs(np.fft.rfft(blocks, axis=1)) ** 2).mean(axis=0)  # [bins]
    energy[1 : (length + 1) // 2] *= 2  # the bins of negative frequencies
    energy[0] = 0.0
    if not energy.any():
        raise ValueError("the sound never moves, so it has no spectrum")
    lines = range(sequences, length // 2 + 1, sequences)
    return Seams(
        hz=tuple(line * rate / length for line in lines),
        over_db=tuple(_over_neighbours(energy, line, sequences // _BESIDE) for line in lines),
        shares=tuple(float(energy[line] / energy.sum()) for line in lines),
    )


def _over_neighbours(energy: NDArray[np.float64], line: int, reach: int) -> float:
    around = np.concatenate((energy[line - reach : line], energy[line + 1 : line + 1 + reach]))
    beside = float(around.mean())
    if not energy[line]:
        return 0.0
    return 10 * math.log10(energy[line] / beside) if beside else math.inf
