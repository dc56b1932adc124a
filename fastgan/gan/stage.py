"""What the loop needs to know of a stage: steps, a held-out measure and a sound."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fastgan.gan.networks import Networks

Losses = dict[str, Tensor]
"""Named scalars on the device, float64."""

Tick = Callable[[float], None]
"""Told the share done, 0 to 1, now and then; what it raises stops the work."""


class Stage(ABC):
    """One part of a run.

    Attributes:
        name: of the stage.
        trains: names of the networks that learn.
        judged_by: the column of the log that says which checkpoint is best, the lower the better.
        share: of a run's minutes, beside the shares of the other stages.
        goes_on: whether the measure compares with that of the stage before, so that the best of both is kept, and that of the stage
            under its own name.
        guards: names of the networks that go back to the best checkpoint when what they make is no music; none to let
            them go on whatever comes.
        game: the networks.
        batch: windows in a step.
        stride: optimiser steps that are done in a row.
        per_pass: steps in an epoch over all windows.
        progress: share of the stage that is done, by steps or by time, 0 to 1; the loop keeps it.
        problems: what is wrong with what was made last, in words, beside what the health check says of its sample.
        eased: how often the run went back to its best checkpoint in this stage; each time halves the learning rate.
        margin: how much worse than the best of the stage a measure may be before the run goes back.
        betas: of Adam.
    """

    name: str
    trains: tuple[str, ...]
    judged_by: str
    share: float = 1.0
    goes_on: bool = False
    guards: tuple[str, ...] = ()
    game: Networks
    batch: int
    stride: int
    per_pass: int
    progress: float = 0.0
    problems: tuple[str, ...] = ()
    eased: int = 0
    margin: float = float("inf")
    betas: tuple[float, float] = (0.9, 0.999)

    @abstractmethod
    def advance(self, first: int, count: int) -> Losses:
        """Do `count` optimiser steps from number `first` of the stage on; sums over them of named scalars."""

    @abstractmethod
    def evaluate(self, tick: Tick) -> dict[str, float]:
        """Measure the networks on what they did not learn from; plain numbers by name."""

    @abstractmethod
    def sample(self, length: int, tick: Tick) -> NDArray[np.int16]:
        """Make `length` samples of sound that show how far the stage is."""

    def begin(self, tick: Tick) -> dict[str, float | None]:
        """Do what the steps rest on, once, before the first; columns that stay the same in every epoch."""
        return {}

    def measure_before(self, tick: Tick) -> float | None:
        """What the stage begins with, by the measure that `judged_by` names; None where the stage before has measured just that."""
        return None

    def kept(self) -> Losses:
        """What a checkpoint keeps beside the networks."""
        return {}

    def closing_s(self, step_s: float, length: int) -> float:
        """Guess how long the end of an epoch will take, seconds, from the time of a step and the samples of the sound."""
        return step_s
