"""Rows of benchmarks: what was measured, where and with what. They are appended to a file and never edited."""

import json
import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.turns import Times, middle, ratio

Row = dict[str, Any]

HOME = Path(__file__).parent
LSTM_CPU = HOME / "results" / "lstm-cpu.jsonl"
LSTM_GPU = HOME / "results" / "lstm-gpu.jsonl"
EPOCH_GPU = HOME / "results" / "epoch-gpu.jsonl"
GENERATE_GPU = HOME / "results" / "generate-gpu.jsonl"
SUITE = HOME / "results" / "suite.jsonl"  # of the tables "epoch", "data", "generate" and "scaling"
_GENERATED = ("results", "RESULTS.md")  # a run may write these without its tree counting as changed


def append(path: Path, row: Row) -> None:
    """Write one row at the end of a file; `read` gives it back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", encoding="utf-8") as stream:
        stream.write(json.dumps(row) + "\n")


def read(paths: Iterable[Path]) -> list[Row]:
    """All rows of these files, oldest first within each; files that are not there hold none.

    Raises:
        ValueError: a line is not a row; names file and line.
    """
    rows = []
    for path in paths:
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        for number, line in enumerate(lines, 1):
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise ValueError(f"{path}, line {number} is not JSON ({error}); rows are written whole") from error
    return rows


def measured(
    times: Times, ours: str, baselines: Iterable[str] = (), *, work: float, floor: str, unit: str, floor_work: float
) -> Row:
    """What finished turns come to: the part that all rows of the suite have.

    Args:
        times: seconds per call, by contender, of one set of turns.
        ours: the contender that ratios are about.
        baselines: against whom.
        work: operations or bytes of one of our calls.
        floor: the contender that stands for what the machine can do.
        unit: of `work`: "operations" or "bytes".
        floor_work: the same of one call of `floor`.

    Returns:
        `turns`; `ours`, the contender's name; `seconds` by contender; `spread`, seconds that bound the middle 60 %; `faster`, how
        many times faster we are than each baseline, turn by turn, with the bounds of the middle 60 %; `floor` with its unit,
        its rate per second and the `share` of that rate that our call reached, median of the turns, with its `bounds`.
    """
    rates = [floor_work / seconds for seconds in times[floor]]
    share, *bounds = middle(work / own / rate for own, rate in zip(times[ours], rates, strict=True))
    parts = {name: middle(values) for name, values in times.items()}
    return {
        "turns": len(times[ours]),
        "ours": ours,
        "seconds": {name: part[0] for name, part in parts.items()},
        "spread": {name: list(part[1:]) for name, part in parts.items()},
        "faster": {name: list(ratio(times, name, ours)) for name in baselines},
        "floor": {"of": floor, "unit": unit, "rate": middle(rates)[0], "share": share, "bounds": bounds},
    }


def stamp(row: Row) -> Row:
    """A row with date, machine, versions and commit."""
    return {"date": now(), **row, **facts()}


def now() -> str:
    """The time of a row."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@cache
def facts() -> Row:
    """What does not change while a process runs."""
    import torch

    from fastgan.ops import native
    from fastgan.ops.machine import describe
    from fastgan.version import VERSION

    library = native.library()
    assert library is not None, "rows are about the native library"
    return {
        "machine": {
            "processor": describe()["processor"] + _family(),
            "cores": os.cpu_count(),
            "instructions": str(library.instruction_set()),
        },
        "versions": {"fastgan": VERSION, "torch": torch.__version__, "python": platform.python_version()},
        **commit(),
    }


def _family() -> str:
    """The processor's generation in numbers: names such as "AMD EPYC" are those of many. Empty where Linux is not."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""
    found = dict(line.split(":", 1) for line in text.split("\n\n")[0].splitlines() if ":" in line)
    numbers = {key.strip(): value.strip() for key, value in found.items()}
    if "cpu family" not in numbers:
        return ""
    return f" (family {numbers['cpu family']}, model {numbers['model']})"


def commit() -> Row:
    """The commit and whether the tree was as in it; both None without git."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=HOME, check=True, capture_output=True, text=True).stdout.strip()

    try:
        ignored = [f":(exclude,top)benchmarks/{name}" for name in _GENERATED]
        return {"commit": git("rev-parse", "HEAD"), "clean": not git("status", "--porcelain", "--", ":/", *ignored)}
    except (FileNotFoundError, subprocess.CalledProcessError):  # no git, or not a checkout
        return {"commit": None, "clean": None}
