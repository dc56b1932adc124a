"""The paper's Figure 6: the steps of the experiments as they were run, with the time that each took."""

import math
import os
from collections.abc import Sequence
from itertools import pairwise

from fastgan.paper.figures.canvas import BLUE, GRID, INK, SOFT, WIDTH, Canvas, wrap

Part = tuple[str, float | None, str]
"""A step: its name, seconds that it took (None when it was not timed), and what it did."""

_IN_ROW = 4
_MARGIN, _BETWEEN, _TURN = 12.0, 28.0, 40.0  # at the sides, from box to box, from row to row
_BOX = (WIDTH - 2 * _MARGIN - (_IN_ROW - 1) * _BETWEEN) / _IN_ROW
_INSIDE = _BOX - 20  # room for words
_LINE = 15.0


def draw_workflow(parts: Sequence[Part], path: str | os.PathLike[str]) -> None:
    """Draw Figure 6: one box per step in the order of reading, each with a bar for its share of the total time.

    Args:
        parts: the steps in order; text that does not fit into a box is cut, and an ellipsis says so.
        path: an .svg or .png to create or replace.

    Raises:
        ValueError: there is no step, a name is empty, a time is negative or not finite, or the file has another ending.
        BadInput, MachineFailure: the file cannot be written.
    """
    _check(parts)
    total = sum(seconds for _, seconds, _ in parts if seconds is not None)
    words = [
        (wrap(f"{i}. {name}", _INSIDE, 12, bold=True, most=2), wrap(detail, _INSIDE, 10.5, most=4))
        for i, (name, _, detail) in enumerate(parts, 1)
    ]
    rows = [range(first, min(first + _IN_ROW, len(parts))) for first in range(0, len(parts), _IN_ROW)]
    heights = [55 + _LINE * (max(len(words[i][0]) for i in row) + max(len(words[i][1]) for i in row)) for row in rows]
    tops = [_MARGIN + sum(heights[:i]) + _TURN * i for i in range(len(rows))]
    sheet = Canvas(tops[-1] + heights[-1] + 36)
    for row, top, height in zip(rows, tops, heights, strict=True):
        for place, i in enumerate(row):
            left = _MARGIN + place * (_BOX + _BETWEEN)
            _draw_part(sheet, left, top, height, *words[i], parts[i][1], total)
            if place:
                sheet.arrow((left - _BETWEEN, top + height / 2), (left, top + height / 2))
    for (top, following), height in zip(pairwise(tops), heights, strict=False):
        last, first = WIDTH - _MARGIN - _BOX / 2, _MARGIN + _BOX / 2
        turn = (top + height + following) / 2
        sheet.arrow((last, top + height), (last, turn), (first, turn), (first, following))
    timed = sum(seconds is not None for _, seconds, _ in parts)
    note = f"{_duration(total)} in {timed} timed step{'s' * (timed != 1)}; bars show each one's share"
    sheet.words(_MARGIN, tops[-1] + heights[-1] + 24, note, size=11, align="left", color=SOFT)
    sheet.save(path)


def _draw_part(
    sheet: Canvas,
    left: float,
    top: float,
    height: float,
    name: list[str],
    detail: list[str],
    seconds: float | None,
    total: float,
) -> None:
    sheet.box(left, top, _BOX, height, color=SOFT if seconds is None else BLUE)
    for i, line in enumerate(name):
        sheet.words(left + 10, top + 19 + _LINE * i, line, align="left", bold=True)
    below = top + 21 + _LINE * len(name)
    for i, line in enumerate(detail):
        sheet.words(left + 10, below + _LINE * i, line, size=10.5, align="left", color=INK)
    foot = top + height - 22
    if seconds is None:
        sheet.words(left + 10, foot, "not timed", size=11, align="left", color=SOFT)
        return
    share = seconds / total if total else 0.0
    sheet.words(left + 10, foot, _duration(seconds), size=11, align="left", color=BLUE, bold=True)
    sheet.words(left + _BOX - 10, foot, _percent(share), size=11, align="right", color=BLUE)
    sheet.bar(left + 10, foot + 7, _INSIDE, 6, color=GRID)
    if share:
        sheet.bar(left + 10, foot + 7, share * _INSIDE, 6, color=BLUE)


def _check(parts: Sequence[Part]) -> None:
    if not parts:
        raise ValueError("a workflow needs at least one step, got none")
    for name, seconds, _ in parts:
        if not name.strip():
            raise ValueError("a step of the workflow has no name")
        if seconds is not None and not (math.isfinite(seconds) and seconds >= 0):
            raise ValueError(f"step {name!r} took {seconds} seconds, needs a finite number from 0 up, or None")


def _percent(share: float) -> str:
    return "< 1 %" if 0 < share < 0.01 else f"{100 * share:.0f} %"


def _duration(seconds: float) -> str:
    """Seconds to a tenth below a minute, then minutes and seconds, then hours and minutes."""
    tenths = round(seconds, 1)
    if tenths < 60:
        return f"{tenths:g} s" if tenths or not seconds else "< 0.1 s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
