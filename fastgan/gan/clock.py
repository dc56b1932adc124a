"""When to stop: a time budget shared out over the stages, and requests to end from outside."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from fastgan.base.command import Interrupted

_LAST_WORDS = 3.0  # seconds for the report at the end


class Clock:
    """Knows how long the run may go on, and whether somebody asked it to end.

    Args:
        minutes: the budget, 0 for none.
        started: when it began, by `time.monotonic`.
    """

    def __init__(self, minutes: float, started: float):
        self.end = started + 60 * minutes if minutes else float("inf")
        self.stage_began, self.stage_end = started, self.end
        self.closing = 0.0  # seconds that the end of an epoch takes: held-out measure, sound, picture, checkpoint
        self.asked = False

    def begin_stage(self, share: float, to_come: float, after: float = 0.0) -> None:
        """Give a stage its share of the time that is left, beside the shares of all stages after it together.

        Args:
            share: of the stage.
            to_come: those of all after it.
            after: seconds that are kept for what comes after all stages.
        """
        now = time.monotonic()
        self.closing, self.stage_began = 0.0, now
        self.stage_end = now + (self.end - _LAST_WORDS - after - now) * share / (share + to_come)

    def left(self) -> float:
        """Seconds of the budget that are left for other things than the report."""
        return self.end - _LAST_WORDS - time.monotonic()

    def share(self) -> float:
        """Share of the stage's time that is over; 0 without a budget."""
        whole = self.stage_end - self.stage_began
        return 0.0 if whole == float("inf") else (time.monotonic() - self.stage_began) / max(whole, 1e-9)

    def over(self, closing: float) -> bool:
        """Whether the stage must close its epoch now; `closing` is a guess for as long as none was measured."""
        return time.monotonic() + (self.closing or closing) > self.stage_end

    def check(self, share: float = 0.0) -> None:
        """Raise Interrupted if somebody asked the run to end; called wherever it can be left and taken up again."""
        if self.asked:
            raise Interrupted

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note Ctrl-C and termination instead of dying of them; a second one works at once."""

        def note(number: int, frame: FrameType | None) -> None:
            self.asked = True
            for which, handler in before.items():
                signal.signal(which, handler)

        before = {which: signal.getsignal(which) for which in (signal.SIGINT, signal.SIGTERM)}
        for which in before:
            signal.signal(which, note)
        try:
            yield
        finally:
            for which, handler in before.items():
                signal.signal(which, handler)
