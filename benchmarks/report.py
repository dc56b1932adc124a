"""Makes benchmarks/RESULTS.md from the recorded rows: `python -m benchmarks.report`."""

from collections.abc import Callable, Iterable, Sequence

from benchmarks.cases import AIMS, GRID, share_aim
from benchmarks.gpu_cases import PLAN
from benchmarks.rows import HOME, LSTM_CPU, LSTM_GPU, Row, read

COMMAND = "python -m benchmarks.report"
PAGE = HOME / "RESULTS.md"
SOURCES = (LSTM_CPU, LSTM_GPU)

_KNOWN = {(str(case), workload): case for case, workload in AIMS}
_ORDER = {name: place for place, name in enumerate(_KNOWN)}
_PLANNED = {(str(one.case), one.workload, one.numbers): one for one in PLAN}
_PLACES = {name: place for place, name in enumerate(_PLANNED)}

HEAD = f"""<!-- Generated from benchmarks/results by `{COMMAND}`; do not edit. -->

# Results

`FusedLSTM` (backend "cpu") against `torch.nn.LSTM` with the same weights. A row was written only after output and all
gradients had been compared to a float64 run (float64 rows: to one in numpy's longdouble): off by at most twice torch's own error
plus 4 roundings, relative to the largest value. Then all took turns in one process:
times are medians, *times faster* is the median of the turns' ratios with the bounds of their middle 60 %. Shares are of the speed
of a 1024 x 1024 matrix product by torch, with as many threads and in the same turns, for the nominal count of operations:
2 * 4H * (K + H) for each row, layer and direction with K values coming in, three times that in training.
*At the peak* is how many times faster a call would be of which nothing is left but these operations, at that speed.

A case is named by T (steps), B (sequences), I (inputs), H (units) and L (layers); *2ways*: both directions; *states*: h_0 and c_0 are
given; *packed*: sequences of 1 to T steps, drawn evenly; *deep*: training asks for the gradient of the input too.
*inference* is a forward pass without gradients, *training* forward and backward, *penalty* a gradient penalty, differentiated
twice. Of rows measured more than once, the newest counts.
"""

GPU_HEAD = """## GPU

`FusedLSTM` against `torch.nn.LSTM` as PyTorch ships it, by `bash benchmarks/gpu.sh`; answers are compared as above, on the device. *tf32*
is float32 with TF32 in cuDNN, which is how PyTorch ships it, *float32* the same with exact products, for both sides alike; the errors
that count as roundings are those of TF32 in the first. A gradient penalty is against torch with cuDNN disabled, which cannot
differentiate twice. *eager* is call by call, *graph* both captured in CUDA graphs, *kernels* the time that the GPU itself is busy in an
eager call. Shares are of the speed of an 8192 x 8192 product in bfloat16, by graph.
"""
NO_GPU = "**No row has been recorded yet: these kernels have not been timed on a GPU.**\n"


def main() -> None:
    """Write the page."""
    rows = read(SOURCES)
    PAGE.write_text(page(rows), encoding="utf-8")
    print(f"{PAGE}: from {len(rows)} rows")


def page(rows: list[Row]) -> str:
    """The whole page, as Markdown.

    Args:
        rows: of any tables and machines, in the order in which they were written.
    """
    measured = [row for row in rows if row["table"] == "gpu"]
    rows = [row for row in rows if row["table"] != "gpu"]
    shown = newest(rows)
    machines = list(dict.fromkeys(map(machine, shown)))
    parts = [HEAD, f"Rows: {len(shown)} shown, {len(rows)} recorded. {left_out()}\n"]
    for name in machines:
        parts.append(f"## {name}\n")
        mine = [row for row in shown if machine(row) == name]
        parts.append(f"{origins(mine)}\n")
        for title, kind, table in TABLES:
            chosen = [row for row in mine if row["table"] == kind]
            if chosen:
                parts += [f"### {title}\n", table(chosen)]
    parts += gpu(measured)
    return "\n".join(parts).rstrip() + "\n"


