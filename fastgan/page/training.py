"""A short training run, started from the page, in a process of its own."""

import collections
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from fastgan.base.errors import BadInput, printable
from fastgan.gan.run import next_folder

MINUTES = 2.0
DEMO = ("--genres", "classical,jazz,reggae", "--clips", "30")
"""What the demo learns from: three of the built-in corpus' genres, half an hour of them less."""

_STAGES = {
    "encoder": "It learns how the songs sound.",
    "fit": "It learns how music goes on.",
    "game": "It plays against a critic, who learns to tell its music from the songs.",
}
"""What the trainer does while its lines begin with these words."""

_LINES = 40  # of what it prints that are kept
_SAVING_S = 60.0  # that it may take to save when it is stopped


class Training:
    """At most one training run at a time. All methods may be called from any thread.

    Args:
        parent: folder that the run's folder is made in.
        minutes: that it takes.
        told: what the trainer is told beside minutes and folder.
    """

    def __init__(self, parent: Path, minutes: float = MINUTES, told: tuple[str, ...] = DEMO):
        self._parent, self._minutes, self._told = parent, minutes, told
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._lines: collections.deque[str] = collections.deque(maxlen=_LINES)
        self._state, self._folder, self._began = "idle", parent, 0.0
        self._stage = ""

    def start(self) -> None:
        """Begin a run.

        Raises:
            BadInput: one is under way.
        """
        with self._lock:
            if self._state in ("running", "stopping"):
                raise BadInput("a demo is being trained already")
            self._folder = next_folder(self._parent, "music")
            self._lines.clear()
            self._stage = "Songs are composed."
            told = ["--minutes", str(self._minutes), "--out", str(self._folder), *self._told]
            self._process = subprocess.Popen(
                [sys.executable, "-u", "-m", "fastgan.train", *told],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="backslashreplace",
                start_new_session=True,  # Ctrl-C in the terminal is for the server, which then stops it in order
            )
            self._state, self._began = "running", time.monotonic()
            self._reader = threading.Thread(target=self._read, args=(self._process,), name="training", daemon=True)
            self._reader.start()

    def ask(self) -> dict[str, Any]:
        """Where it is: state (idle, running, stopping, done, stopped, failed), seconds, of how many, and what it does.

        What it does is the last line that it printed, once it has failed.
        """
        with self._lock:
            last = next((line.strip() for line in reversed(self._lines) if line.strip()), "")
            return {
                "state": self._state,
                "seconds": time.monotonic() - self._began if self._state in ("running", "stopping") else 0.0,
                "of": self._minutes * 60,
                "words": last if self._state == "failed" else self._stage,
                "run": printable(self._folder.name) if self._state != "idle" else "",
            }

    def stop(self) -> None:
        """Ask it to save and end, as Ctrl-C does; nothing happens when none is under way."""
        with self._lock:
            if self._state == "running" and self._process is not None:
                self._state = "stopping"
                self._process.send_signal(signal.SIGINT)

    def close(self) -> None:
        """Stop it and wait until it has saved; one that takes too long is killed, and its last checkpoint stays."""
        self.stop()
        if self._process is None or self._reader is None:
            return
        try:
            self._process.wait(_SAVING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._reader.join()

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                with self._lock:
                    self._lines.append(line)
                    self._stage = _STAGES.get(next(iter(line.split()), ""), self._stage)
        code = process.wait()
        with self._lock:
            stopped = self._state == "stopping"
            self._state = "done" if code == 0 else "stopped" if stopped else "failed"
