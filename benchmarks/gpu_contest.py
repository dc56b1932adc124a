"""torch.nn.LSTM and the GPU backends of FusedLSTM with the same weights: the answers first, then the clock, three ways.

*eager*: call by call, as many as the host can send ahead; *graph*: the same work captured once in a CUDA graph and replayed;
*kernels*: how long the GPU itself was busy in eager calls. What a contender fails of is part of the answer and lands in the row.
"""

import importlib.util
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from benchmarks.cases import INFERENCE, PENALTY, TRAINING, Case
from benchmarks.contest import ROUNDINGS, within
from benchmarks.gpu_cases import Contest
from benchmarks.rows import Row
from benchmarks.turns import ratio, take_turns, timed
from fastgan import FusedLSTM
from fastgan.ops.lstm import table_for
from fastgan.ops.registry import Problem

GPU_BACKENDS = ("cuda", "triton")
DTYPES = {"float32": torch.float32, "tf32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
ROUNDING = {name: torch.finfo(dtype).eps for name, dtype in DTYPES.items()} | {"tf32": 2.0**-10}
MATMUL = 8192  # rows and columns of the bfloat16 product that stands for the matrix rate
TURNS, SECONDS, ENOUGH, FEWEST = 7, 0.015, 2.0, 2  # see `take_turns`
BATCH, MOST = 0.005, 20  # seconds that calls between two looks at the device take at least, unless there are this many
SLOW = 0.5  # seconds; what takes longer is not called just to get warm
PROFILED = 3  # calls

Call = Callable[[], object]
Answers = dict[str, Tensor]


def numerics(contest: Contest, cudnn: bool = True) -> AbstractContextManager[None]:
    """TF32 in cuDNN, and in the kernels that follow it, for "tf32" alone; torch's other settings as it ships them.

    cuDNN is off where gradients are differentiated, which it cannot do. Our kernels have no part in it either way.
    """
    return torch.backends.cudnn.flags(
        enabled=cudnn and contest.workload != PENALTY, allow_tf32=contest.numbers == "tf32"
    )


class Player:
    """An LSTM on a device and one step of a workload.

    Args:
        contest: the case, the workload and the numbers.
        device: where it runs.
        who: "torch", or a backend of FusedLSTM.
        dtype: of all numbers, if not the contest's. They are drawn in float32 with one seed, so that all get the same.
    """

    def __init__(self, contest: Contest, device: str, who: str, dtype: torch.dtype | None = None) -> None:
        case, workload, dtype = contest.case, contest.workload, dtype or DTYPES[contest.numbers]
        torch.default_generator.manual_seed(0)  # the processor's: a GPU's is of no use after a capture that failed
        self.module: nn.Module = nn.LSTM(case.inputs, case.hidden, case.layers)
        lengths = torch.randint(1, case.steps + 1, (case.batch,))
        x = torch.randn(int(lengths.max()) if case.packed else case.steps, case.batch, case.inputs)
        self.sizes: Tensor | None = None
        if case.packed:
            x, self.sizes, *_ = pack_padded_sequence(x, lengths, enforce_sorted=False)
        self.cotangent = torch.randn(*x.shape[:-1], case.hidden).to(device, dtype)
        wanted = workload == PENALTY or (case.deep and workload == TRAINING)
        self.x = x.to(device, dtype).requires_grad_(wanted)
        if who != "torch":
            weights = self.module.state_dict()
            self.module = FusedLSTM(case.inputs, case.hidden, case.layers, backend=who)
            self.module.load_state_dict(weights)
        self.module.to(device, dtype)
        self.step = {INFERENCE: self.infer, TRAINING: self.train, PENALTY: self.penalise}[workload]

    def output(self) -> Tensor:
        """What the module gives for every step."""
        if self.sizes is None:
            return self.module(self.x)[0]
        return self.module(PackedSequence(self.x, self.sizes))[0].data

    def infer(self) -> Tensor:
        """Forward without gradients."""
        with torch.no_grad():
            return self.output()

    def train(self) -> Tensor:
        """Forward, and backward from a fixed gradient."""
        self.forget()
        output = self.output()
        output.backward(self.cotangent)
        return output

    def penalise(self) -> Tensor:
        """A gradient penalty: how steep each sequence's summed output is, drawn towards 1."""
        self.forget()
        output = self.output()
        (slope,) = torch.autograd.grad(output.sum(), self.x, create_graph=True)
        (slope.float().norm(dim=(0, 2)) - 1).square().mean().backward()
        return output

    def forget(self) -> None:
        """Drop all gradients, as `zero_grad` does."""
        self.module.zero_grad(set_to_none=True)
        self.x.grad = None

    def answers(self) -> Answers:
        """The output and every gradient, in float64."""
        found = {"output": self.step().detach(), "gradient of x": self.x.grad}
        found |= {f"gradient of {name}": one.grad for name, one in self.module.named_parameters()}
        return {name: value.double() for name, value in found.items() if value is not None}


class FlashRNN:
    """FlashRNN's fused kernel with one head, and the product with the input, which it leaves to its caller."""

    def __init__(self, contest: Contest, device: str) -> None:
        from flashrnn import flashrnn  # type: ignore[import-not-found]

        case, self.run, self.name = contest.case, flashrnn, contest.numbers

        def draw(*shape: int, scale: float = 1.0) -> Tensor:
            return (torch.randn(*shape) * scale).to(device, DTYPES[contest.numbers]).requires_grad_(self.train)

        self.train = contest.workload == TRAINING
        self.leaves = [
            draw(case.batch, case.steps, case.inputs),
            draw(4 * case.hidden, case.inputs, scale=case.inputs**-0.5),
            draw(4, 1, case.hidden, case.hidden, scale=case.hidden**-0.5),
            draw(4, 1, case.hidden),
        ]
        self.states = torch.zeros(2, case.batch, 1, 1, case.hidden).to(device, DTYPES[contest.numbers])
        self.cotangent = torch.ones_like(self.leaves[0][..., :1]).expand(-1, -1, case.hidden).contiguous()

    @staticmethod
    def plays(contest: Contest) -> bool:
        """Whether it is installed and made for such a call."""
        short = contest.numbers in ("bfloat16", "float16") and contest.workload != PENALTY
        plain = contest.case.layers == 1 and not contest.case.packed
        return short and plain and contest.case.hidden >= 512 and importlib.util.find_spec("flashrnn") is not None

    def step(self) -> Tensor:
        """Forward, and backward in training."""
        x, w, r, b = self.leaves
        for leaf in self.leaves:
            leaf.grad = None
        with torch.set_grad_enabled(self.train):
            sums = (x @ w.t()).unflatten(2, (4, 1, -1))
            states, _ = self.run(sums, r, b, states=self.states, function="lstm", backend="cuda_fused", dtype=self.name)
            output = states[0][:, :, 0]
        if self.train:
            output.backward(self.cotangent)
        return output


def errors(found: Answers, truth: Answers) -> dict[str, float]:
    """How far each answer is from the truth at most, relative to the truth's largest value.

    Raises:
        ValueError: an answer is missing, one too many, or of another shape.
    """
    shapes = [{name: tuple(value.shape) for name, value in one.items()} for one in (found, truth)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"answers are {shapes[0]}, wanted are {shapes[1]}")
    return {
        name: ((found[name] - value).abs().max() / value.abs().max().clamp_min(1e-30)).item()
        for name, value in truth.items()
    }


def able(case: Case, numbers: str, device: str, names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Which backends can run a case, fastest first, and why the others cannot."""
    sizes = case.steps, case.batch, case.inputs, case.hidden, 0
    problem = Problem(*sizes, DTYPES[numbers], device, case.packed, case.directions)
    reasons = {row.name: row.why_not(problem) for row in table_for(problem) if row.name in names}
    return [name for name, why in reasons.items() if why is None], {name: why for name, why in reasons.items() if why}


def captured(player: Player | FlashRNN) -> Call:
    """The step as a CUDA graph, replayed."""
    before, stream = torch.cuda.current_stream(), torch.cuda.Stream()
    stream.wait_stream(before)
    with torch.cuda.stream(stream):
        player.step()
    before.wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            player.step()
    finally:
        torch.cuda.set_stream(before)  # a capture that fails leaves its own in place
    return graph.replay


def busy(player: Player | FlashRNN) -> float:
    """Seconds that the GPU works for one eager step; kernels that run side by side count once.

    Raises:
        RuntimeError: the profiler has seen nothing.
    """
    player.step()
    torch.cuda.synchronize()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for _ in range(PROFILED):
            player.step()
        torch.cuda.synchronize()
    spans = sorted(
        (event.time_range.start, event.time_range.end)
        for event in profile.events()
        if event.device_type == torch.autograd.DeviceType.CUDA and not event.is_user_annotation
    )
    if not spans:
        raise RuntimeError("torch's profiler saw no kernels")
    return covered(spans) / PROFILED / 1e6


def covered(spans: list[tuple[float, float]]) -> float:
    """How much of a line these sorted spans cover together."""
    total, reached = 0.0, spans[0][0]
    for start, end in spans:
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def several(call: Call, device: str) -> tuple[Call, int]:
    """Many calls until the device has done them, and how many."""

    def run(count: int) -> None:
        for _ in range(count):
            call()
        if device == "cuda":
            torch.cuda.synchronize()

    once = timed(lambda: run(1), 1)
    if once < SLOW:  # the first call loads and compiles
        once = timed(lambda: run(1), 1)
    count = max(1, min(MOST, round(BATCH / once)))
    return lambda: run(count), count


def matmul(device: str) -> Call:
    """A large product in bfloat16."""
    one, other, out = (torch.randn(MATMUL, MATMUL, dtype=torch.bfloat16, device=device) for _ in range(3))
    return lambda: torch.mm(one, other, out=out)


def told(error: BaseException) -> str:
    """An error on one line, and behind it what it came from: a capture that fails ends in a second error."""
    own = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return own if error.__context__ is None else f"{own} (after {told(error.__context__)})"


class Match:
    """One contest: who takes part, what they took, what they failed of. `measure` and then `profile` fill its row.

    Args:
        contest: what is played.
        device: "cuda"; on the processor there are neither graphs nor kernels.
        names: the backends of FusedLSTM that may take part.
    """

    def __init__(self, contest: Contest, device: str = "cuda", names: Sequence[str] = GPU_BACKENDS) -> None:
        self.contest, self.device = contest, device
        self.failed: dict[str, str] = {}
        self.seconds: dict[str, float] = {}
        ours, left_out = able(contest.case, contest.numbers, device, names)
        self.names = ["torch", *ours]
        self.row: Row = {
            "table": "gpu",
            "case": str(contest.case),
            "workload": contest.workload,
            "numbers": contest.numbers,
            "flags": {
                "cudnn.allow_tf32": contest.numbers == "tf32",
                "cuda.matmul.allow_tf32": torch.backends.cuda.matmul.allow_tf32,
                "torch runs on cuDNN": contest.workload != PENALTY,
            },
            "auto": ours[0] if ours else None,
            "left out": left_out,
            "failed": self.failed,
            "seconds": self.seconds,
            "ratio": {},
        }
        if FlashRNN.plays(contest):
            self.names.append("flashrnn")
            self.row["answers not compared"] = ["flashrnn"]

    def player(self, who: str) -> Player | FlashRNN:
        """A new one, with its own memory."""
        return FlashRNN(self.contest, self.device) if who == "flashrnn" else Player(self.contest, self.device, who)

    @contextmanager
    def noting(self, what: str) -> Iterator[None]:
        """A failure goes into the row instead of ending the match."""
        try:
            yield
        except Exception as error:  # whatever it is, it is that contender's answer
            self.failed[what] = told(error)

    def check(self) -> list[str]:
        """Who may be timed: torch, and who is off from float64 by at most twice torch's error and a few roundings."""
        with numerics(self.contest, cudnn=False):
            truth = Player(self.contest, self.device, "torch", torch.float64).answers()
        own = dict.fromkeys(truth, 0.0)
        fit = []
        for who in self.names:
            with self.noting(who):
                player = self.player(who)
                if isinstance(player, Player):
                    found = errors(player.answers(), truth)
                    own = found if who == "torch" else own
                    wrong = within(found, own, ROUNDINGS * ROUNDING[self.contest.numbers])
                    if wrong:
                        raise ValueError(f"wrong, so not timed: {wrong}")
                fit.append(who)
        return fit

    def measure(self, *, brief: bool = False) -> Row:
        """Check, then time eager calls and graphs in turn."""
        with numerics(self.contest):
            self.names = self.check()
            calls = self.calls()
            turns = (1, 0.0, 0.0, 1) if brief else (TURNS, SECONDS, ENOUGH, FEWEST)
            times = take_turns({name: call for name, (call, _) in calls.items()}, *turns) if calls else {}
        times = {name: [one / calls[name][1] for one in values] for name, values in times.items()}
        self.seconds |= {name: statistics.median(values) for name, values in times.items()}
        for name in times:
            who, _, way = name.partition(", ")
            if who != "torch" and way and f"torch, {way}" in times:
                self.row["ratio"][name] = list(ratio(times, f"torch, {way}", name))
        if "matmul" in self.seconds:
            rate = 2 * MATMUL**3 / self.seconds["matmul"]
            operations = self.contest.case.operations(self.contest.workload)
            self.row |= {"operations": operations, "matrix rate": rate}
            self.row["share"] = {who: operations / one / rate for who, one in self.seconds.items() if who != "matmul"}
        return self.row

    def calls(self) -> dict[str, tuple[Call, int]]:
        """What is timed, by name, and how many steps each call makes."""
        found = {} if self.contest.share is None else {"matmul": several(matmul(self.device), self.device)}
        for who in self.names:
            with self.noting(f"{who}, eager"):
                found[f"{who}, eager"] = several(self.player(who).step, self.device)
            if self.device == "cuda":
                with self.noting(f"{who}, graph"):
                    found[f"{who}, graph"] = several(captured(self.player(who)), self.device)
        return found

    def profile(self) -> Row:
        """Add how long the GPU is busy. Comes last in a process: a profiler that has run may slow what follows."""
        for who in self.names:
            with numerics(self.contest), self.noting(f"{who}, kernels"):
                self.seconds[f"{who}, kernels"] = busy(self.player(who))
        base = self.seconds.get("torch, kernels")
        for who in self.names:
            name = f"{who}, kernels"
            if base and who != "torch" and name in self.seconds:
                self.row["ratio"][name] = [base / self.seconds[name]] * 3
        return self.row
