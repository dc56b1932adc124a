"""The section about GPUs."""

from collections.abc import Callable, Iterator

from benchmarks.gpu_cases import PLAN
from benchmarks.report.words import duration, faster, judged, origins, table
from benchmarks.rows import Row

_PLANNED = {(str(one.case), one.workload, one.numbers): one for one in PLAN}
_PLACES = {name: place for place, name in enumerate(_PLANNED)}

HEAD = """## GPU

`FusedLSTM` against `torch.nn.LSTM` as PyTorch ships it, by `bash benchmarks/gpu.sh`; answers are compared as above, on the device. *tf32*
is float32 with TF32 in cuDNN, which is how PyTorch ships it, *float32* the same with exact products, for both sides alike; the errors
that count as roundings are those of TF32 in the first. A gradient penalty is against torch with cuDNN disabled, which cannot
differentiate twice. *eager* is call by call, *graph* both captured in CUDA graphs, *kernels* the time that the GPU itself is busy in an
eager call. Shares are of the speed of an 8192 x 8192 product in bfloat16, by graph.
"""
NOTHING = "**No row has been recorded yet: these kernels have not been timed on a GPU.**\n"

EPOCHS = """## A paper epoch on a GPU

The same epoch with the corpus on the GPU and whole strides captured in CUDA graphs, by `python -m benchmarks.epoch_gpu`, a part of
`bash benchmarks/gpu.sh`; losses are compared first. *torch, eager* is `torch.nn.LSTM` with Adam as it ships, *torch, graph* the same step
captured with the fused Adam, both on windows gathered by our kernel. **Seconds of an epoch are scaled up** from some steps; held-out
windows are left out. *We* are the faster of float32 and bfloat16. Shares are of the speed of an 8192 x 8192 product in bfloat16.
"""
NO_EPOCH = "**Nothing is recorded yet: no epoch has been run on a GPU.**\n"


FED_BACK = """## Sound fed back on a GPU

30 s of sound, 661,500 values of each clip, each read before the next is made, in one launch for all clips (`csrc/cuda/free_run.h`), by
`python -m benchmarks.generate_gpu`, a part of `bash benchmarks/gpu.sh`; samples are compared first. *torch* is the loop on
`torch.nn.LSTM` as in the table for the processor; **of its values 1,000 are timed and scaled up, of ours a tenth.** Float32 with
exact products.
"""
NOT_FED_BACK = "**Nothing is recorded yet: that kernel has not run on a GPU.**\n"


def section(rows: list[Row]) -> list[str]:
    """The section about GPUs: newest row of each contest on each of them."""
    if not rows:
        return [HEAD, NOTHING]
    parts = [HEAD]
    for name, mine in _newest(rows, _contest):
        mine.sort(key=lambda row: _PLACES.get(_contest(row), len(_PLACES)))
        parts += [f"### {name}\n", f"{origins(mine)}\n", contests(mine)]
    return parts


def epochs(rows: list[Row]) -> list[str]:
    """The section about paper epochs on GPUs: the newest row of each size on each of them."""
    if not rows:
        return [EPOCHS, NO_EPOCH]
    parts = [EPOCHS]
    for name, mine in _newest(rows, lambda row: (row["workload"], row["case"])):
        lines: list[list[object]] = [
            [
                row["workload"],
                row["case"],
                who,
                duration(row["seconds"][who]),
                duration(seconds),
                f"{row['share'][who]:.1%}",
                faster(row["faster"][who]) if who in row["faster"] else "",
            ]
            for row in mine
            for who, seconds in row["epoch_seconds"].items()
        ]
        columns = "workload|batch|who|a step|an epoch|share|we are faster"
        parts += [f"### {name}, a paper epoch\n", f"{origins(mine)}\n", table(columns, lines)]
    return parts


def fed_back(rows: list[Row]) -> list[str]:
    """The section about feedback on GPUs: the newest row of each case on each of them."""
    if not rows:
        return [FED_BACK, NOT_FED_BACK]
    parts = [FED_BACK]
    for name, mine in _newest(rows, lambda row: (row["workload"], row["case"])):
        lines: list[list[object]] = [
            [
                row["workload"],
                row["case"],
                duration(row["seconds"]["fastgan"]),
                duration(row["step"]),
                f"{row['real_time']:,.0f}",
                duration(row["seconds"]["torch"]),
                faster(row["faster"]["torch"]),
            ]
            for row in mine
        ]
        columns = "way|clips|fastgan|a step|times real time|torch|times faster"
        parts += [f"### {name}, sound\n", f"{origins(mine)}\n", table(columns, lines)]
    return parts


def _newest(rows: list[Row], key: Callable[[Row], tuple[str, ...]]) -> Iterator[tuple[str, list[Row]]]:
    """Each GPU with the newest row of each key that was measured there."""
    for name in dict.fromkeys(row["machine"]["gpu"] for row in rows):
        yield name, list({key(row): row for row in rows if row["machine"]["gpu"] == name}.values())


def contests(rows: list[Row]) -> str:
    """Every contest, what is to be reached, and what failed."""
    lines, reached = [], []
    for row in rows:
        mine, planned = row["auto"], _PLANNED.get(_contest(row))
        line: list[object] = [*_contest(row), mine or ""]
        for way, aim in (("eager", planned and planned.eager), ("graph", planned and planned.graph), ("kernels", None)):
            times = [row["seconds"].get(f"{who}, {way}") for who in ("torch", mine)]
            found = row["ratio"].get(f"{mine}, {way}")
            judge = judged(found and found[0], aim, "{:g}")
            line += [*("" if one is None else duration(one) for one in times), faster(found) if found else ""]
            line += [] if way == "kernels" else [judge]
            reached += [judge] if judge else []
        share, wanted = row.get("share", {}).get(f"{mine}, graph"), planned and planned.share
        judge = judged(share, wanted, "{:.0%}")
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
