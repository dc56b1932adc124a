"""The story of a run on one page: `report.html`, made from the files in the run's folder and from nothing else.

The page loads nothing: style, pictures and sound are inside it. A run that was killed half-way still gets its page.
"""

import base64
import json
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from fastgan.base.atomic import replacing
from fastgan.base.errors import BadInput, explain_os_error, printable

MOST_SAMPLES = 24  # in the page; the rest stays in the folder
MOST_BYTES = 64 << 20  # of wav in the page: a phone still opens it
MOST_ROWS = 1_000  # of one table; longer ones are thinned, and say so
MOST_POINTS = 400  # of one curve: about one per pixel

STAGES = {
    "encoder": "an auto-encoder learns to compress sound and to rebuild it",
    "fit": "the generator learns to predict the next value",
    "game": "the generator plays against the discriminator",
}
_BOOKKEEPING = ("epoch", "stage_epoch", "steps", "seconds", "windows_per_s")  # in the tables, not as curves


def write_report(folder: Path) -> Path:
    """Write `report.html` into a run folder from what lies in it, however little that is.

    Args:
        folder: a run's folder: config.json, log.jsonl, quarantine.json and samples/, each of which may be missing.

    Returns:
        The path of the page: one file that needs no other.

    Raises:
        BadInput: there is no such folder, or it cannot be read or written.
        MachineFailure: the disk is full or failing.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise BadInput(f"{printable(folder)} is not a folder; give the folder of a run")
    try:
        page = _render(_read(folder))
    except OSError as error:
        raise explain_os_error(error, f"reading {printable(folder)}") from error
    path = folder / "report.html"
    with replacing(path) as stream:
        stream.write(page.encode("utf-8", "backslashreplace"))  # file names may hold bytes that are not UTF-8
    return path


@dataclass
class _Run:
    """What the folder holds; what was missing or damaged is in the notes."""

    folder: Path
    config: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    quarantine: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def _read(folder: Path) -> _Run:
    run = _Run(folder)
    run.config = _read_json(run, "config.json")
    run.quarantine = _read_json(run, "quarantine.json")
    log = folder / "log.jsonl"
    lines = log.read_text("utf-8", "replace").splitlines() if log.is_file() else []
    torn = 0
    by_epoch: dict[Any, dict[str, Any]] = {}
    for number, line in enumerate(lines, 1):
        row = _parsed(line)
        if not isinstance(row, dict):
            torn += bool(line.strip())
            continue
        epoch = row.get("epoch") if isinstance(row.get("epoch"), int | float) else f"line {number}"
        by_epoch.pop(epoch, None)  # a resumed run repeats the epoch in which it was stopped: the later row counts
        by_epoch[epoch] = row
    run.rows = list(by_epoch.values())
    if torn:
        run.notes.append(
            f"{_count(torn, 'line')} of log.jsonl could not be read: the run was stopped while it was writing"
        )
    if not run.rows:
        run.notes.append("no epoch is finished yet")
    return run


def _read_json(run: _Run, name: str) -> dict[str, Any]:
    path = run.folder / name
    if not path.is_file():
        run.notes.append(f"{name} is missing")
        return {}
    value = _parsed(path.read_text("utf-8", "replace"))
    if not isinstance(value, dict):
        run.notes.append(f"{name} is damaged")
        return {}
    return value


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _render(run: _Run) -> str:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["short"] = _short
    environment.filters["exact"] = _exact
    environment.filters["digits"] = _digits
    source = resources.files("fastgan.gan").joinpath("report.html.j2").read_text("utf-8")
    samples, total = _samples(run)
    stages = [_stage(name, rows) for name, rows in _by_stage(run.rows).items()]
    return environment.from_string(source).render(
        name=printable(run.folder.resolve().name),
        version=str(run.config.get("version", "")),
        notes=run.notes,
        summary=_summary(run),
        linear=_linear(run.rows),
        tiles=_tiles(run),
        newest=samples[-1] if samples else None,
        samples=samples[:-1],
        total_samples=total,
        stages=stages,
        quarantine=_quarantine(run.quarantine),
        settings=_pairs(run.config.get("settings")),
        machine=_pairs(run.config.get("machine")),
    )


def _number(value: Any) -> float | None:
    """The value when it is a finite number, else None."""
    return float(value) if _is_number(value) and math.isfinite(value) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(value: Any) -> str:
    """A number for a person: four digits, or whole with thousands apart."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"
    return _exact(value)


