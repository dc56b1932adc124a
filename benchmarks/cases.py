"""What FusedLSTM is timed on: the sizes with a number to reach, and a grid in which nothing may be slower than torch."""

from dataclasses import dataclass
from itertools import product

INFERENCE, TRAINING, PENALTY = "inference", "training", "penalty"
WORKLOADS = (INFERENCE, TRAINING)

MOST_OPERATIONS = 20e9  # of one call in the grid
MOST_NUMBERS = 1 << 27  # that the input and what is kept for the backward pass may have in the grid: 0.5 GB in float32


@dataclass(frozen=True)
class Case:
    """An LSTM and its input.

    Attributes:
        steps: T.
        batch: B.
        inputs: I.
        hidden: H.
        layers: one above the other.
        directions: 2 for a second set of cells that reads from the last step to the first.
        states: whether h_0 and c_0 are given, or start from zeros.
        packed: whether sequences have different lengths, drawn evenly from 1..T.
        deep: whether training asks for the gradients of input and states too, as inside a larger network.
        dtype: of all numbers.
    """

    steps: int
    batch: int
    inputs: int
    hidden: int
    layers: int = 1
    directions: int = 1
    states: bool = False
    packed: bool = False
    deep: bool = False
    dtype: str = "float32"

    def __str__(self) -> str:
        parts = [f"T{self.steps}", f"B{self.batch}", f"I{self.inputs}", f"H{self.hidden}", f"L{self.layers}"]
        extras = {
            "2ways": self.directions == 2,
            "states": self.states,
            "packed": self.packed,
            "deep": self.deep,
            self.dtype: self.dtype != "float32",
        }
        return "-".join(parts + [name for name, there in extras.items() if there])

    def operations(self, workload: str, rows: int | None = None) -> float:
        """Multiplications and additions of the matrix products, the nominal count that shares of the peak are made from.

        A row of one layer and direction takes 2 * 4H * (K + H) with K values coming in; a backward pass takes twice that.

        Args:
            workload: "inference" or "training".
            rows: of all sequences together, when it is not T * B.
        """
        entering = [self.inputs, *[self.hidden * self.directions] * (self.layers - 1)]
        row = self.directions * sum(2 * 4 * self.hidden * (size + self.hidden) for size in entering)
        return float((rows or self.steps * self.batch) * row * {INFERENCE: 1, TRAINING: 3}[workload])

    def numbers(self) -> int:
        """How many numbers the input has, and what a backward pass needs: gates, cells, outputs and their gradients."""
        return self.steps * self.batch * (self.inputs + 7 * self.hidden * self.layers * self.directions)


# Each case with how many times faster than torch.nn.LSTM each workload is to be: the aims; None where there is none.
PAPER = Case(6, 32, 1, 128, 2)
PACKED = Case(1000, 32, 16, 128, packed=True)
SHORT_PACKED = Case(30, 8, 16, 33, packed=True)
AIMS: dict[tuple[Case, str], float | None] = {
    (case, workload): aim
    for case, inference, training in (
        (Case(6, 3, 1, 128, 2), 7, 8),
        (PAPER, 3, 2.8),
        (Case(6, 512, 1, 128, 2), 2, 1.5),
        (Case(6, 8192, 1, 128, 2), 2, 2.2),
        (Case(1, 1, 1, 128, 2), 8, 5),
        (Case(1, 1, 1, 128, 2, states=True), 8, 5),
        (Case(24, 256, 15, 128), 1.8, 1.7),
        (Case(100, 64, 64, 64), 1.8, 1.7),
        (Case(1024, 1, 64, 256), 2, 1.8),
        (Case(64, 32, 64, 256, 2), 1.15, 1.1),
        (Case(128, 16, 128, 512), 1.15, 1.1),
        (PACKED, 5, 25),
        (SHORT_PACKED, None, None),
        (Case(64, 32, 64, 256, 2, deep=True), None, None),
        (Case(6, 3, 1, 128, 2, dtype="float64"), None, None),
        (Case(6, 512, 1, 128, 2, dtype="float64"), None, None),
        (Case(64, 32, 64, 256, 2, dtype="float64"), None, None),
    )
    for workload, aim in ((INFERENCE, inference), (TRAINING, training))
} | {(PAPER, PENALTY): 5}

SHARE_AIMS = {INFERENCE: 0.85, TRAINING: 0.75}  # of the peak, for at least 32 sequences of 128 units in float32


def share_aim(case: Case, workload: str) -> float | None:
    """The share of the machine's peak that a case is to reach, or None."""
    meant = case.hidden == 128 and case.batch >= 32 and not case.packed and case.dtype == "float32"
    return SHARE_AIMS.get(workload) if meant else None


GRID_STEPS = (1, 6, 33, 1024)
GRID_BATCHES = (1, 3, 33, 512, 8192)
GRID_HIDDEN = (1, 17, 128, 255, 1024)
GRID_LAYOUTS = ((1, 1), (2, 1), (1, 2))  # layers, directions
GRID_INPUTS = (1, 5, 64, 129)  # taken in turn along the grid, each with every other size


@dataclass(frozen=True)
class Grid:
    """The rows of the grid, and how many were left out, by reason."""

    rows: list[tuple[Case, str]]
    too_slow: int
    too_large: int

    @classmethod
    def build(cls) -> "Grid":
        """All combinations within the limits."""
        rows, too_slow, too_large = [], 0, 0
        sizes = product(GRID_STEPS, GRID_BATCHES, GRID_HIDDEN, GRID_LAYOUTS)
        for number, (steps, batch, hidden, (layers, directions)) in enumerate(sizes):
            inputs = GRID_INPUTS[number % len(GRID_INPUTS)]
            case = Case(steps, batch, inputs, hidden, layers, directions, deep=True)
            for workload in WORKLOADS:
                if case.operations(workload) > MOST_OPERATIONS:
                    too_slow += 1
                elif case.numbers() > MOST_NUMBERS:
                    too_large += 1
                else:
                    rows.append((case, workload))
        return cls(rows, too_slow, too_large)


GRID = Grid.build()
