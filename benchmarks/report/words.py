"""What all tables of the report are made with: which rows count, where they come from, and cells in words."""

from collections.abc import Iterable, Sequence

from benchmarks.rows import Row


def newest(rows: Iterable[Row]) -> list[Row]:
    """The last row of each case, workload, number of threads and seed on each machine, in the order of their first ones."""
    last = {}
    for row in rows:
        last[machine(row), row["table"], row["case"], row["workload"], row["threads"], row.get("seed")] = row
    return list(last.values())


def machine(row: Row) -> str:
    """Where a row comes from, as a heading."""
    found = row["machine"]
    return f"{found['processor']}, {found['cores']} cores, {found['instructions']}"


def origins(rows: list[Row]) -> str:
    """When and with what these rows were measured."""
    dates = sorted(row["date"][:10] for row in rows)
    days = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    versions = dict.fromkeys(", ".join(f"{name} {number}" for name, number in row["versions"].items()) for row in rows)
    return f"Measured {days} with {'; '.join(versions)}; {', '.join(sorted(set(map(commit, rows))))}."


def commit(row: Row) -> str:
    """The commit a row was measured at."""
    if row["commit"] is None:
        return "outside a checkout"
    return f"commit {row['commit'][:10]}" + ("" if row["clean"] else " with changes")


def table(columns: str, lines: list[list[object]]) -> str:
    """A Markdown table; columns are separated by |."""
    rows = [f"| {' | '.join(columns.split('|'))} |", "|" + "---|" * len(columns.split("|"))]
    rows += [f"| {' | '.join(map(str, line))} |" for line in lines]
    return "\n".join(rows) + "\n"


def faster(ratio: Sequence[float]) -> str:
    """The ratio with its bounds."""
    middle, low, high = ratio
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def against(found: float | None, aim: float | None, form: str) -> str:
    """An aim, and whether it was reached; empty where there is none."""
    if aim is None or found is None:
        return ""
    return f"{form.format(aim)}, {'reached' if found >= aim else 'not reached'}"


def duration(seconds: float) -> str:
    """Three digits of a time."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size or unit == "µs":
            number = seconds / size
            return f"{number:.{0 if number >= 100 else 1 if number >= 10 else 2}f} {unit}"
    raise AssertionError("unreachable")


def taken(row: Row, name: str) -> str:
    """A contender's time, with the bounds of the middle 60 % where the row has them."""
    bounds = row.get("spread", {}).get(name)
    time = duration(row["seconds"][name])
    return time if bounds is None else f"{time} ({' to '.join(map(duration, bounds))})"


def share_of(row: Row) -> str:
    """Which part of its floor a row of the suite reached."""
    share = row["floor"]["share"]
    return f"{share:.{0 if share >= 0.1 else 1}%}"


def threads_of(count: int) -> str:
    """A number of threads in words."""
    return f"{count} thread{'' if count == 1 else 's'}"


def judged(found: float | None, aim: float | None, form: str) -> str:
    """The same; an aim without an answer is not reached."""
    return "" if aim is None else against(found, aim, form) or f"{form.format(aim)}, no answer"
