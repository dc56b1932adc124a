"""The story of a run on one page: `report.html`, made from the files in the run's folder and from nothing else.

The page loads nothing: style, pictures and sound are inside it. A run that was killed half-way still gets its page.
"""

import base64
import json
import math
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from fastgan.base.atomic import replacing
from fastgan.base.errors import BadInput, explain_os_error, printable
from fastgan.gan.charts import Chart, line_chart

MOST_SAMPLES = 24  # in the page; the rest stays in the folder
MOST_BYTES = 64 << 20  # of wav in the page: a phone still opens it
MOST_ROWS = 1_000  # of one table
CHOICE = "choice.json"  # of a run that chose between fit and the game, in its folder

STAGES = {
    "encoder": "an auto-encoder learns to compress sound and to rebuild it",
    "fit": "the generator learns to predict the next value",
    "game": "the generator plays against the discriminator",
}
NOTES = {
    "accuracy": "Keras' accuracy: for sound it counts samples that are exactly 0, as zero_share does. No training moves it.",
}
_NO_CURVE = ("epoch", "stage_epoch", "steps", "seconds", "windows_per_s", "linear_mse", "zero_share", "val_zero_share")

Row = dict[str, Any]
"""One line of log.jsonl."""


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
    quarantine: dict[str, Any] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def by_stage(self) -> dict[str, list[Row]]:
        stages: dict[str, list[Row]] = {}
        for row in self.rows:
            stages.setdefault(row["stage"], []).append(row)
        return stages


def _read(folder: Path) -> _Run:
    run = _Run(folder)
    for name in ("config", "quarantine"):
        path = folder / f"{name}.json"
        value = _parsed(path.read_text("utf-8", "replace")) if path.is_file() else None
        if isinstance(value, dict):
            setattr(run, name, value)
        else:
            run.notes.append(f"{path.name} is {'damaged' if path.is_file() else 'missing'}")
    log = folder / "log.jsonl"
    lines = log.read_text("utf-8", "replace").splitlines() if log.is_file() else []
    rows = [row for line in lines if isinstance(row := _parsed(line), dict)]
    run.rows = [row for row in rows if _number(row.get("epoch")) is not None and isinstance(row.get("stage"), str)]
    if len(run.rows) < len(lines):
        run.notes.append(f"lines of log.jsonl that could not be read: {len(lines) - len(run.rows)}")
    if not run.rows:
        run.notes.append("no epoch is finished yet: curves and samples appear with the first one")
    return run


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _render(run: _Run) -> str:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["text"] = _text
    source = resources.files("fastgan.gan").joinpath("report.html.j2").read_text("utf-8")
    samples = _samples(run)
    return environment.from_string(source).render(
        name=printable(run.folder.resolve().name),
        version=run.config.get("version", ""),
        facts=_facts(run),
        verdicts=[verdict for verdict in (_linear(run.rows), _game(run.rows, run.folder), _sound(run.rows)) if verdict],
        notes=run.notes,
        samples=samples,
        total_samples=sum("sample" in row for row in run.rows),
        stages=[_stage(name, rows) for name, rows in run.by_stage().items()],
        quarantine=_quarantine(run.quarantine),
        pairs={title: run.config.get(title.lower(), {}) for title in ("Settings", "Machine")},
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: Any) -> float | None:
    """The value when it is a finite number, else None."""
    return float(value) if _is_number(value) and math.isfinite(value) else None


