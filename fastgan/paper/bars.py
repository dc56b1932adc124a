"""What a linear predictor makes of the same windows: the bar that says whether a network has learnt anything."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fastgan.audio.store import Clip
from fastgan.gan.batches import Batches
from fastgan.gan.metrics import LinearPredictor
from fastgan.paper.setup import CPU, Setup

_WORK = 5e10  # products that the normal equations may take: a second or two
_TIMES_UNKNOWNS = 10  # windows at least, so that what is fitted is no noise
_VALUES = 1 << 21  # of windows at a time


@dataclass(frozen=True)
class Bar:
    """The closed-form linear predictor of order n, fitted to train windows, and what it is up against.

    Attributes:
        train, held_out: its mean squared errors.
        train_power, held_out_power: variances of the values to be predicted.
        train_zeros, held_out_zeros: shares of these values that are exactly 0.
        windows: it was fitted to.
    """

    train: float
    held_out: float
    train_power: float
    held_out_power: float
    train_zeros: float
    held_out_zeros: float
    windows: int


@torch.no_grad()
def linear_bar(setup: Setup, window: int, count: int) -> Bar:
    """Fit and measure the predictor on windows as the fit stage cuts them.

    Args:
        setup: has the music.
        window: n, values that it sees.
        count: clips of the experiment.
    """
    most = min(setup.sizes.bar_windows, max(_TIMES_UNKNOWNS * window, int(_WORK / window**2)))
    train, held_out = (_pairs(setup, clips, window, most) for clips in setup.clips(count))
    predictor = LinearPredictor.fit([train])
    return Bar(
        train=float(predictor.squared_error(*train)),
        held_out=float(predictor.squared_error(*held_out)),
        train_power=float(train[1].double().var()),
        held_out_power=float(held_out[1].double().var()),
        train_zeros=float((train[1] == 0).double().mean()),
        held_out_zeros=float((held_out[1] == 0).double().mean()),
        windows=len(train[1]),
    )


def _pairs(setup: Setup, clips: list[Clip], window: int, most: int) -> tuple[Tensor, Tensor]:
    """Windows [N, n, 1] in random order, and what follows them [N, 1]."""
    place = {"segment": window + 1, "hop": window, "device": CPU, "dtype": torch.float32}
    batches = Batches(setup.corpus, clips, **place, batch=1, seed=setup.seed)  # type: ignore[arg-type]
    rows = torch.cat(list(batches.chunks(min(most, len(batches.plan)), max(1, _VALUES // window))))
    return rows[:, :-1, None], rows[:, -1:]
