"""FusedLSTM against torch.nn.LSTM on a GPU: the answers first, then the clock, three ways.

    python -m benchmarks.lstm_gpu [--brief] [--record]

*eager* is what a caller waits for, call by call; *graph* the same work captured once in a CUDA graph and replayed; *kernels* the
time that the GPU itself was busy in an eager call. Both take turns in one process. `bash benchmarks/gpu.sh` runs the tests of
the kernels on the device first.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks import rows, turns
from benchmarks.cases import INFERENCE, PENALTY, TRAINING, Case
from benchmarks.contest import ROUNDINGS, errors, within
from benchmarks.turns import ratio, take_turns
from fastgan import FusedLSTM
from fastgan.ops.lstm import triton_gpu

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
SMALL = [Case(6, batch, 1, 128, 2) for batch in (3, 32, 512)]
CASES = [
    *SMALL,
    *(Case(6, batch, 1, 128, 2) for batch in (4096, 65536)),
    Case(24, 256, 15, 128),
    Case(100, 64, 64, 64),
    Case(1024, 16, 512, 512),
    Case(1024, 16, 768, 768),
]
REPEATS = 20  # calls between two looks at the device

Call = Callable[[], object]


class Player:
    """An LSTM on a device and one step of a workload.

    Args:
        case: the sizes.
        workload: "inference", "training" or "penalty".
        dtype: of all numbers; they are drawn in float32 with one seed, so that every contender gets the same.
        device: where they lie.
        ours: FusedLSTM, else torch.nn.LSTM.
    """

    def __init__(self, case: Case, workload: str, dtype: torch.dtype, device: str, ours: bool) -> None:
        torch.manual_seed(0)
        self.module: nn.Module = nn.LSTM(case.inputs, case.hidden, case.layers)
        x = torch.randn(case.steps, case.batch, case.inputs)
        cotangent = torch.randn(case.steps, case.batch, case.hidden)
        if ours:
            weights = self.module.state_dict()
            self.module = FusedLSTM(case.inputs, case.hidden, case.layers, backend="triton")
            self.module.load_state_dict(weights)
        self.module.to(device, dtype)
        self.x = x.to(device, dtype).requires_grad_(workload == PENALTY)
        self.cotangent = cotangent.to(device, dtype)
        self.step = {INFERENCE: self.infer, TRAINING: self.train, PENALTY: self.penalise}[workload]
        self.plain = workload == PENALTY and not ours  # cuDNN cannot be differentiated twice

    def infer(self) -> Tensor:
        """Forward without gradients."""
        with torch.no_grad():
            return self.module(self.x)[0]

    def train(self) -> Tensor:
        """Forward, and backward from a fixed gradient."""
        self.module.zero_grad(set_to_none=True)
        output = self.module(self.x)[0]
        output.backward(self.cotangent)
        return output

    def penalise(self) -> Tensor:
        """A gradient penalty: how steep each sequence's summed output is, drawn towards 1."""
        self.module.zero_grad(set_to_none=True)
        with torch.backends.cudnn.flags(enabled=not self.plain):
            output = self.module(self.x)[0]
            (slope,) = torch.autograd.grad(output.sum(), self.x, create_graph=True)
            (slope.float().norm(dim=(0, 2)) - 1).square().mean().backward()
        return output

    def answers(self) -> dict[str, Tensor]:
        """The output and every gradient of a weight, on the processor."""
        found = {"output": self.step().detach()}
        found |= {name: one.grad for name, one in self.module.named_parameters() if one.grad is not None}
        return {name: value.double().cpu() for name, value in found.items()}


def check(case: Case, workload: str, dtype: torch.dtype, device: str) -> str:
    """What of our answers is further from float64 than twice torch's own error and a few roundings; empty when nothing is."""
    truth = [Player(case, workload, torch.float64, "cpu", ours=False).answers()]
    own, found = (errors([Player(case, workload, dtype, device, ours).answers()], truth) for ours in (False, True))
    return within(found, own, ROUNDINGS * torch.finfo(dtype).eps)