def _text(value: Any) -> str:
    """A plain value for a person: numbers to six digits, nothing for None."""
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.6g}"
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _duration(seconds: float) -> str:
    for unit, size in (("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def _facts(run: _Run) -> dict[str, str]:
    """What was trained on what, for how long."""
    facts = {}
    corpus = run.config.get("corpus")
    if corpus:
        facts["Preset"] = run.config["settings"]["preset"]
        facts["Clips"] = (
            f"{corpus['clips']:,} ({_duration(corpus['seconds'])} of sound), {corpus['held_out_clips']:,} of them "
            "held out: training never sees these"
        )
        genres = [f"{genre} {count:,}" for genre, count in corpus["genres"].items() if genre]
        if genres:
            facts["Genres"] = ", ".join(genres if len(genres) <= 12 else [*genres[:11], f"{len(genres) - 11} more"])
    if run.rows:
        epochs = ", ".join(f"{len(rows):,} of {name}" for name, rows in run.by_stage().items())
        facts["Epochs"] = f"{epochs}, in {_duration(sum(_number(row.get('seconds')) or 0.0 for row in run.rows))}"
    return facts


def _linear(rows: list[Row]) -> dict[str, Any] | None:
    """Where the newest held-out error stands against the closed-form linear predictor; None when it was not measured."""
    measured = [(_number(row.get("val_loss")), _number(row.get("linear_mse")), row["epoch"]) for row in rows]
    errors = [(loss, bar, epoch) for loss, bar, epoch in measured if loss is not None and bar is not None]
    if not errors:
        return None
    loss, bar, _ = errors[-1]
    best, _, best_epoch = min(errors)
    by = f" ({100 * abs(loss / bar - 1):.3g} % {'below' if loss < bar else 'above'})" if bar > 0 else ""
    words = f"the network's held-out error is {loss:.3g}, the linear predictor's {bar:.3g}{by}"
    if loss < bar:
        return {"good": True, "title": "Linear predictor beaten", "words": f"{words}."}
    words += "; a weighted sum of the last values, without any training, is at least as good."
    if best < bar:
        words += f" The network was ahead at epoch {_text(best_epoch)}, with {best:.3g}."
    return {"good": False, "title": "Linear predictor not beaten", "words": words}


def _game(rows: list[Row], folder: Path) -> dict[str, Any] | None:
    """Whether the game brought the music nearer than the fit had; None where that was not measured."""
    paid = game_paid(rows, folder)
    if paid is None:
        return None
    fit, game = paid
    words = f"KAD to the music is {fit:.3g} by the best of fit and {game:.3g} by the game"
    if game < fit:
        return {"good": True, "title": "The game paid", "words": f"{words}."}
    return {
        "good": False,
        "title": "The game did not pay",
        "words": f"{words}; what fit had learnt is kept as the best.",
    }


def game_paid(rows: list[Row], folder: Path) -> tuple[float, float] | None:
    """KAD of fit and of the game: of the clips that the run chose by, else the lowest of its log's rows without an alarm; or None."""
    if (folder / CHOICE).exists():
        kad = json.loads((folder / CHOICE).read_text())["kad"]
        return kad["fit"], kad["game"]
    best = []
    for stage in ("fit", "game"):
        found = [_number(row.get("kad")) for row in rows if row["stage"] == stage and "alarm" not in row]
        known = [value for value in found if value is not None]
        best.append(min(known) if known else None)
    fit, game = best
    return None if fit is None or game is None else (fit, game)


def _sound(rows: list[Row]) -> dict[str, Any] | None:
    """How many of the samples are healthy; None when none was examined."""
    found = [row["health"]["problems"] for row in rows if "health" in row]
    if not found:
        return None
    healthy = sum(not problems for problems in found)
    newest = ", ".join(found[-1]) or "healthy"
    title = f"{healthy:,} of {len(found):,} samples healthy"
    return {"good": not found[-1], "title": title, "words": f"the newest is judged {newest}."}


def _samples(run: _Run) -> list[dict[str, Any]]:
    """The samples to embed, oldest first."""
    named = [(row, _wav(run.folder, row["sample"])) for row in run.rows if "sample" in row]
    found = [(row, path) for row, path in named if path is not None]
    if len(found) < len(named):
        run.notes.append(f"samples that the log names and the folder lacks: {len(named) - len(found)}")
    largest = max((path.stat().st_size for _, path in found), default=1)
    shown = [_sample(path, row) for row, path in _even(found, max(1, min(MOST_SAMPLES, MOST_BYTES // largest)))]
    about, music = run.folder / "music.json", run.folder / "music.wav"
    made = _parsed(about.read_text("utf-8", "replace")) if about.is_file() and music.is_file() else None
    if isinstance(made, dict) and music.stat().st_size <= MOST_BYTES:
        title = f"Music by the best checkpoint: epoch {_text(made.get('epoch'))}, {_text(made.get('stage'))}"
        shown.append(_sample(music, {"epoch": "", "stage": "", **made}) | {"title": title})
    return shown


def _sample(path: Path, row: Row) -> dict[str, Any]:
    picture = path.with_suffix(".png")
    return {
        "title": f"Epoch {_text(row['epoch'])}, {row['stage']}",
        "sound": _data_uri(path, "audio/wav"),
        "picture": _data_uri(picture, "image/png") if picture.is_file() else None,
        "health": row.get("health"),
    }


def _wav(folder: Path, name: str) -> Path | None:
    """The wav of that name when it lies in the folder: a log never pulls in what lies elsewhere."""
    path = (folder / name).resolve()
    return path if path.is_relative_to(folder.resolve()) and path.suffix == ".wav" and path.is_file() else None


def _data_uri(path: Path, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def _even(items: list[Any], most: int) -> list[Any]:
    """At most so many of the items: the last, the first, and the others evenly between."""
    if len(items) <= most:
        return items
    return [items[-1 - i * (len(items) - 1) // max(1, most - 1)] for i in reversed(range(most))]


def _stage(name: str, rows: list[Row]) -> dict[str, Any]:
    """Charts and table of one stage."""
    columns = [
        key for key in dict.fromkeys(key for row in rows for key in row) if key not in ("stage", "sample", "health")
    ]
    columns = [key for key in columns if any(_is_number(row.get(key)) for row in rows)]
    shown = _even(rows, MOST_ROWS)
    return {
        "name": name,
        "about": STAGES.get(name, ""),
        "charts": _charts(columns, rows, log=name != "game"),
        "columns": columns,
        "rows": [([row.get(key) for key in columns], row.get("health")) for row in shown],
        "left_out": len(rows) - len(shown),
    }


def _charts(columns: list[str], rows: list[Row], *, log: bool) -> list[Chart]:
    """A chart for each measure, with its value on held-out clips beside that in training."""
    names = dict.fromkeys(key.removeprefix("val_") for key in columns if key not in _NO_CURVE)
    charts = []
    for name in names:
        keys = {"training": name, "held out": f"val_{name}"}
        if name == "loss":
            keys["linear predictor"] = "linear_mse"
        series = {label: [(float(row["epoch"]), _number(row.get(key))) for row in rows] for label, key in keys.items()}
        charts.append(line_chart(name, series, log=log and name == "loss", note=NOTES.get(name, "")))
    return [chart for chart in charts if chart]


def _quarantine(lists: dict[str, Any]) -> list[dict[str, Any]]:
    """The lists of files that were skipped, noted or ignored."""
    skipped = [(entry["file"], entry["reason"]) for entry in lists.get("skipped", [])]
    noted = [(entry["file"], entry["note"]) for entry in lists.get("noted", [])]
    tables = (
        ("Skipped: not used", ("file", "reason"), skipped),
        ("Used, with a note", ("file", "note"), noted),
        ("Ignored: not audio", ("kind of file", "files"), list(lists.get("ignored", {}).items())),
    )
    return [
        {"title": title, "headings": headings, "count": len(rows), "rows": rows[:MOST_ROWS]}
        for title, headings, rows in tables
        if rows
    ]
