"""What FusedLSTM is timed on where there is a GPU, and how many times faster than torch.nn.LSTM it is to be there."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from benchmarks.cases import INFERENCE, PENALTY, TRAINING, WORKLOADS, Case

NUMBERS = ("tf32", "bfloat16", "float16", "float32")  # tf32: float32 as PyTorch ships it; float32: exact products
SMALL = [Case(6, batch, 1, 128, 2) for batch in (3, 32, 512)]
MANY = [Case(6, batch, 1, 128, 2) for batch in (4096, 65536)]
LONG = [Case(1024, batch, hidden, hidden, deep=True) for hidden in (512, 1024) for batch in (16, 64)]
PERSISTENT = [Case(1024, 16, hidden, hidden, deep=True) for hidden in (768, 1024)]  # cuDNN's best in float16
PACKED = [Case(steps, 32, 16, 128, packed=True) for steps in (500, 1000)]
STEEP = Case(64, 32, 64, 256, 2)
BESIDE = [Case(24, 256, 15, 128), Case(100, 64, 64, 64)]


@dataclass(frozen=True)
class Contest:
    """A case, what is done with it, and the aims.

    Attributes:
        case: the sizes.
        workload: "inference", "training" or "penalty".
        numbers: one of `NUMBERS`.
        eager: how many times faster a call is to be; None for no aim.
        graph: the same when both are captured in CUDA graphs.
        share: which part of the speed of a large bfloat16 product the graph is to reach.
    """

    case: Case
    workload: str
    numbers: str
    eager: float | None = None
    graph: float | None = None
    share: float | None = None

    def __str__(self) -> str:
        return f"{self.case} {self.workload} {self.numbers}"


def _paper(numbers: str) -> Iterator[Contest]:
    """The paper's sizes in one kind of numbers."""
    for case in SMALL:
        yield Contest(case, INFERENCE, numbers)
        yield Contest(case, TRAINING, numbers, 5, 2)
        if numbers in ("tf32", "float32"):
            yield Contest(case, PENALTY, numbers, 5)
    for case in MANY:
        yield Contest(case, INFERENCE, numbers)
        yield Contest(case, TRAINING, numbers, 3, 2, 0.35 if numbers == "bfloat16" else None)


# What has to wait when time is short comes last.
PLAN = (
    *_paper("tf32"),
    *_paper("bfloat16"),
    *(Contest(case, workload, "tf32", 10) for case in PACKED for workload in WORKLOADS),
    Contest(STEEP, PENALTY, "tf32", 5),
    *(Contest(case, workload, "float16", 0.9, 0.9) for case in PERSISTENT for workload in WORKLOADS),
    *(Contest(case, workload, "bfloat16", 2, 1.5) for case in LONG for workload in WORKLOADS),
    *_paper("float16"),
    *_paper("float32"),
    *(Contest(case, TRAINING, numbers) for case in BESIDE for numbers in ("tf32", "bfloat16")),
)
BRIEF = tuple(contest for contest in _paper("float32") if contest.case in SMALL)


def together(plan: tuple[Contest, ...]) -> list[list[Contest]]:
    """The contests that share a case and its numbers, in the order of the plan."""
    return [list(group) for _, group in groupby(plan, key=lambda one: (one.case, one.numbers))]