def newest(rows: Iterable[Row]) -> list[Row]:
    """The last row of each case, workload and number of threads on each machine, in the order of their first ones."""
    last = {}
    for row in rows:
        last[machine(row), row["table"], row["case"], row["workload"], row["threads"]] = row
    return list(last.values())


def machine(row: Row) -> str:
    """Where a row comes from, as a heading."""
    found = row["machine"]
    return f"{found['processor']}, {found['cores']} cores, {found['instructions']}"


def left_out() -> str:
    """What the grid does not hold."""
    return (
        f"The grid holds {len(GRID.rows)} cases and workloads; {GRID.too_slow} more were left out because a call takes more than "
        f"20 billion operations, {GRID.too_large} because they take too much memory."
    )


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


def lstm_table(rows: list[Row]) -> str:
    """Cases with an aim, and those beside them."""
    rows = sorted(rows, key=lambda row: _ORDER.get((row["case"], row["workload"]), len(_ORDER)))
    lines = []
    for row in rows:
        case = _KNOWN.get((row["case"], row["workload"]))
        shares = row.get("share", {})
        aim = None if case is None else AIMS[case, row["workload"]]
        wanted = None if case is None else share_aim(case, row["workload"])
        lines.append(
            [
                row["case"],
                row["workload"],
                row["threads"],
                duration(row["seconds"]["torch"]),
                duration(row["seconds"]["fastgan"]),
                faster(row["ratio"]),
                f"{1 / shares['torch']:.1f}" if shares else "",
                against(row["ratio"][0], aim, "{:g}"),
                f"{shares['torch']:.0%}" if shares else "",
                f"{shares['fastgan']:.0%}" if shares else "",
                against(shares.get("fastgan"), wanted, "{:.0%}"),
                "; ".join(f"{name}: {duration(row['seconds'][name])}" for name in row["seconds"] if ", " in name),
            ]
        )
    reached = [judge for line in lines for judge in (line[7], line[10]) if judge]
    count = sum("not" not in str(judge) for judge in reached)
    columns = (
        "case|workload|threads|torch|fastgan|times faster|at the peak|aim|torch's share of peak|fastgan's|aim|beside it"
    )
    return f"{count} of {len(reached)} aims reached.\n\n" + table(columns, lines)


def grid_table(rows: list[Row]) -> str:
    """What is slower first, then all of it, a line for each case."""
    slower = sorted((row for row in rows if row["ratio"][0] < 1), key=lambda row: row["ratio"][0])
    ratios = sorted(row["ratio"][0] for row in rows)
    text = (
        f"Times faster, of {len(rows)} rows: {ratios[0]:.2f} at worst, {ratios[len(ratios) // 2]:.2f} in the middle, "
        f"{ratios[-1]:.2f} at best. Slower than torch: {len(slower)}.\n"
    )
    if slower:
        text += "\n" + table(
            "slower than torch|workload|threads|torch|fastgan|times faster",
            [
                [
                    row["case"],
                    row["workload"],
                    row["threads"],
                    duration(row["seconds"]["torch"]),
                    duration(row["seconds"]["fastgan"]),
                    faster(row["ratio"]),
                ]
                for row in slower
            ],
        )
    kinds = sorted({(row["workload"], row["threads"]) for row in rows})
    by_case: dict[str, dict[tuple[str, int], Row]] = {}
    for row in rows:
        by_case.setdefault(row["case"], {})[row["workload"], row["threads"]] = row
    lines: list[list[object]] = [
        [case, *(cell(found[kind]) if kind in found else "" for kind in kinds)] for case, found in by_case.items()
    ]
    columns = "|".join(["case", *(f"{workload}, {threads_of(threads)}" for workload, threads in kinds)])
    whole = table(columns, lines)
    return f"{text}\n<details><summary>All of the grid: times faster (share of peak)</summary>\n\n{whole}\n</details>\n"


def step_table(rows: list[Row]) -> str:
    """The trainer's own steps."""
    return table(
        "batch|step|threads|torch.nn.LSTM|FusedLSTM|times faster",
        [
            [
                row["case"],
                row["workload"],
                row["threads"],
                duration(row["seconds"]["torch"]),
                duration(row["seconds"]["fastgan"]),
                faster(row["ratio"]),
            ]
            for row in rows
        ],
    )