def _exact(value: Any) -> str:
    """A plain value as it was written."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _digits(value: Any) -> str:
    """A number to six digits, for a table; anything else as it was written."""
    return f"{value:.6g}" if isinstance(value, float) and math.isfinite(value) else _exact(value)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _duration(seconds: float) -> str:
    for unit, size in (("h", 3_600), ("min", 60)):
        if seconds >= size:
            whole, rest = divmod(round(seconds), size)
            smaller, per = ("min", 60) if unit == "h" else ("s", 1)
            return f"{whole:,} {unit} {rest // per} {smaller}" if rest // per else f"{whole:,} {unit}"
    return f"{seconds:.3g} s"


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else ""


def _pairs(value: Any) -> list[tuple[str, Any]]:
    return [(str(key), entry) for key, entry in value.items()] if isinstance(value, dict) else []


def _by_stage(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    stages: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        stages.setdefault(str(row.get("stage", "run")), []).append(row)
    return stages


def _summary(run: _Run) -> list[str]:
    """What was trained on what, for how long: sentences."""
    corpus = dict(_pairs(run.config.get("corpus")))
    settings = dict(_pairs(run.config.get("settings")))
    sentences = []
    clips, seconds = _number(corpus.get("clips")), _number(corpus.get("seconds"))
    if clips is not None:
        sound = f" ({_duration(seconds)} of sound)" if seconds is not None else ""
        genres = [f"{name} {_short(count)}" for name, count in _pairs(corpus.get("genres"))]
        if genres:
            shown = genres if len(genres) <= 12 else [*genres[:11], f"{len(genres) - 11} more"]
            sound += f", in {_count(len(genres), 'genre')}: {_listed(shown)}"
        preset = f" with the preset “{settings['preset']}”" if settings.get("preset") else ""
        sentences.append(f"This run learns music{preset} from {_count(round(clips), 'clip')}{sound}.")
        held_out = _number(corpus.get("held_out_clips"))
        if held_out:
            sentences.append(
                f"{_count(round(held_out), 'clip')} of them {_be(held_out)} held out: training never sees them."
            )
        skipped = _number(corpus.get("skipped"))
        if skipped:
            sentences.append(f"{_count(round(skipped), 'file')} could not be used and {_be(skipped)} listed below.")
    if run.rows:
        spent = sum(_number(row.get("seconds")) or 0.0 for row in run.rows)
        parts = [f"{len(rows)} of {name}" for name, rows in _by_stage(run.rows).items()]
        stages = f" ({_listed(parts)})" if len(parts) > 1 else f" of the stage “{next(iter(_by_stage(run.rows)))}”"
        sentences.append(f"{_count(len(run.rows), 'epoch')}{stages} {_be(len(run.rows))} done, in {_duration(spent)}.")
    else:
        sentences.append("No epoch is finished yet: curves and samples appear with the first one.")
    return sentences


def _be(number: float) -> str:
    return "is" if number == 1 else "are"


def _linear(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Where the newest held-out error stands against the closed-form linear predictor; None when it was not measured."""
    pairs = [
        (loss, bar, row.get("epoch"))
        for row in rows
        if (loss := _number(row.get("val_loss"))) is not None and (bar := _number(row.get("linear_mse"))) is not None
    ]
    if not pairs:
        return None
    loss, bar, _ = pairs[-1]
    best, best_bar, best_epoch = min(pairs, key=lambda pair: pair[0])
    share = abs(loss / bar - 1) if bar > 0 else 0.0
    by = f"{100 * share:.3g} % {'below' if loss < bar else 'above'}" if share else "equal to"
    words = f"on clips that it never saw, the network's error {loss:.3g} is {by} the linear predictor's {bar:.3g}"
    if loss < bar:
        words += "; it has learnt more than a weighted sum of the last values."
    else:
        words += "; a weighted sum of the last values, without any training, still does as well."
        if best < best_bar:
            words += f" It was ahead at epoch {_exact(best_epoch)}, with {best:.3g}."
    return {"beaten": loss < bar, "words": words, "loss": loss, "bar": bar}


