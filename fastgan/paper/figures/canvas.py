"""A sheet for diagrams: boxes, arrows and words, written as SVG or PNG; the same drawing gives the same bytes.

One unit is one pixel where a page shows the picture 700 pixels wide; y points down, as on a page. Nothing of pyplot is used.
"""

import os
import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Literal

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager, get_font
from matplotlib.patches import Circle, FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path as Outline
from matplotlib.textpath import text_to_path
from matplotlib.transforms import Affine2D

from fastgan.base.atomic import replacing

WIDTH = 700
PIXELS = 2  # of a PNG, per unit: sharp where a screen packs them twice as close
INK, SOFT, GRID = "#22272e", "#59636e", "#d5dae0"
BLUE, ORANGE = "#0a5a9c", "#b3441e"  # stay apart for any colour vision, and on white in print

MINUS, TIMES, SIGMA = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}", "\N{GREEK SMALL LETTER SIGMA}"

Point = tuple[float, float]
Align = Literal["left", "center", "right"]

_POINTS_PER_INCH = 72
_FACES = {BLUE: "#e9f1f8", ORANGE: "#fbeee7", INK: "white", SOFT: "white", GRID: "#f7f8fa"}
_DASHES = (0, (4, 3))
_CORNER = 7.0  # radius where an arrow turns
_HEAD = 9.0  # length of an arrow's head
_SUBSCRIPT, _DROP = 0.72, 0.2  # size and depth of a subscript, of the size of its line
_FONTS = ["DejaVu Sans", "Verdana", "Arial"]  # the first comes with matplotlib; a page may lack it: the next is as wide
_METADATA = {".svg": {"Date": None, "Creator": None}, ".png": {"Software": None}}  # left out: day and version change
_MORE = "\N{HORIZONTAL ELLIPSIS}"
_SETTINGS = Lock()  # those of matplotlib belong to the process
_PARTS = re.compile(r"_\{(?P<long>[^}]*)\}|_(?P<short>.)|(?P<upright>tanh|[^A-Za-z_]+)|(?P<italic>[A-Za-z])")


