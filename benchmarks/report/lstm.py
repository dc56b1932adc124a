"""The sections about FusedLSTM on a CPU, a machine each."""

from collections.abc import Callable

from benchmarks.cases import AIMS, GRID, share_aim
from benchmarks.report.words import against, duration, faster, machine, newest, origins, table, taken, threads_of
from benchmarks.rows import Row

_KNOWN = {(str(case), workload): case for case, workload in AIMS}
_ORDER = {name: place for place, name in enumerate(_KNOWN)}

HEAD = """# Results

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


def sections(rows: list[Row]) -> list[str]:
    """How many rows there are, and for each machine what it gave."""
    shown = newest(rows)
    parts = [HEAD, f"Rows: {len(shown)} shown, {len(rows)} recorded. {left_out()}\n"]
    for name in dict.fromkeys(map(machine, shown)):
        mine = [row for row in shown if machine(row) == name]
        parts += [f"## {name}\n", f"{origins(mine)}\n"]
        for title, kind, made in TABLES:
            chosen = [row for row in mine if row["table"] == kind]
            if chosen:
                parts += [f"### {title}\n", made(chosen)]
    return parts


def left_out() -> str:
    """What the grid does not hold."""
    return (
        f"The grid holds {len(GRID.rows)} cases and workloads; {GRID.too_slow} more were left out because a call takes more than "
        f"20 billion operations, {GRID.too_large} because they take too much memory."
    )


def lstm_table(rows: list[Row]) -> str:
    """Cases with an aim, and those beside them."""
    rows = sorted(rows, key=lambda row: _ORDER.get((row["case"], row["workload"]), len(_ORDER)))
    lines: list[list[object]] = []
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
                taken(row, "torch"),
                taken(row, "fastgan"),
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


def cell(row: Row) -> str:
    """The ratio and our share of the peak."""
    return f"{row['ratio'][0]:.2f} ({row['share']['fastgan']:.0%})"


TABLES: tuple[tuple[str, str, Callable[[list[Row]], str]], ...] = (
    ("Sizes with an aim", "lstm", lstm_table),
    ("Grid", "grid", grid_table),
)

KINDS = {kind for _, kind, _ in TABLES}
