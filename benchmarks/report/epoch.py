"""The table of paper epochs, and what is to be reached in one."""

from benchmarks.paper import BEST_BATCH, EPOCH_AIMS, EPOCH_THREADS, PAPER_SECONDS
from benchmarks.report.words import duration, faster, share_of, table
from benchmarks.rows import Row

HEAD = f"""## A paper epoch

100 clips of 661,500 samples (22,050 Hz, 30 s), n = 6, windows side by side, six clips of seven for training, H = 128, float32, Adam.
*fit* is next-value prediction by squared error, then loss and accuracy on the held-out clips; *game* is a step of the discriminator and
one of the generator for each batch. **Seconds of an epoch are scaled up** from whole steps that were timed after warm-up, all contenders
in turn: *plain* is the same loop on `torch.nn.LSTM`, *compiled* the same under `torch.compile`, *keras* the paper's own way. The paper
gives 1,300 to 1,500 s on Colab's GPU for its fit; *paper* is how many times faster than {PAPER_SECONDS:,.0f} s. Shares are as above. Aims
are for {EPOCH_THREADS} threads; the best batch is the one whose epoch takes us the least time.
"""
OTHERS = ("plain", "compiled", "keras")


def epochs(rows: list[Row]) -> str:
    """A machine's rows: seconds of an epoch, times faster, and the aims."""
    judged, missing = verdicts(rows)
    lines: list[list[object]] = []
    for place, row in enumerate(rows):
        line: list[object] = [row["case"], row["workload"], row["threads"], duration(ours(row))]
        for name in OTHERS:
            theirs, ratio = row["epoch_seconds"].get(name), row["faster"].get(name)
            line += ["" if theirs is None else duration(theirs), "" if ratio is None else faster(ratio)]
        line.append(f"{PAPER_SECONDS / ours(row):.1f}" if row["workload"] == "fit" else "")
        beside = [f"{name}: {duration(value)}" for name, value in row["epoch_seconds"].items() if ", " in name]
        beside += [f"{name} left out: {why}" for name, why in row.get("left out", {}).items()]
        lines.append([*line, share_of(row), "; ".join(judged.get(place, [])), "; ".join(beside).replace("|", "/")])
    columns = ["case", "workload", "threads", "fastgan", *(f"{name}|times faster" for name in OTHERS), "paper"]
    columns += ["share of SGEMM", "aims", "beside it"]
    count = sum(verdict.endswith(", reached") for found in judged.values() for verdict in found)
    text = f"{count} of {len(EPOCH_AIMS)} aims reached." + (f" Without a row: {'; '.join(missing)}." if missing else "")
    return f"{text}\n\n{table('|'.join(columns), lines)}"


def ours(row: Row) -> float:
    """Seconds of our epoch."""
    return row["epoch_seconds"]["fastgan"]


def verdicts(rows: list[Row]) -> tuple[dict[int, list[str]], list[str]]:
    """The aims, in words: by the place of the row that answers, and those that no row answers."""
    judged: dict[int, list[str]] = {}
    missing = []
    for workload, case, what, much in EPOCH_AIMS:
        mine = {
            place: row
            for place, row in enumerate(rows)
            if row["workload"] == workload and row["threads"] == EPOCH_THREADS and (case in (row["case"], BEST_BATCH))
        }
        named = "best batch: " if case == BEST_BATCH else ""
        form = {"seconds": f"an epoch in {much:,.0f} s", "share": f"{much:.0%} of SGEMM"}.get(
            what, f"{much:g} x {what}"
        )
        if mine:
            place = min(mine, key=lambda place: ours(mine[place]))
            judged.setdefault(place, []).append(f"{named}{form}, {_verdict(mine[place], what, much)}")
        else:
            missing.append(f"{workload}, {case}, {form}")
    return judged, missing


def _verdict(row: Row, what: str, much: float) -> str:
    if what == "seconds":
        return "reached" if ours(row) <= much else "not reached"
    found = row["floor"]["share"] if what == "share" else row["faster"].get(what, [None])[0]
    return "no answer" if found is None else "reached" if found >= much else "not reached"