class Canvas:
    """A white sheet, WIDTH units wide.

    Args:
        height: units.
    """

    def __init__(self, height: float):
        self._figure = Figure(figsize=(WIDTH / _POINTS_PER_INCH, height / _POINTS_PER_INCH), facecolor="white")
        FigureCanvasAgg(self._figure)
        down = Affine2D().scale(1, -1).translate(0, height).scale(1 / _POINTS_PER_INCH)
        self._place = down + self._figure.dpi_scale_trans

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        color: str = INK,
        face: str = "",
        corner: float = 7,
        dashed: bool = False,
    ) -> None:
        """Draw a box with round corners; x and y are its upper left. `face` fills it, else the light kin of `color`."""
        patch = FancyBboxPatch(
            (x, y),
            width,
            height,
            boxstyle=f"round,pad=0,rounding_size={corner}",
            facecolor=face or _FACES[color],
            edgecolor=color,
            linewidth=1.3,
            linestyle=_DASHES if dashed else "solid",
            transform=self._place,
        )
        self._figure.add_artist(patch)

    def circle(self, x: float, y: float, radius: float, *, color: str = INK, filled: bool = False) -> None:
        """Draw a circle about (x, y)."""
        face = color if filled else "white"
        self._figure.add_artist(
            Circle((x, y), radius, facecolor=face, edgecolor=color, linewidth=1.3, transform=self._place)
        )

    def bar(self, x: float, y: float, width: float, height: float, *, color: str) -> None:
        """Fill a rectangle without an edge."""
        corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
        self._figure.add_artist(Polygon(corners, facecolor=color, linewidth=0, transform=self._place))

    def arrow(self, *points: Point, color: str = INK, dashed: bool = False, head: bool = True) -> None:
        """Draw a line through points, round where it turns, with its tip at the last one.

        Raises:
            ValueError: two neighbours are the same point, so that the line has no direction.
        """
        line = np.asarray(points, float)
        ways = np.diff(line, axis=0)
        lengths = np.hypot(*ways.T)
        if len(line) < 2 or not lengths.all():
            raise ValueError(f"an arrow goes through points that differ, got {points}")
        ways /= lengths[:, None]
        tip = line[-1].copy()
        if head:
            line[-1] -= (_HEAD - 1) * ways[-1]  # the line ends inside the head, which hides how broad it is
            side = np.array([-ways[-1][1], ways[-1][0]]) * 0.4 * _HEAD
            base = tip - _HEAD * ways[-1]
            self._figure.add_artist(
                Polygon([tip, base + side, base - side], facecolor=color, linewidth=0, transform=self._place)
            )
        track, codes = [line[0]], [Outline.MOVETO]
        for corner, came, goes, near in zip(
            line[1:-1], ways, ways[1:], np.minimum(lengths, np.roll(lengths, -1)), strict=False
        ):
            radius = min(_CORNER, near / 2)
            track += [corner - radius * came, corner, corner + radius * goes]
            codes += [Outline.LINETO, Outline.CURVE3, Outline.CURVE3]
        outline = Outline([*track, line[-1]], [*codes, Outline.LINETO])
        self._figure.add_artist(
            PathPatch(
                outline,
                fill=False,
                edgecolor=color,
                linewidth=1.3,
                linestyle=_DASHES if dashed else "solid",
                capstyle="butt",
                transform=self._place,
            )
        )

    def words(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: float = 12,
        color: str = INK,
        align: Align = "center",
        bold: bool = False,
        italic: bool = False,
    ) -> None:
        """Write one line of text on the baseline y; shown as it is, never read as a formula."""
        font = _font("sans-serif", size, bold, italic)
        text = self._figure.text(
            x, y, drawable(words), fontproperties=font, color=color, ha=align, va="baseline", parse_math=False
        )
        text.set_transform(self._place)

    def lines(self, x: float, y: float, lines: Sequence[str], *, size: float = 12, color: str = INK) -> None:
        """Write lines one below the other about the point (x, y), the first one bold."""
        step = 1.35 * size
        top = y - step * (len(lines) - 1) / 2 + 0.36 * size
        for i, line in enumerate(lines):
            self.words(x, top + i * step, line, size=size if i == 0 else size - 1, color=color, bold=i == 0)

    def formula(
        self, x: float, y: float, formula: str, *, size: float = 13, color: str = INK, align: Align = "left"
    ) -> None:
        """Write a formula on the baseline y: `_t` or `_{t-1}` sets below, letters lean, function names do not.

        Each part stays text of its own in an SVG, so that it can be found and copied.
        """
        parts = []
        for part in _PARTS.finditer(formula):
            below = part["long"] or part["short"]
            words, at = (below, _SUBSCRIPT * size) if below else (part[0], size)
            parts.append((words, at, part["italic"] is not None))
        widths = [width(words, at, italic=italic) for words, at, italic in parts]
        x -= {"left": 0.0, "center": 0.5, "right": 1.0}[align] * sum(widths)
        for (words, at, italic), wide in zip(parts, widths, strict=True):
            before = width(words[: len(words) - len(words.lstrip())], at)
            lower = y + (_DROP * size if at < size else 0)
            if words.strip():
                self.words(x + before, lower, words, size=at, color=color, align="left", italic=italic)
            x += wide

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the sheet.

        Args:
            path: the file to create or replace; ends in .svg or .png.

        Raises:
            ValueError: the name has another ending.
            BadInput: the path cannot be written by this user.
            MachineFailure: the disk is full or failing.
        """
        kind = Path(path).suffix.lower()
        if kind not in _METADATA:
            raise ValueError(f"a diagram is written as .svg or .png, got {Path(path).name!r}")
        stable = rc_context({"svg.fonttype": "none", "svg.hashsalt": "fastgan", "font.sans-serif": _FONTS})
        with _SETTINGS, stable, replacing(path) as stream:
            self._figure.savefig(
                stream, format=kind[1:], dpi=PIXELS * _POINTS_PER_INCH, facecolor="white", metadata=_METADATA[kind]
            )


def width(words: str, size: float, *, bold: bool = False, italic: bool = False) -> float:
    """Units that one line takes, with the space around it."""
    if not words:
        return 0.0
    font = _font(_FONTS[0], size, bold, italic)
    return float(text_to_path.get_text_width_height_descent(words, font, ismath=False)[0])


def _font(family: str, size: float, bold: bool, italic: bool) -> FontProperties:
    weight = "bold" if bold else "normal"
    return FontProperties(family=family, size=size, weight=weight, style="italic" if italic else "normal")


def wrap(words: str, room: float, size: float, *, bold: bool = False, most: int = 3) -> list[str]:
    """Break text into lines that fit into `room` units; what is beyond `most` lines is cut, and an ellipsis says so."""
    lines: list[str] = []
    for word in drawable(words).split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and width(longer, size, bold=bold) <= room:
            lines[-1] = longer
        elif len(lines) < most:
            lines.append(word)
        else:
            lines[-1] += _MORE
            break
    return [_cut(line, room, size, bold) for line in lines]


def _cut(line: str, room: float, size: float, bold: bool) -> str:
    """As much of a line as fits, with an ellipsis for the rest."""
    if width(line, size, bold=bold) <= room:
        return line
    line = line.removesuffix(_MORE)
    fits = bisect_right(range(len(line)), room, key=lambda length: width(line[:length] + _MORE, size, bold=bold))
    return line[: max(0, fits - 1)] + _MORE


def drawable(words: str) -> str:
    """The text on one line, with a mark for what the font cannot draw."""
    known = _glyphs()
    return "".join(mark if ord(mark) in known else "\N{REPLACEMENT CHARACTER}" for mark in " ".join(words.split()))


@cache
def _glyphs() -> frozenset[int]:
    return frozenset(get_font(fontManager.findfont(FontProperties(family=_FONTS[0]))).get_charmap())
