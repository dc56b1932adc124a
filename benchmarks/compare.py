"""What changed between two files of rows: `python -m benchmarks.compare BEFORE AFTER`.

A row of one and a row of the other are a pair when they have the same machine, table, case, workload, threads, numbers and seed;
of rows measured more than once the newest counts. Ratios and shares come first, since both sides of them met the same noise;
seconds and memory are for a quiet machine, losses for equal settings. A change is how many times better the second file is. It is
within noise where the bounds of the middle 60 % overlap. The file of an earlier commit: `git show
COMMIT:benchmarks/results/lstm-cpu.jsonl > before.jsonl`.
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report.words import machine, origins, threads_of
from benchmarks.rows import Row, read

LINES = 30  # of each list
NEEDED = ("machine", "table", "case", "workload", "date", "versions", "commit")

Key = tuple[str, ...]
Number = tuple[float, ...]  # the middle and, where they are known, the bounds


@dataclass(frozen=True)
class Change:
    """A number of a pair of rows, before and after.

    Attributes:
        of: the pair.
        name: the number.
        before, after: the middle and, where they are known, the bounds.
        better: how many times better it got; below 1 it got worse.
    """

    of: Key
    name: str
    before: Number
    after: Number
    better: float

    @property
    def verdict(self) -> str:
        """What the bounds say."""
        if len(self.before) == 1 or len(self.after) == 1:
            return "no bounds"
        if self.before[1] <= self.after[2] and self.after[1] <= self.before[2]:
            return "within noise"
        return "better" if self.better > 1 else "worse"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what changed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("before", type=Path, help="a file of rows (.jsonl)")
    parser.add_argument("after", type=Path, help="another")
    parser.add_argument("--all", action="store_true", help="show every line, those within noise too")
    chosen = parser.parse_args(arguments)
    try:
        before, after = load(chosen.before), load(chosen.after)
    except ValueError as error:
        parser.error(str(error))
    print("\n".join(report(before, after, everything=chosen.all)))


def load(path: Path) -> dict[Key, Row]:
    """The newest row of each case in a file.

    Raises:
        ValueError: there is no such file, or a line of it is not a row; says which.
    """
    if not path.is_file():
        raise ValueError(
            f"{path} is not there, or not a file; give two files of rows, such as benchmarks/results/*.jsonl"
        )
    try:
        rows = read([path])
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not text ({error.reason} at byte {error.start}); give a file of rows (.jsonl)"
        ) from error
    for number, row in enumerate(rows, 1):
        missing = [name for name in NEEDED if name not in row] if isinstance(row, dict) else ["everything"]
        if missing:
            raise ValueError(f"{path}, line {number} is not a row of a benchmark: it lacks {', '.join(missing)}")
    return {key(row): row for row in rows}


def key(row: Row) -> Key:
    """What makes two rows a pair, in words."""
    more = [threads_of(row["threads"])] if "threads" in row else []
    more += [row["numbers"]] if "numbers" in row else []
    more += [f"seed {row['seed']}"] if "seed" in row else []
    where = row["machine"]["gpu"] if "gpu" in row["machine"] else machine(row)
    return (row["table"], row["case"], row["workload"], *more, where)


def relative(row: Row) -> dict[str, Number]:
    """Ratios and shares of a row: more is better. Shares of torch itself are not ours to change."""
    ratio = row.get("ratio", {})
    found = {"times faster": tuple(ratio)} if isinstance(ratio, list) else _bounded("times faster: ", ratio)
    found |= _bounded("times faster than ", row.get("faster", {}))
    found |= {f"share: {name}": (one,) for name, one in row.get("share", {}).items() if not name.startswith("torch")}
    if "floor" in row:
        found[f"share of {row['floor']['of']}"] = (row["floor"]["share"], *row["floor"].get("bounds", ()))
    return found


def absolute(row: Row) -> dict[str, Number]:
    """Seconds of every contender, bytes of memory, and held-out losses: less is better."""
    spread = row.get("spread", {})
    found: dict[str, Number] = {
        f"s, {name}": (one, *spread.get(name, ())) for name, one in row.get("seconds", {}).items()
    }
    found |= {f"loss after epoch {epoch}": (loss,) for epoch, loss in enumerate(row.get("losses", ()), 1)}
    return found | ({"bytes of memory": (row["memory"],)} if "memory" in row else {})


def _bounded(prefix: str, numbers: dict[str, list[float]]) -> dict[str, Number]:
    return {prefix + name: tuple(one) for name, one in numbers.items()}


def changes(before: dict[Key, Row], after: dict[Key, Row]) -> tuple[list[Change], list[Change]]:
    """What changed in the rows that both have, worst first: ratios and shares, then seconds and memory."""
    found: tuple[list[Change], list[Change]] = [], []
    for of in before.keys() & after.keys():
        for kind, part in enumerate((relative, absolute)):
            old, new = part(before[of]), part(after[of])
            for name in old.keys() & new.keys():
                if 0 in (old[name][0], new[name][0]):
                    continue  # the smallest case takes no memory above itself
                quotient = new[name][0] / old[name][0]
                found[kind].append(Change(of, name, old[name], new[name], 1 / quotient if kind else quotient))
    for part in found:
        part.sort(key=lambda change: (change.better, change.of, change.name))
    return found


def report(before: dict[Key, Row], after: dict[Key, Row], *, everything: bool = False) -> list[str]:
    """The lines that are printed."""
    text = []
    for name, rows in (("before", before), ("after", after)):
        text.append(f"{name}: {len(rows)} rows. {origins([*rows.values()]) if rows else ''}".rstrip())
    for title, found in zip(("Ratios and shares", "Seconds, memory and losses"), changes(before, after), strict=True):
        counts = Counter(change.verdict for change in found)
        summary = ", ".join(
            f"{counts[verdict]} {verdict}" for verdict in ("worse", "better", "within noise", "no bounds")
        )
        text += ["", f"{title}, worst first, those without bounds after the others: {summary}"]
        found.sort(key=lambda change: change.verdict == "no bounds")  # keeps the order within each
        text += _shown(
            [_line(change) for change in found if everything or change.verdict != "within noise"], everything
        )
    for name, mine, others in (("before", before, after), ("after", after, before)):
        alone = [", ".join(of) for of in mine if of not in others]
        text += ["", f"Only {name}: {len(alone)}", *_shown([f"  {one}" for one in alone], everything)]
    return text


def _line(change: Change) -> str:
    values = " -> ".join(map(_number, (change.before, change.after)))
    return f"  {change.better:6.2f} x  {change.verdict:<12}  {change.name}: {values:<48}  {', '.join(change.of)}"


def _number(number: Iterable[float]) -> str:
    middle, *bounds = (f"{value:.3g}" for value in number)
    return f"{middle} ({' to '.join(bounds)})" if bounds else middle


def _shown(lines: list[str], everything: bool) -> list[str]:
    if everything or len(lines) <= LINES:
        return lines
    return [*lines[:LINES], f"  and {len(lines) - LINES} more; --all shows them"]


if __name__ == "__main__":
    main()