def _tiles(run: _Run) -> list[dict[str, str]]:
    """The few numbers to see first."""
    tiles = []
    linear = _linear(run.rows)
    if linear:
        tone, mark = ("good", "✓ beaten") if linear["beaten"] else ("bad", "✗ not beaten")
        ratio = f"{linear['loss'] / linear['bar']:.3g}" if linear["bar"] > 0 else f"{linear['loss']:.3g}"
        tiles.append({"label": "held-out error ÷ linear predictor's", "value": ratio, "mark": mark, "tone": tone})
    examined = [health for row in run.rows if (health := _health(row))["tone"] != "none"]
    if examined:
        good = sum(health["tone"] == "good" for health in examined)
        tone = "good" if good == len(examined) else "bad" if not good else "fair"
        mark = {"good": "✓ all", "fair": "! some", "bad": "✗ none"}[tone]
        tiles.append({"label": "samples healthy", "value": f"{good} of {len(examined)}", "mark": mark, "tone": tone})
    if run.rows:
        tiles.append({"label": "epochs", "value": f"{len(run.rows):,}", "mark": "", "tone": "none"})
        speed = _number(run.rows[-1].get("windows_per_s"))
        if speed is not None:
            tiles.append({"label": "windows per second", "value": _short(round(speed)), "mark": "", "tone": "none"})
    return tiles


def _health(row: dict[str, Any]) -> dict[str, Any]:
    """The verdict on a row's sample, with a word and a tone: good, bad, or none when it was not examined."""
    health = row.get("health")
    if not isinstance(health, dict) or not isinstance(health.get("problems"), list | tuple):
        return {"tone": "none", "word": "not examined", "words": ""}
    problems = [_exact(problem) for problem in health["problems"]]
    if not problems:
        return {"tone": "good", "word": "healthy", "words": ""}
    return {"tone": "bad", "word": ", ".join(problems), "words": _exact(health.get("verdict", ""))}


