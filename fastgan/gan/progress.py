"""What a person sees while a run works: a live bar in a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

_PLAIN_EVERY = 20.0  # seconds between lines when the output is no terminal
_HIDDEN = frozenset(
    "epoch stage stage_epoch steps seconds windows_per_s sample health stopped_early alarm stepped_back".split()
)


class Screen:
    """Prints messages, bars and table rows; knows whether a person is watching.

    Args:
        console: where to; standard output when left out.
    """

    def __init__(self, console: Console | None = None):
        self.console = console or Console(highlight=False, soft_wrap=True)
        self._columns: tuple[str, ...] = ()

    def say(self, text: str) -> None:
        """Print a line, as it is."""
        self.console.print(text, markup=False)

    @contextmanager
    def bar(self, what: str, total: int, done: int = 0, unit: str = "") -> Iterator["Bar"]:
        """Show the progress of something that has `total` parts, for as long as the block runs."""
        live = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f} %  {task.fields[note]}"),
            console=self.console,
            transient=True,
            expand=True,
            disable=not self.console.is_terminal,
        )
        with live:
            yield Bar(self, live, what, total, done, unit)

    def row(self, row: Mapping[str, Any]) -> None:
        """Print a row of the log, under a header whenever the columns change."""
        columns = tuple(
            name for name, value in row.items() if name not in _HIDDEN and not isinstance(value, (dict, str))
        )
        if columns != self._columns:
            self._columns = columns
            self.say(
                "  ".join(
                    ["stage   ", "epoch", *(f"{name:>12}" for name in columns), " seconds", "windows/s", " sound"]
                )
            )
        values = "  ".join(f"{_number(row[name]):>{max(12, len(name))}}" for name in columns)
        said = [*row.get("health", {}).get("problems", ()), *([f"alarm: {row['alarm']}"] if "alarm" in row else [])]
        health = ", ".join(
            [*(said or ["healthy"]), *(["back to the best checkpoint"] if "stepped_back" in row else [])]
        )
        rate, seconds = f"{row['windows_per_s']:,.0f}", f"{row['seconds']:,.1f}"
        self.say(f"{row['stage']:<8}  {row['stage_epoch']:>5}  {values}  {seconds:>8}  {rate:>9}  {health}")


class Bar:
    """One bar; `update` is cheap enough for every step."""

    def __init__(self, screen: Screen, live: Progress, what: str, total: int, done: int, unit: str):
        self._screen, self._live, self._what, self._total, self._unit = screen, live, what, max(1, total), unit
        self._first, self._done, self._began = done, done, time.monotonic()
        self._printed = self._drawn = self._began
        self._task = live.add_task(what, total=self._total, completed=done, note="")

    def update(self, done: float, *, per_part: int = 1) -> None:
        """Say that `done` of the parts are done; `per_part` turns parts into units (windows per step)."""
        now = time.monotonic()
        if now - self._drawn < 0.1:
            return
        self._drawn = now
        speed = (done - self._first) / (now - self._began)
        note = f"{duration((self._total - done) / speed)} left" if speed > 0 else ""
        if self._unit:
            note = f"{speed * per_part:,.0f} {self._unit}/s  {note}"
        if self._screen.console.is_terminal:
            self._live.update(self._task, completed=done, note=note)
        elif now - self._printed > _PLAIN_EVERY:
            self._printed = now
            self._screen.say(f"  {self._what}: {100 * done / self._total:.0f} %  {note}")


def duration(seconds: float) -> str:
    """Seconds as 0:07, 12:34 or 3:04:05."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if value == 0 or 0.001 <= abs(value) < 1000 else f"{value:.3e}"