TABLES: tuple[tuple[str, str, Callable[[list[Row]], str]], ...] = (
    ("Sizes with an aim", "lstm", lstm_table),
    ("The trainer's steps (n = 6, H = 128), before and after", "step", step_table),
    ("Grid", "grid", grid_table),
)


def gpu(rows: list[Row]) -> list[str]:
    """The section about GPUs: newest row of each contest on each of them."""
    if not rows:
        return [GPU_HEAD, NO_GPU]
    last = {(row["machine"]["gpu"], *_contest(row)): row for row in rows}
    parts = [GPU_HEAD]
    for name in dict.fromkeys(row["machine"]["gpu"] for row in rows):
        mine = [row for key, row in last.items() if key[0] == name]
        mine.sort(key=lambda row: _PLACES.get(_contest(row), len(_PLACES)))
        parts += [f"### {name}\n", f"{origins(mine)}\n", gpu_table(mine)]
    return parts


def gpu_table(rows: list[Row]) -> str:
    """Every contest, what is to be reached, and what failed."""
    lines, reached = [], []
    for row in rows:
        mine, planned = row["auto"], _PLANNED.get(_contest(row))
        line: list[object] = [*_contest(row), mine or ""]
        for way, aim in (("eager", planned and planned.eager), ("graph", planned and planned.graph), ("kernels", None)):
            times = [row["seconds"].get(f"{who}, {way}") for who in ("torch", mine)]
            found = row["ratio"].get(f"{mine}, {way}")
            judge = _judged(found and found[0], aim, "{:g}")
            line += [*("" if one is None else duration(one) for one in times), faster(found) if found else ""]
            line += [] if way == "kernels" else [judge]
            reached += [judge] if judge else []
        share, wanted = row.get("share", {}).get(f"{mine}, graph"), planned and planned.share
        judge = _judged(share, wanted, "{:.0%}")
        reached += [judge] if judge else []
        beside = [f"{name} {one[0]:.2f}" for name, one in row["ratio"].items() if not name.startswith(f"{mine}, ")]
        faults = [f"{name}: {why}" for part in ("failed", "left out") for name, why in row[part].items()]
        line += ["" if share is None else f"{share:.0%}", judge, "; ".join(beside), "; ".join(faults).replace("|", "/")]
        lines.append(line)
    ways = ("torch, eager|fastgan|times faster|aim", "torch, graph|fastgan|times faster|aim")
    columns = f"case|workload|numbers|backend|{'|'.join(ways)}|torch, kernels|fastgan|times faster|share|aim|beside it|failed or left out"
    count = sum(judge.endswith(", reached") for judge in reached)
    return f"{count} of {len(reached)} aims reached.\n\n" + table(columns, lines)


def _contest(row: Row) -> tuple[str, str, str]:
    return row["case"], row["workload"], row["numbers"]


def _judged(found: float | None, aim: float | None, form: str) -> str:
    """As `against`; an aim without an answer is not reached."""
    return "" if aim is None else against(found, aim, form) or f"{form.format(aim)}, no answer"


def table(columns: str, lines: list[list[object]]) -> str:
    """A Markdown table; columns are separated by |."""
    rows = [f"| {' | '.join(columns.split('|'))} |", "|" + "---|" * len(columns.split("|"))]
    rows += [f"| {' | '.join(map(str, line))} |" for line in lines]
    return "\n".join(rows) + "\n"


def faster(ratio: Sequence[float]) -> str:
    """The ratio with its bounds."""
    middle, low, high = ratio
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def cell(row: Row) -> str:
    """The ratio and our share of the peak."""
    return f"{row['ratio'][0]:.2f} ({row['share']['fastgan']:.0%})"


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


def threads_of(count: int) -> str:
    """A number of threads in words."""
    return f"{count} thread{'' if count == 1 else 's'}"


if __name__ == "__main__":
    main()
