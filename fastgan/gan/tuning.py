"""The batch that trains fastest on this machine, and the learning rate that goes with it."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from fastgan.gan.stage import Stage

SMALLEST = 32  # the paper's, and the first that is tried
_ENOUGH = 0.9  # of the fastest batch's windows per second
_FEWEST_STEPS = 100  # an epoch: with fewer, there is nothing left to learn in
_NO_MORE = (
    1.03  # times faster than all before that a batch has to be, or it is one of three in a row that end the search
)
_LONGEST = 3.0  # seconds of a stride, beyond which no larger batch is tried
_TIMED = 0.3  # seconds that a batch is timed for, at least
_MEMORY = 2 << 30  # bytes that a step may keep on the processor


@dataclass(frozen=True)
class Choice:
    """What was found.

    Attributes:
        batch: the smallest that comes near the fastest.
        speeds: windows per second, by batch.
    """

    batch: int
    speeds: dict[int, float]

    def __str__(self) -> str:
        fastest = max(self.speeds, key=lambda batch: self.speeds[batch])
        return (
            f"batch {self.batch:,}: {self.speeds[self.batch]:,.0f} windows/s, {self.speeds[self.batch] / self.speeds[fastest]:.0%} of "
            f"the {self.speeds[fastest]:,.0f} at {fastest:,} ({len(self.speeds)} batches from {min(self.speeds):,} on tried)"
        )


def choose_batch(speed: Callable[[int], float | None], largest: int, seconds: float = math.inf) -> Choice:
    """Double the batch until it gains no more; take the smallest that reaches 90 % of the fastest.

    Args:
        speed: windows per second with a batch, or None where larger ones are not to be tried.
        largest: batch that may be tried.
        seconds: after which nothing more is tried.
    """
    speeds: dict[int, float] = {}
    batch, idle, end = SMALLEST, 0, time.monotonic() + seconds
    while not speeds or (batch <= largest and idle < 3 and time.monotonic() < end):
        best = max(speeds.values(), default=0.0)
        found = speed(batch)
        if found is None:
            break
        speeds[batch] = found
        idle = idle + 1 if found < _NO_MORE * best else 0
        batch *= 2
    # Once more, the other way round: a machine may be busy with something else for a while.
    for batch in reversed(list(speeds)):
        if time.monotonic() < end:
            speeds[batch] = max(speeds[batch], speed(batch) or 0.0)
    peak = max(speeds.values(), default=0.0)
    return Choice(min((b for b, s in speeds.items() if s >= _ENOUGH * peak), default=SMALLEST), speeds)


def largest_batch(windows: int, values: int, device: torch.device) -> int:
    """How large a batch may be.

    Args:
        windows: of an epoch; 100 steps have to remain.
        values: numbers of four bytes that a step keeps for each of them.
        device: whose memory they take: 2 GiB of the processor's, half of what a GPU has left.
    """
    room = _MEMORY if device.type == "cpu" else torch.cuda.mem_get_info(device)[0] // 2
    return max(1, min(windows // _FEWEST_STEPS, room // (4 * values)))


def time_stage(stage: Stage) -> float | None:
    """Windows per second of a stage as it trains, reading included; None if a stride takes seconds or more memory than there is.

    Changes its weights, so give it a game that nobody wants.
    """
    try:
        stage.advance(0, stage.stride)
        stage.advance(stage.stride, stage.stride)  # recorded, where it is
        fastest, spent, first = math.inf, 0.0, 2 * stage.stride
        while spent < _TIMED:
            seconds = _timed(stage, first)
            fastest, spent, first = min(fastest, seconds), spent + seconds, first + stage.stride
    except torch.OutOfMemoryError:
        return None
    return stage.stride * stage.batch / fastest if fastest < _LONGEST else None


def _timed(stage: Stage, first: int) -> float:
    began = time.perf_counter()
    losses = stage.advance(first, stage.stride)
    float(next(iter(losses.values())))  # waits for the device
    return time.perf_counter() - began


def scaled_lr(lr: float, batch: int) -> float:
    """The learning rate of Adam for a batch, from that for 32: it grows with the root.

    That keeps the noise of the steps the same (Malladi et al., "On the SDEs and Scaling Rules for Adaptive Gradient Algorithms", 2022).
    """
    return lr * math.sqrt(batch / SMALLEST)
