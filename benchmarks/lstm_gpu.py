"""FusedLSTM against torch.nn.LSTM on a GPU, in all sizes that have an aim there: `python -m benchmarks.lstm_gpu`.

Every case runs in a process of its own, since a kernel that fails can spoil its whole process and one that hangs ends only with
it. What is wrong, fails or does not answer is named, and the other cases go on. `bash benchmarks/gpu.sh` builds, tests on the device
and then runs this.
"""

import argparse
import multiprocessing
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from multiprocessing.connection import Connection

import torch

from benchmarks import rows
from benchmarks.gpu_cases import BRIEF, PLAN, Contest, together
from benchmarks.gpu_contest import GPU_BACKENDS, FlashRNN, Match, numerics
from benchmarks.rows import Row
from fastgan.ops.lstm import backends

LIMIT, LONGER = (
    60.0,
    180.0,
)  # seconds for a case, and where FlashRNN compiles itself; a kernel that hangs would take all
SECONDS, LOADING = 300.0, 0.3  # for all of it, and which part may go into compiling kernels
LEAST = 10.0  # seconds that a case is begun with
WAYS = ("eager", "graph", "kernels")

Found = dict[int, Row]  # by the place in the list of contests
Say = Callable[[int, Row], None]


def load(contests: Sequence[Contest], _: Say) -> None:
    """Let everybody make one step, for the kernels that are compiled and kept on disk; what fails will fail again."""
    for contest in contests:
        match = Match(contest)
        for who in match.names:
            with numerics(contest), match.noting(who):
                match.player(who).step()


