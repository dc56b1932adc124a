"""The table of what is learnt: held-out loss by epoch and by second, over the seeds."""

import statistics

from benchmarks.quality import PLAIN, apart
from benchmarks.report.words import duration, table
from benchmarks.rows import Row

HEAD = """## What is learnt

Held-out squared error of the fit stage after each epoch and after so many seconds of training with one thread, by `python -m
benchmarks.quality`: means over the seeds, with the least and the most. All contenders see as many windows in an epoch and start from the
same weights. *plain* is the loop on `torch.nn.LSTM`; larger batches have the learning rate of `--batch auto`, 0.001 times the root of
batch / 32; *bfloat16* computes in that, on a processor in plain PyTorch, with weights and Adam in float32. *Apart from plain* is the
difference of the means after the last epoch that both have. Seeds alone set such means apart, by less than what is called noise here in 95
of 100 cases (Welch's t); after as many looks some lie beyond. *plain, fastgan's order* is plain PyTorch on the very batches that the
trainer saw: seed by seed it has to come out where the trainer does.
"""


def courses(rows: list[Row]) -> str:
    """A corpus after the other, a contender a line."""
    parts = []
    for case in dict.fromkeys(row["case"] for row in rows):
        mine = [row for row in rows if row["case"] == case]
        runs = {name: [row for row in mine if row["workload"] == name] for name in _names(mine)}
        epochs = max(len(row["losses"]) for row in mine)
        lines = [
            [name, len(found), *_cells(found, epochs), _apart(found, runs.get(PLAIN, []))]
            for name, found in runs.items()
        ]
        columns = "contender|seeds|" + "|".join(f"epoch {number + 1}" for number in range(epochs)) + "|apart from plain"
        parts.append(f"{case}; epochs of {mine[0]['windows']:,} windows:\n\n{table(columns, lines)}")
    return "\n".join(parts)


def _names(rows: list[Row]) -> list[str]:
    return list(dict.fromkeys(row["workload"] for row in rows))


def _cells(runs: list[Row], epochs: int) -> list[str]:
    cells = []
    for epoch in range(epochs):
        losses = [row["losses"][epoch] for row in runs if epoch < len(row["losses"])]
        seconds = [row["train_seconds"][epoch] for row in runs if epoch < len(row["losses"])]
        middle = f"{statistics.mean(losses):.3e} ({min(losses):.3e} to {max(losses):.3e})" if losses else ""
        cells.append(f"{middle}, {duration(statistics.mean(seconds))}" if losses else "")
    return cells


def _apart(runs: list[Row], plain: list[Row]) -> str:
    """The difference to plain PyTorch and what seeds alone would make of it."""
    if len(runs) < 2 or len(plain) < 2 or runs is plain:
        return ""
    last = min(len(row["losses"]) for row in (*runs, *plain)) - 1
    difference, noise = apart([row["losses"][last] for row in runs], [row["losses"][last] for row in plain])
    verdict = "within" if abs(difference) <= noise else "beyond"
    return f"{difference:+.1e} after epoch {last + 1}, {verdict} the noise of {noise:.1e}"
