"""Seconds for 30 s of sound fed back on a GPU: `python -m benchmarks.generate_gpu`, a part of benchmarks/gpu.sh.

One launch for all 661,500 steps of all clips (csrc/cuda/free_run.h) against the same loops on torch.nn.LSTM as in
`benchmarks/bench_generate.py`; of both some steps are timed and scaled up. The int16 samples of both are compared first, in float32 with
exact products, which is also what is timed.

Floor: a step of two layers is two rounds of a cluster, some 0.8 microseconds each, and the dense layer, 0.5: 1.4 s for all steps, as
long as the clips' groups fit the device side by side.
"""

import argparse
import os
import statistics
import sys

import torch

from benchmarks import rows
from benchmarks.bench_generate import (
    COMPARED,
    HIDDEN,
    LENGTH,
    SECONDS,
    WINDOW,
    plain_carried,
    plain_feedback,
    same,
    to_samples,
)
from benchmarks.epoch_gpu import done
from benchmarks.lstm_gpu import facts
from benchmarks.peers import Network
from benchmarks.turns import middle, ratio, take_turns
from fastgan.nn.generator import Generator
from fastgan.ops.lstm.free_run_gpu import OnGpu

CLIPS = (1, 16, 1000)
PART, FEW = LENGTH // 10, 1000  # steps of ours and of torch's that are timed


def steep(device: torch.device) -> Generator:
    """Networks of the paper's size, four times as steep as new ones, whose values stand still soon."""
    torch.manual_seed(0)
    generator = Generator(hidden=HIDDEN)
    with torch.no_grad():
        for weight in generator.parameters():
            weight *= 4
    return generator.to(device)


def measure(clips: int, carried: bool, device: torch.device, *, part: int = PART, few: int = FEW) -> rows.Row:
    """Check, then time: a row.

    Raises:
        AssertionError: samples differ by more than rounding, or this would not be one launch.
    """
    generator, windows = steep(device), 0 if carried else WINDOW
    assert generator.kind_of_run(clips, windows) is OnGpu, "this would not be one launch here"
    plain = Network.like(generator.cpu()).to(device)
    generator.to(device)
    by_torch = plain_carried if carried else plain_feedback
    starts = (torch.rand(clips, WINDOW, 1, generator=torch.Generator().manual_seed(0)) - 0.5).to(device)

    @torch.inference_mode()
    def ours(steps: int) -> torch.Tensor:
        return generator.free_run(clips, windows).run(steps, starts)[..., 0]

    with torch.backends.cudnn.flags(allow_tf32=False):
        same(to_samples(ours(COMPARED)), by_torch(plain, COMPARED, starts))
        calls = {
            "fastgan": lambda: done(device, lambda: ours(part)),
            "torch": lambda: done(device, lambda: by_torch(plain, few, starts)),
        }
        times = take_turns(calls, turns=5, enough=4.0, fewest=2)
    timed = {"fastgan": part, "torch": few}
    times = {name: [value * LENGTH / timed[name] for value in values] for name, values in times.items()}
    seconds = {name: middle(values) for name, values in times.items()}
    return {
        "table": "generate-gpu",
        "case": f"{clips:,} at once",
        "workload": "carried" if carried else "by feedback",
        "seconds": {name: value[0] for name, value in seconds.items()},
        "spread": {name: list(value[1:]) for name, value in seconds.items()},
        "faster": {"torch": list(ratio(times, "torch", "fastgan"))},
        "real_time": SECONDS * clips / statistics.median(times["fastgan"]),
        "step": seconds["fastgan"][0] / LENGTH,
        "timed": timed,
    }


def main() -> int:
    """Measure all and print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generate_gpu", description=__doc__.partition("\n")[0])
    parser.add_argument("--record", action="store_true", help="append rows to benchmarks/results/generate-gpu.jsonl")
    asked = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("nothing to measure: torch sees no GPU")
    for carried in (False, True):
        for clips in CLIPS:
            row = measure(clips, carried, torch.device("cuda"))
            if asked.record:
                rows.append(rows.GENERATE_GPU, {"date": rows.now(), **row, **facts()})
            low, middle_one, high = row["faster"]["torch"][1], row["faster"]["torch"][0], row["faster"]["torch"][2]
            print(
                f"{row['workload']}, {row['case']}: {row['seconds']['fastgan']:.2f} s for {SECONDS:.0f} s of each, "
                f"{row['real_time']:,.0f} times real time, {1e6 * row['step']:.2f} microseconds a step; "
                f"{middle_one:.1f} times faster than torch ({low:.1f} to {high:.1f})",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    for variable in ("TRITON_INTERPRET", "FASTGAN_BACKEND"):  # neither is what is measured
        os.environ.pop(variable, None)
    sys.exit(main())