def captured(player: Player) -> Call:
    """The step as a CUDA graph, replayed."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            player.step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        player.step()
    return graph.replay


def busy(player: Player) -> float:
    """Seconds that the GPU works for one eager step."""
    player.step()
    torch.cuda.synchronize()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for _ in range(REPEATS):
            player.step()
        torch.cuda.synchronize()
    return sum(event.self_device_time_total for event in profile.key_averages()) / REPEATS / 1e6


def several(call: Call, device: str) -> Call:
    """Many calls, until the device has done them."""

    def run() -> None:
        for _ in range(REPEATS):
            call()
        if device == "cuda":
            torch.cuda.synchronize()

    return run


def measure(case: Case, workload: str, name: str, device: str) -> rows.Row:
    """One row: seconds of each way, and how many times faster than torch's."""
    players = {who: Player(case, workload, DTYPES[name], device, who == "fastgan") for who in ("torch", "fastgan")}
    calls = {f"{who}, eager": several(player.step, device) for who, player in players.items()}
    if device == "cuda":
        calls |= {f"{who}, graph": several(captured(player), device) for who, player in players.items()}
    times = {who: [one / REPEATS for one in values] for who, values in take_turns(calls).items()}
    seconds = {who: statistics.median(values) for who, values in times.items()}
    ratios = {
        way: ratio(times, f"torch, {way}", f"fastgan, {way}") for way in ("eager", "graph") if f"torch, {way}" in times
    }
    if device == "cuda":
        seconds |= {f"{who}, kernels": busy(player) for who, player in players.items()}
    return {"table": "gpu", "case": str(case), "workload": workload, "dtype": name, "seconds": seconds, "ratio": ratios}


def facts() -> rows.Row:
    """The GPU and the versions."""
    import triton

    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    driver = subprocess.run(query, capture_output=True, text=True, check=True).stdout.split("\n")[0]
    versions = {"torch": torch.__version__, "triton": triton.__version__, "python": platform.python_version()}
    versions |= {"driver": driver, "cuda": str(torch.version.cuda), "cudnn": str(torch.backends.cudnn.version())}
    return {"machine": {"gpu": torch.cuda.get_device_name()}, "versions": versions, **rows.commit()}


def main() -> int:
    """Measure all cases and print a table; 1 when an answer was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--brief", action="store_true", help="the three small batches in float32, one turn each")
    parser.add_argument("--record", action="store_true", help="append rows to benchmarks/results/lstm-gpu.jsonl")
    chosen = parser.parse_args()
    reason = triton_gpu.why_not_here()
    if reason is not None or triton_gpu.interpreted():
        sys.exit(f"nothing to measure: {reason or 'TRITON_INTERPRET=1 is set, which is no GPU; unset it'}")
    turns.brief = chosen.brief
    lines, wrong = [], 0
    for case in SMALL if chosen.brief else CASES:
        for name in ("float32",) if chosen.brief else DTYPES:
            for workload in (INFERENCE, TRAINING, PENALTY) if case in SMALL else (INFERENCE, TRAINING):
                fault = check(case, workload, DTYPES[name], "cuda")
                if fault:
                    wrong += 1
                    lines.append(f"{case} {workload} {name}: WRONG, not timed: {fault}")
                    continue
                row = measure(case, workload, name, "cuda")
                if chosen.record:
                    rows.append(rows.LSTM_GPU, {"date": rows.now(), **row, **facts()})
                shown = ", ".join(f"{way} {values[0]:.2f}" for way, values in row["ratio"].items())
                kernels = row["seconds"]["torch, kernels"] / row["seconds"]["fastgan, kernels"]
                lines.append(f"{case} {workload} {name}: {shown}, kernels {kernels:.2f} x torch")
                print(lines[-1], flush=True)
    print("\nTimes faster than torch.nn.LSTM:", *lines, sep="\n")
    return int(wrong > 0)


if __name__ == "__main__":
    os.environ.pop("TRITON_INTERPRET", None)
    sys.exit(main())
