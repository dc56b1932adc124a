"""The other commands in processes of their own: what a reader of the report can type, and what goes on where it was stopped."""

import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastgan.base.command import INTERRUPTED, Interrupted
from fastgan.base.errors import BadInput, MachineFailure, printable
from fastgan.gan.clock import Clock
from fastgan.gan.run import read_log

Options = Mapping[str, str | int | float]
"""By their names on the command line, without the dashes."""
Row = dict[str, Any]
"""One line of a run's log."""

_LOOK = 0.2  # seconds between looks at whether somebody asked for the end


def train_command(folder: Path, options: Options) -> list[str]:
    """What to type for a run in `folder`."""
    return ["python", "-m", "fastgan.train", "--preset", "paper", *_words(options), "--out", str(folder)]


def train(folder: Path, options: Options, clock: Clock) -> list[Row]:
    """Train a run to its end, from wherever it is.

    Args:
        folder: of the run; may hold a part of it.
        options: of `python -m fastgan.train`.
        clock: knows whether somebody asked for the end.

    Returns:
        The rows of its log.

    Raises:
        Interrupted: somebody asked for the end; the run is saved.
        BadInput: the trainer refused the options or the music; it has said why.
        MachineFailure: it failed otherwise.
    """
    begun = (folder / "config.json").exists()
    _run([*train_command(folder, options), *(["--resume"] if begun else [])], clock)
    return read_log(folder / "log.jsonl")


def generate(run: Path, sound: Path, options: Options, clock: Clock) -> None:
    """Make a sound with a run; arguments and errors as for `train`."""
    _run(["python", "-m", "fastgan.generate", str(run), *_words(options), "--out", str(sound)], clock)


def _words(options: Options) -> list[str]:
    return [word for name, value in options.items() for word in (f"--{name}", str(value))]


def _run(command: list[str], clock: Clock) -> None:
    # A session of its own: Ctrl-C in a terminal would reach it beside the one that is passed on, and a second one ends it unsaved.
    process = subprocess.Popen([sys.executable, *command[1:]], start_new_session=True)
    try:
        code = _wait(process, clock)
    finally:
        if process.poll() is None:  # a second request, or a fault of ours
            process.kill()
            process.wait()
    if code == INTERRUPTED or (code and clock.asked):
        raise Interrupted
    if code:
        text = f"{printable(shlex.join(command))} ended with {code}; what it said stands above"
        raise BadInput(text) if code == 2 else MachineFailure(text)


def _wait(process: "subprocess.Popen[bytes]", clock: Clock) -> int:
    passed_on = False
    while True:
        try:
            return process.wait(_LOOK)
        except subprocess.TimeoutExpired:
            if clock.asked and not passed_on:
                process.send_signal(signal.SIGINT)
                passed_on = True
