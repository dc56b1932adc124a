"""The sections about the whole trainer: an epoch, the data, making sound, and how it all grows."""

from collections.abc import Callable

from benchmarks.report import epoch, quality
from benchmarks.report.words import duration, faster, machine, newest, origins, share_of, table, taken
from benchmarks.rows import Row

DATA = """## From files to windows

By `benchmarks/bench_data.py`, after the answers were compared. *decode* reads a file of 30 s as int16 at 22,050 Hz, *gather* copies random
windows out of a corpus of 100 such clips as float32, *normalise* and *denormalise* are the map between the two alone. Shares are of the
speed of a copy of 128 MiB in the same turns, for the bytes that have to be read and written. With every time come the bounds of the
middle 60 %.
"""
GENERATE = """## Making sound

30 s of sound, 661,500 samples, from a generator of the paper's size, by `benchmarks/bench_generate.py`, after the samples were compared.
*torch* is the same written plainly on `torch.nn.LSTM`: from noise a loop over batches, by feedback a loop that shows it the last six
values for each next one, carried one that shows it each value with the state before; of several clips at once, all as a batch, and then the
same clips by fastgan one by one. **Where fewer samples were timed, the seconds are scaled up.** Shares are of a large matrix product, or
of reading all weights once for each value by a dot product (where one row at a time needs them).
"""
SCALING = """## How a fit step grows

One step of the fit stage, one size changed at a time, each case in a process of its own, by `benchmarks/bench_scaling.py`, after the first
loss was compared. Shares are of a large matrix product in the same turns. Memory is the most that the process had, above what it had after
a step of the smallest case.
"""


def sections(rows: list[Row]) -> list[str]:
    """Each with its machines, or with the command that records what it lacks."""
    parts = []
    for kind, head, made in SECTIONS:
        mine = newest(row for row in rows if row["table"] == kind)
        parts.append(head)
        if not mine:
            command = COMMANDS.get(kind, f"python -m pytest benchmarks/bench_{kind}.py --benchmark-only --record")
            parts.append(f"**Nothing is recorded yet: `{command}` does it.**\n")
        for name in dict.fromkeys(map(machine, mine)):
            chosen = [row for row in mine if machine(row) == name]
            parts += [f"### {name}\n", f"{origins(chosen)}\n", made(chosen)]
    return parts


def data_table(rows: list[Row]) -> str:
    """Times, shares of a copy, and how many times faster than whom."""
    return table(
        "what|case|threads|fastgan|share of copy|seconds of music per second|times faster than",
        [
            [
                row["workload"],
                row["case"],
                row["threads"],
                taken(row, row["ours"]),
                share_of(row),
                f"{row['sound'] / row['seconds'][row['ours']]:,.0f}" if "sound" in row else "",
                "; ".join(f"{name}: {faster(ratio)}" for name, ratio in row["faster"].items()),
            ]
            for row in rows
        ],
    )


def generate_table(rows: list[Row]) -> str:
    """Seconds for 30 s of sound, and how many times faster than they last."""
    return table(
        "way|threads|fastgan|torch|times faster|times real time|than one by one|share|of|samples timed",
        [
            [
                row["workload"],
                row["threads"],
                taken(row, row["ours"]),
                taken(row, "torch"),
                faster(row["faster"]["torch"]),
                f"{row['sound'] / row['seconds'][row['ours']]:.2f}",
                faster(row["faster"]["one by one"]) if "one by one" in row["faster"] else "",
                share_of(row),
                row["floor"]["of"],
                f"{row['timed']:,}",
            ]
            for row in rows
        ],
    )


def scaling_table(rows: list[Row]) -> str:
    """Time of a step and of a window, the share of the floor, and memory."""
    return table(
        "case|threads|a step|a window|share of SGEMM|memory",
        [
            [
                row["case"],
                row["threads"],
                taken(row, row["ours"]),
                duration(row["seconds"][row["ours"]] / row["windows"]),
                share_of(row),
                f"{row['memory'] / 1e6:.0f} MB",
            ]
            for row in rows
        ],
    )


COMMANDS = {"quality": "python -m benchmarks.quality --record"}
SECTIONS: tuple[tuple[str, str, Callable[[list[Row]], str]], ...] = (
    ("epoch", epoch.HEAD, epoch.epochs),
    ("quality", quality.HEAD, quality.courses),
    ("data", DATA, data_table),
    ("generate", GENERATE, generate_table),
    ("scaling", SCALING, scaling_table),
)