def _samples(run: _Run) -> tuple[list[dict[str, Any]], int]:
    """The samples to embed, oldest first, and how many there are in all."""
    found: dict[Path, dict[str, Any]] = {}
    missing = 0
    for row in run.rows:
        if row.get("sample"):
            path = _inside(run.folder, row["sample"])
            missing += path is None
            if path is not None:
                found[path] = row
    for path in sorted((run.folder / "samples").glob("*.wav"), key=_natural):  # one that the log does not know yet
        inside = _inside(run.folder, f"samples/{path.name}")
        if inside is not None:
            found.setdefault(inside, {})
    if missing:
        run.notes.append(f"{_count(missing, 'sample')} that the log names {_be(missing)} not in the folder")
    paths = list(found)
    chosen = _even(paths, MOST_SAMPLES)
    while len(chosen) > 1 and sum(path.stat().st_size for path in chosen) > MOST_BYTES:
        chosen = _even(paths, max(1, len(chosen) * 3 // 4))
    return [_sample(path, found[path]) for path in chosen], len(paths)


def _sample(path: Path, row: dict[str, Any]) -> dict[str, Any]:
    picture = path.with_suffix(".png")
    stage, epoch = row.get("stage"), row.get("epoch")
    title = (
        f"Epoch {_exact(epoch)}" + (f", {_exact(stage)}" if stage else "")
        if epoch is not None
        else printable(path.stem)
    )
    return {
        "title": title,
        "file": printable(path.name),
        "sound": _data_uri(path, "audio/wav"),
        "picture": _data_uri(picture, "image/png") if picture.is_file() else None,
        "health": _health(row),
    }


def _data_uri(path: Path, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def _inside(folder: Path, name: Any) -> Path | None:
    """The file of that name when it is a wav inside the folder: a log never pulls in what lies elsewhere."""
    try:
        path = (folder / str(name)).resolve()
        usable = path.is_relative_to(folder.resolve()) and path.suffix.lower() == ".wav" and path.is_file()
    except (OSError, ValueError):  # a name that no file system takes
        return None
    return path if usable else None


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sorts epoch_9 before epoch_10."""
    return [(int(digits or 0), text) for digits, text in re.findall(r"([0-9]*)([^0-9]*)", os.fspath(path.name))]


def _even(items: list[Any], most: int) -> list[Any]:
    """At most so many of the items: the last, the first, and the others evenly between."""
    if len(items) <= most:
        return items
    if most == 1:
        return items[-1:]
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]


def _stage(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Charts and table of one stage."""
    columns = [
        key for key in dict.fromkeys(key for row in rows for key in row) if key not in ("stage", "sample", "health")
    ]
    columns = [key for key in columns if any(_is_number(row.get(key)) for row in rows)]
    columns.sort(key=lambda key: _BOOKKEEPING.index(key) if key in _BOOKKEEPING else len(_BOOKKEEPING))
    shown = _even(rows, MOST_ROWS)
    return {
        "name": name,
        "about": STAGES.get(name, ""),
        "charts": [chart for chart in _charts(name, columns, rows) if chart["curves"]],
        "columns": columns,
        "rows": [([row.get(key) for key in columns], _health(row)) for row in shown],
        "left_out": len(rows) - len(shown),
    }


def _charts(stage: str, columns: list[str], rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    measured = [key for key in columns if key not in _BOOKKEEPING]
    losses = [key for key in measured if key.endswith(("loss", "mse"))]
    shares = [key for key in measured if "accuracy" in key or key.endswith("share")]
    note = "Under the grey line the network does better than the linear predictor." if "linear_mse" in losses else ""
    yield _chart("loss", losses, rows, log=stage != "game", note=note)
    note = "Such an accuracy counts targets that are exactly 0: a property of the data, not of the network."
    yield _chart("accuracy", shares, rows, note=note if "zero_share" in shares else "")
    for key in measured:
        if key not in (*losses, *shares):
            yield _chart(key, [key], rows)


WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 440, 250, 62, 10, 10, 34  # of a chart, in its own units


def _chart(
    title: str, keys: list[str], rows: list[dict[str, Any]], *, log: bool = False, note: str = ""
) -> dict[str, Any]:
    """A line chart over epochs as plain numbers for the page to draw."""
    epochs = [_number(row.get("epoch")) for row in rows]
    series = {
        key: [
            (epoch if epoch is not None else float(place), _number(row.get(key)))
            for place, (epoch, row) in enumerate(zip(epochs, rows, strict=True), 1)
        ]
        for key in keys
    }
    series = {key: points for key, points in series.items() if any(y is not None for _, y in points)}
    values = [y for points in series.values() for _, y in points if y is not None]
    if not values:
        return {"curves": []}
    log = log and min(values) > 0
    xs = [x for points in series.values() for x, _ in points]
    x_low, x_high = (min(xs), max(xs)) if max(xs) > min(xs) else (xs[0] - 0.5, xs[0] + 0.5)
    bend = math.log10 if log else float
    y_low, y_high = bend(min(values)), bend(max(values))
    margin = 0.06 * (y_high - y_low) or (0.1 if log else 0.1 * abs(y_high) or 1.0)
    y_low, y_high = y_low - margin, y_high + margin

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            round(LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT), 1),
            round(HEIGHT - BOTTOM - (bend(y) - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM), 1),
        )

    curves: list[dict[str, Any]] = []
    number = 0
    for key, points in series.items():
        bar = key.startswith("linear") or key.endswith("zero_share")  # something to hold a curve against
        number += not bar
        dotted = len(points) <= 40  # more would run into each other
        kept = [(x, y) for x, y in points if y is not None]
        curves.append(
            {
                "label": "linear predictor" if key == "linear_mse" else key,
                "kind": "bar" if bar else f"s{(number - 1) % 6 + 1}",
                "path": " ".join(_strokes(_thin(points), place)),
                "dots": [(*place(x, y), f"epoch {x:g}: {key} {y:.6g}") for x, y in kept if dotted and not bar],
                "trend": f"{key} from {kept[0][1]:.3g} to {kept[-1][1]:.3g}",
            }
        )
    ticks_y = _log_ticks(10**y_low, 10**y_high) if log else _ticks(y_low, y_high)
    return {
        "title": title + (" (logarithmic)" if log else ""),
        "note": note,
        "curves": curves,
        "frame": (LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM),
        "size": (WIDTH, HEIGHT),
        "ticks_x": [(place(x, max(values))[0], f"{x:g}") for x in _ticks(x_low, x_high, whole=True)],
        "ticks_y": [(place(x_low, y)[1], label) for y, label in zip(ticks_y, _labels(ticks_y), strict=True)],
        "alt": f"{title} over epochs {min(xs):g} to {max(xs):g}: " + "; ".join(curve["trend"] for curve in curves),
    }


def _strokes(
    points: Iterable[tuple[float, float | None]], place: Callable[[float, float], tuple[float, float]]
) -> Iterator[str]:
    """SVG path commands; a gap where a value is missing or no number."""
    pen = "M"
    for x, y in points:
        if y is None:
            pen = "M"
            continue
        across, down = place(x, y)
        yield f"{pen}{across:g},{down:g}"
        pen = "L"


def _thin(points: list[tuple[float, float | None]]) -> list[tuple[float, float | None]]:
    """At most about MOST_POINTS of a curve: of each stretch the lowest and the highest, so that a spike stays."""
    if len(points) <= MOST_POINTS:
        return points
    size = math.ceil(2 * len(points) / MOST_POINTS)
    kept: list[tuple[float, float | None]] = []
    for start in range(0, len(points), size):
        part = [(x, y) for x, y in points[start : start + size] if y is not None]
        kept += (
            sorted({min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])})
            if part
            else points[start : start + 1]
        )
    return kept


def _ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """About five round numbers from low to high."""
    rough = (high - low) / 5
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough * 0.999)
    step = max(1.0, step) if whole else step
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


def _quarantine(value: dict[str, Any]) -> list[dict[str, Any]]:
    """The lists of files that were skipped, noted or ignored: title, headings, rows, how many more."""
    lists = []
    for key, title, heading in (
        ("skipped", "Skipped: not used", "reason"),
        ("noted", "Used, with a note", "note"),
    ):
        entries = (
            [entry for entry in value.get(key) or [] if isinstance(entry, dict)] if _is_list(value.get(key)) else []
        )
        rows = [(_exact(entry.get("file", "")), _exact(entry.get(heading, ""))) for entry in entries]
        lists.append({"title": title, "headings": ("file", heading), "rows": rows})
    ignored = [(kind or "no extension", _short(count)) for kind, count in _pairs(value.get("ignored"))]
    lists.append({"title": "Ignored: not audio", "headings": ("kind of file", "files"), "rows": ignored})
    return [
        {**entry, "count": len(entry["rows"]), "rows": entry["rows"][:MOST_ROWS]} for entry in lists if entry["rows"]
    ]


def _is_list(value: Any) -> bool:
    return isinstance(value, list)
