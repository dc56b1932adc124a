"""Work that is done one piece at a time, by one thread: a short queue whose pieces can be watched and called off."""

import sys
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from fastgan.base.errors import BadInput, MachineFailure
from fastgan.gan.stage import Tick

Result = TypeVar("Result")

WAITING = 4
"""Jobs that may wait while one is at work; more are sent away."""

_REMEMBERED = 100  # finished jobs that can still be asked for
_CLOSING_S = 30.0  # opening a run cannot be broken off, and takes a second or two


class Busy(Exception):
    """The queue is full; the message says so."""


class _CalledOff(Exception):
    """Raised within the work, by its tick."""


@dataclass
class _Job(Generic[Result]):
    work: Callable[[Tick], Result]
    state: str = "waiting"  # then running, and at last done, failed or cancelled
    share: float = 0.0  # of the work
    began: float = 0.0  # by time.monotonic
    took: float = 0.0  # seconds
    result: Result | None = None
    error: str = ""


class Jobs(Generic[Result]):
    """A queue and its worker. All methods may be called from any thread.

    Whoever asked for a job need not stay: it is done all the same, and the next one follows.

    Args:
        waiting: jobs that may wait.
    """

    def __init__(self, waiting: int = WAITING):
        self._most = waiting
        self._jobs: OrderedDict[str, _Job[Result]] = OrderedDict()
        self._changed = threading.Condition()
        self._closed = False
        self._worker = threading.Thread(target=self._serve, name="jobs", daemon=True)
        self._worker.start()

    def submit(self, name: str, work: Callable[[Tick], Result]) -> None:
        """Add a job; a name that is known already means the same job, which is not done twice.

        Args:
            name: of the job, chosen by who asks.
            work: does it; calls its tick now and then with the share done.

        Raises:
            Busy: as many as allowed are waiting already.
        """
        with self._changed:
            if name in self._jobs:
                return
            waiting = sum(job.state == "waiting" for job in self._jobs.values())
            running = any(job.state == "running" for job in self._jobs.values())
            if self._closed or waiting >= self._most + (not running):  # one is about to be taken up
                raise Busy(f"busy: {waiting} clips are waiting already; try again in a while")
            self._jobs[name] = _Job(work)
            finished = [key for key, job in self._jobs.items() if job.state not in ("waiting", "running")]
            for key in finished[: max(0, len(finished) - _REMEMBERED)]:
                del self._jobs[key]
            self._changed.notify_all()

    def ask(self, name: str) -> dict[str, Any] | None:
        """Where a job is: its state, how many are before it, share done, seconds, result and error; None if unknown."""
        with self._changed:
            job = self._jobs.get(name)
            if job is None:
                return None
            took = time.monotonic() - job.began if job.state == "running" else job.took
            return {
                "state": job.state,
                "before": self._before(name) if job.state == "waiting" else 0,
                "share": job.share,
                "took": took,
                "result": job.result,
                "error": job.error,
            }

    def cancel(self, name: str) -> None:
        """Call a job off; one that is at work ends at its next tick. What is finished or unknown stays as it is."""
        with self._changed:
            job = self._jobs.get(name)
            if job is not None and job.state in ("waiting", "running"):
                job.state = "cancelled"

    def close(self) -> None:
        """Call everything off and wait for the worker to end."""
        with self._changed:
            self._closed = True
            for job in self._jobs.values():
                if job.state in ("waiting", "running"):
                    job.state = "cancelled"
            self._changed.notify_all()
        self._worker.join(_CLOSING_S)

    def _before(self, name: str) -> int:
        count = 0
        for key, job in self._jobs.items():
            if key == name:
                break
            count += job.state in ("waiting", "running")
        return count

    def _next(self) -> _Job[Result] | None:
        with self._changed:
            while not self._closed:
                for job in self._jobs.values():
                    if job.state == "waiting":
                        job.state, job.began = "running", time.monotonic()
                        return job
                self._changed.wait()
        return None

    def _serve(self) -> None:
        while (job := self._next()) is not None:
            result, error = None, ""
            try:
                result = job.work(partial(self._tick, job))
            except _CalledOff:
                pass
            except (BadInput, MachineFailure) as failure:
                error = str(failure)
            except Exception as fault:
                traceback.print_exc(file=sys.stderr)  # the worker lives on: others are waiting
                error = f"a fault of the program: {type(fault).__name__}: {fault}; the terminal has more"
            with self._changed:
                job.took, job.error = time.monotonic() - job.began, error
                if result is not None:  # it was too late to call it off
                    job.state, job.result, job.share = "done", result, 1.0
                elif error:
                    job.state = "failed"
                del job.work  # and the recording that it holds

    def _tick(self, job: _Job[Result], share: float) -> None:
        with self._changed:
            job.share = share
            if job.state == "cancelled":
                raise _CalledOff