def load_all(units: list[list[Contest]], end: float) -> None:
    """`load`, many cases side by side while there is time: compiling is work for the processor."""

    def one(contests: list[Contest]) -> None:
        limit = min(limit_of(contests), end - time.monotonic())
        if limit > 0:
            apart(load, contests, limit)

    with ThreadPoolExecutor(max(1, (os.cpu_count() or 1) // 2)) as pool:
        list(pool.map(one, units))


def limit_of(contests: Sequence[Contest]) -> float:
    """Seconds that a case may take."""
    return LONGER if any(map(FlashRNN.plays, contests)) else LIMIT


def play(
    contests: Sequence[Contest], say: Say, brief: bool, device: str = "cuda", names: Sequence[str] = GPU_BACKENDS
) -> None:
    """Measure the contests of one case; each row is said once it is timed, and again with the kernels' time."""
    matches = [Match(contest, device, names) for contest in contests]
    for place, match in enumerate(matches):
        say(place, match.measure(brief=brief))
    for place, match in enumerate(matches):
        say(place, match.profile())


def apart(work: Callable[..., None], contests: Sequence[Contest], limit: float, *more: object) -> tuple[Found, str]:
    """Run `work` in another process for a limited time.

    Returns:
        The last row of each place that it said, and why it did not come to its end; empty when it did.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.lstm_gpu", "triton"])
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_tell, args=(there, work, contests, *more))
    child.start()
    there.close()
    end, found = time.monotonic() + limit, {}
    try:
        while here.poll(max(0.0, end - time.monotonic())):
            place, row = here.recv()
            found[place] = row
        fault = f"no answer within {limit:.0f} s"
        child.kill()
    except EOFError:
        fault = ""
    child.join(10)
    return found, fault or (f"the process ended with {child.exitcode}" if child.exitcode else "")


def _tell(pipe: Connection, work: Callable[..., None], contests: Sequence[Contest], *more: object) -> None:
    work(contests, lambda place, row: pipe.send((place, row)), *more)


def nothing(contest: Contest, reason: str) -> Row:
    """The row of a contest that gave none."""
    empty: Row = {"auto": None, "left out": {}, "seconds": {}, "ratio": {}}
    names = {"case": str(contest.case), "workload": contest.workload, "numbers": contest.numbers}
    return {"table": "gpu", **names, **empty, "failed": {"all": reason}}


@cache
def facts() -> Row:
    """The GPU, the versions and the commit."""
    versions = {"torch": torch.__version__, "python": platform.python_version(), "cuda": str(torch.version.cuda)}
    versions |= {"triton": _triton(), "driver": _driver(), "cudnn": str(torch.backends.cudnn.version())}
    return {"machine": {"gpu": torch.cuda.get_device_name()}, "versions": versions, **rows.commit()}


def _triton() -> str:
    try:
        import triton
    except ImportError:
        return "absent"
    return str(triton.__version__)


def _driver() -> str:
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.split("\n")[0]
    except (FileNotFoundError, subprocess.CalledProcessError):
        return "unknown"


def line(contest: Contest, row: Row) -> str:
    """What is to be read while it runs: how many times faster everybody is, and what failed."""
    parts = [f"{name} {values[0]:.2f} x" for name, values in row["ratio"].items()]
    parts += [f"{who} LEFT OUT ({why})" for who, why in row["left out"].items()]
    parts += [f"{what} FAILED ({why})" for what, why in row["failed"].items()]
    return f"{contest}: {', '.join(parts)}"


def verdicts(contest: Contest, row: Row) -> list[list[str]]:
    """A line of the table for each aim: case, numbers, workload, way, what was found, the aim, the verdict."""
    mine = row["auto"]
    aims = {"eager": contest.eager, "graph": contest.graph}
    found = [(way, aim, row["ratio"].get(f"{mine}, {way}", [None])[0], "{:.2f} x") for way, aim in aims.items()]
    found.append(("share", contest.share, row.get("share", {}).get(f"{mine}, graph"), "{:.0%}"))
    return [
        [
            str(contest.case),
            contest.numbers,
            contest.workload,
            way,
            "none" if value is None else form.format(value),
            form.format(aim),
            "no answer" if value is None else "reached" if value >= aim else "not reached",
        ]
        for way, aim, value, form in found
        if aim is not None
    ]


def table(lines: list[list[str]]) -> str:
    """Columns side by side."""
    lines = [["case", "numbers", "workload", "way", "found", "aim", ""], *lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, one, widths)).rstrip() for one in lines)


def why_nothing() -> str | None:
    """Why there is nothing to measure here, or None."""
    if not torch.cuda.is_available():
        return "torch sees no GPU"
    reasons = {name: why for name, why in backends() if name in GPU_BACKENDS}
    if None in reasons.values():
        return None
    return "; ".join(f"{name}: {why}" for name, why in reasons.items())


def main() -> int:
    """Measure all cases and print a table; 1 when something was wrong, failed or was left out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--brief", action="store_true", help="the three small batches in float32, one turn each")
    parser.add_argument("--record", action="store_true", help="append rows to benchmarks/results/lstm-gpu.jsonl")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for all of it (default %(default)g)")
    chosen = parser.parse_args()
    reason = why_nothing()
    if reason is not None:
        sys.exit(f"nothing to measure: {reason}")
    print(*(f"{name} {value}" for part in ("machine", "versions") for name, value in facts()[part].items()), sep=", ")
    start, lines, faults, late = time.monotonic(), [], 0, 0
    end, units = start + chosen.seconds, together(BRIEF if chosen.brief else PLAN)
    load_all(units, start + chosen.seconds * LOADING)
    print(f"kernels are compiled, in {time.monotonic() - start:.0f} s", flush=True)
    for contests in units:
        limit = min(limit_of(contests), end - time.monotonic())
        begun = limit > LEAST
        found, fault = apart(play, contests, limit, chosen.brief) if begun else ({}, "time was over")
        for place, contest in enumerate(contests):
            row = found.get(place) or nothing(contest, fault or "it said nothing")
            if fault and place in found and not any("kernels" in name for name in row["seconds"]):
                row["failed"]["kernels"] = fault
            if chosen.record and begun and not chosen.brief:
                rows.append(rows.LSTM_GPU, {"date": rows.now(), **row, **facts()})
            print(line(contest, row), flush=True)
            lines += verdicts(contest, row)
            faults += begun and any(not what.startswith("flashrnn") for what in row["failed"])
            late += not begun
    reached = sum(one[-1] == "reached" for one in lines)
    print(f"\nTimes faster than torch.nn.LSTM: {reached} of {len(lines)} aims reached.\n{table(lines)}")
    if faults or late:
        print(f"{faults} contests with something that failed, {late} left out for want of time: see above")
    return int(faults + late > 0)


if __name__ == "__main__":
    for variable in ("TRITON_INTERPRET", "FASTGAN_BACKEND"):  # neither is what is measured
        os.environ.pop(variable, None)
    sys.exit(main())
