"""Line charts for a page: values in, coordinates and labels out; `report.html.j2` draws them as inline SVG."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 360, 200, 58, 12, 10, 34  # of a chart, in its own units
MOST_POINTS = 400  # of one curve: about one per pixel
MOST_DOTS = 40  # more would run into each other

Points = Sequence[tuple[float, float | None]]


@dataclass(frozen=True)
class Curve:
    """One curve as SVG.

    Attributes:
        label: its name; the CSS class too, with "-" for spaces.
        path: drawing commands, with gaps where values are missing.
        dots: x, y and words for each point; empty where they are too many.
    """

    label: str
    path: str
    dots: list[tuple[float, float, str]]


@dataclass(frozen=True)
class Chart:
    """Curves on one pair of axes; ticks are a coordinate and a label."""

    title: str
    note: str
    alt: str
    curves: list[Curve]
    ticks_x: list[tuple[float, str]]
    ticks_y: list[tuple[float, str]]
    size: tuple[int, int] = (WIDTH, HEIGHT)
    frame: tuple[int, int, int, int] = (LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM)


def line_chart(title: str, series: Mapping[str, Points], *, log: bool = False, note: str = "") -> Chart | None:
    """Lay out curves over epochs.

    Args:
        title: of the chart.
        series: label to points (epoch, value), ascending; None leaves a gap.
        log: a logarithmic scale, where all values allow it.
        note: a line under the title.

    Returns:
        The chart, or None when there is no value to draw.
    """
    shown = {label: points for label, points in series.items() if any(y is not None for _, y in points)}
    if not shown:
        return None
    values = [y for points in shown.values() for _, y in points if y is not None]
    epochs = [x for points in shown.values() for x, _ in points]
    log = log and min(values) > 0
    bend = math.log10 if log else float
    x_low, x_high = (min(epochs), max(epochs)) if max(epochs) > min(epochs) else (epochs[0] - 0.5, epochs[0] + 0.5)
    y_low, y_high = bend(min(values)), bend(max(values))
    margin = 0.06 * (y_high - y_low) or (0.1 if log else 0.1 * abs(y_high) or 1.0)
    y_low, y_high = y_low - margin, y_high + margin

    def across(x: float) -> float:
        return round(LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT), 1)

    def down(y: float) -> float:
        return round(HEIGHT - BOTTOM - (bend(y) - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM), 1)

    curves, trends = [], []
    for label, points in shown.items():
        kept = [(x, y) for x, y in points if y is not None]
        placed = [(across(x), None if y is None else down(y)) for x, y in thin(points)]
        dots = [(across(x), down(y), f"epoch {x:g}, {label}: {y:.6g}") for x, y in kept if len(points) <= MOST_DOTS]
        curves.append(Curve(label, " ".join(_strokes(placed)), dots))
        trends.append(f"{label} from {kept[0][1]:.3g} to {kept[-1][1]:.3g}")
    ticks_y = _log_ticks(10**y_low, 10**y_high) if log else _ticks(y_low, y_high)
    return Chart(
        title=title + (" (logarithmic)" if log else ""),
        note=note,
        alt=f"{title} over epochs {min(epochs):g} to {max(epochs):g}: {'; '.join(trends)}",
        curves=curves,
        ticks_x=[(across(x), f"{x:g}") for x in _ticks(x_low, x_high, smallest=1.0)],
        ticks_y=[(down(y), label) for y, label in zip(ticks_y, _labels(ticks_y), strict=True)],
    )


def thin(points: Points) -> Points:
    """At most about MOST_POINTS of a curve: of each stretch the lowest and the highest, so that a spike stays."""
    if len(points) <= MOST_POINTS:
        return points
    size = math.ceil(2 * len(points) / MOST_POINTS)
    kept: list[tuple[float, float | None]] = []
    for start in range(0, len(points), size):
        stretch = points[start : start + size]
        part = [(x, y) for x, y in stretch if y is not None]
        if part:
            kept += sorted({min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])})
        else:
            kept.append(stretch[0])
    return kept


def _strokes(placed: Points) -> Iterator[str]:
    """SVG path commands; the pen is lifted where a value is missing."""
    pen = "M"
    for x, y in placed:
        if y is not None:
            yield f"{pen}{x:g},{y:g}"
        pen = "M" if y is None else "L"


def _ticks(low: float, high: float, *, smallest: float = 0.0) -> list[float]:
    """About five round numbers from low to high."""
    rough = (high - low) / 5
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough * 0.999)
    step = max(smallest, step)
    return [i * step for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten from low to high; with 2 and 5 between, or round numbers, where those are too few."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1,), (1, 2, 5)):
        ticks = [factor * 10.0**decade for decade in decades for factor in factors]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) >= 3:
            return ticks[:: math.ceil(len(ticks) / 7)]
    return _ticks(low, high)


def _labels(ticks: list[float]) -> list[str]:
    """As few digits as give every tick its true value; whole numbers below ten million written out."""
    for digits in range(3, 17):
        labels = [f"{tick:.{digits}g}" for tick in ticks]
        if all(math.isclose(float(label), tick, rel_tol=1e-12) for label, tick in zip(labels, ticks, strict=True)):
            break
    return [
        f"{tick:,.0f}" if "e+" in label and abs(tick) < 1e7 else label
        for label, tick in zip(labels, ticks, strict=True)
    ]
