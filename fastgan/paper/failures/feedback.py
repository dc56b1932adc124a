"""What a generator of one value does when it is fed its own output: where it ends, and why it must.

The window that it sees is all that it remembers, so a free run is a map of R^n into itself: the window moves on by one value,
x_t = g(x_{t-n}, ..., x_{t-1}). The outputs of an LSTM lie within (-1, 1), so |g| is bounded by the weights of the dense layer, and
g(x, ..., x) - x changes its sign between the bounds: there is always a fixed point. Whether it attracts is said by the
eigenvalues of the companion matrix of g's gradient there (Strogatz, "Nonlinear Dynamics and Chaos", chapter 10).
"""

import copy
import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from fastgan.base.errors import BadInput
from fastgan.gan.game import Game
from fastgan.nn.generator import Generator

_HELD = (
    32  # windows for which a value or a cycle must hold: a slide of a thirtieth of the tolerance per step is still seen
)
_GRID = 4096  # places where x - g(x, ..., x) is looked at; two fixed points between neighbours would be missed
_HALVINGS = 60  # of a grid cell, down to the rounding of float64
_VALUES = 98_304  # steps of sequences at a time: bounds the memory
_ARRIVED = 0.01  # of the way left: 99 % done


@dataclass(frozen=True)
class FixedPoint:
    """A value that repeats itself once it fills the window."""

    value: float
    eigenvalue: float  # size of the largest eigenvalue of the map around it
    share: float  # of the starts that came to rest here

    @property
    def attracts(self) -> bool:
        """Whether what is near comes nearer."""
        return self.eigenvalue < 1

    @property
    def half_life(self) -> float:
        """Steps in which a small distance halves; infinite where nothing is attracted."""
        if not self.attracts:
            return math.inf
        return math.log(0.5) / math.log(self.eigenvalue) if self.eigenvalue > 0 else 0.0

    def words(self) -> str:
        """The point in words."""
        how = f"halves a distance in {self.half_life:.3g} steps" if self.attracts else "drives away what is near"
        return f"{self.value:.4f} (largest eigenvalue {self.eigenvalue:.4f}: {how})"


@dataclass(frozen=True)
class FreeRun:
    """Where free runs from many starts ended, and what the fixed points of the network say of it."""

    starts: int
    steps: int  # that were run: fewer than asked for when all had come to rest or into a cycle
    tolerance: float  # values that differ by less are one
    rest_share: float  # of the starts: the value stays the same
    cycles: dict[int, float]  # period, 2 to n, to the share of starts that end in such a cycle
    moving_share: float  # neither at rest nor in a cycle when the run was over
    ends: tuple[float, ...]  # the distinct values of those at rest, ascending
    steps_to_end: int | None  # median until 99 % of the way; None where none is at rest
    ascending_share: float  # of the starts: no output is below the one before it
    descending_share: float  # no output is above the one before it
    points: tuple[FixedPoint, ...]  # solutions of x = g(x, ..., x), ascending, found without the runs
    gap: float | None  # the largest distance from an end to the nearest solution; None where none is at rest

    def sentence(self) -> str:
        """What was seen, in words for a report."""
        at_rest = round(self.rest_share * self.starts)
        told = f"Fed its own output, the network came to rest from {at_rest} of {self.starts} starts"
        if self.steps_to_end is not None:
            told += f", at {_list(f'{end:.4f}' for end in self.ends)}, 99 % of the way in {self.steps_to_end} steps (median)"
        for period, share in self.cycles.items():
            told += f"; from {round(share * self.starts)} it repeats a cycle of {period} values"
        if self.moving_share:
            told += f"; from {round(self.moving_share * self.starts)} it still moved after {self.steps:,} steps"
        ascending, descending = (round(share * self.starts) for share in (self.ascending_share, self.descending_share))
        told += f"; {ascending} outputs only ascend and {descending} only descend"
        return f"{told}. Solved directly, x = g(x, ..., x) holds at {_list(point.words() for point in self.points)}."


@torch.no_grad()
def fixed_points(game: Game, starts: Tensor, *, steps: int) -> FreeRun:
    """Let a generator of one value run freely from many starts at once, and solve for its fixed points.

    The runs are computed as the network is, in its own dtype; the fixed points and their eigenvalues in float64.

    Args:
        game: holds the generator; no encoder.
        starts: [S, n, 1], windows to begin with.
        steps: values to make from each, at least 33 n; the run ends early when all starts rest or repeat a cycle.

    Returns:
        Plain numbers.

    Raises:
        ValueError: the starts or the generator have another shape, or the steps are too few to see an end.
        BadInput: the weights are NaN or infinite.
    """
    if game.frame != 1 or game.generator.dense.out_features != 1:
        raise ValueError("the generator makes frames of an encoder; free runs are measured on networks of one value")
    if starts.dim() != 3 or starts.shape[-1] != 1 or not starts.numel():
        raise ValueError(f"starts have shape {tuple(starts.shape)}, need (starts, n, 1), at least one")
    window = starts.shape[1]
    held = _HELD * window
    if steps < held + window:
        raise ValueError(f"steps is {steps}, needs to be {held + window} or more: an end must hold for {held} steps")
    tolerance = _tolerance(game.generator)
    if not math.isfinite(tolerance):
        raise BadInput("the generator's weights are NaN or infinite; train again with a smaller learning rate")
    path = _run(game.generator, starts.to(game.device, game.dtype), steps, tolerance)  # [n + T, S]
    made, periods = path[window:], _periods(path, window, tolerance)
    resting = periods == 1
    moves = made.diff(dim=0)
    rises, falls = (moves > tolerance).any(0), (moves < -tolerance).any(0)
    exact = copy.deepcopy(game.generator).double()
    values = _solve(exact, window)
    ends = made[-1, resting].double()
    distance = (ends[:, None] - values).abs()  # [rest, points]
    nearest = distance.argmin(1)
    shares = torch.bincount(nearest, minlength=len(values)) / len(periods)
    points = zip(values.tolist(), shares.tolist(), strict=True)
    return FreeRun(
        starts=len(periods),
        steps=len(made),
        tolerance=tolerance,
        rest_share=_share(resting),
        cycles={period: _share(periods == period) for period in range(2, window + 1) if (periods == period).any()},
        moving_share=_share(periods == 0),
        ends=_distinct(ends, _HELD * tolerance),
        steps_to_end=_steps_to_end(path[window - 1 :, resting], tolerance) if len(ends) else None,
        ascending_share=_share(rises & ~falls),
        descending_share=_share(falls & ~rises),
        points=tuple(FixedPoint(value, _eigenvalue(exact, value, window), share) for value, share in points),
        gap=float(distance.min(1).values.max()) if len(ends) else None,
    )


def _tolerance(generator: Generator) -> float:
    """How far two computations of one value may differ: a sum of H rounded products (Higham and Mary, 2019: sqrt(H) u)."""
    eps = torch.finfo(generator.dense.weight.dtype).eps  # 2 u: one u for each of the two
    return math.sqrt(generator.dense.in_features) * eps * _bound(generator)


def _bound(generator: Generator) -> float:
    """What no output exceeds, since those of an LSTM lie within (-1, 1)."""
    return float(generator.dense.weight.abs().sum() + generator.dense.bias.abs().sum())


def _run(generator: Generator, starts: Tensor, steps: int, tolerance: float) -> Tensor:
    """The starts [S, n, 1] and what follows them, [n + T, S]; T is `steps`, or less when all has ended."""
    window, rest = starts.shape[1], (_HELD + 1) * starts.shape[1]
    path = starts.new_empty(len(starts), window + steps)
    path[:, :window] = starts[..., 0]
    for step in range(steps):
        path[:, window + step] = generator.next_value(path[:, step : step + window, None])[:, 0]
        done = step + 1
        if done >= rest and done % rest == 0 and _periods(path[:, : window + done].T, window, tolerance).all():
            return path[:, : window + done].T
    return path.T


def _periods(path: Tensor, window: int, tolerance: float) -> Tensor:
    """The shortest cycle, 1 to n, in which each run [T, S] ended, [S]; 0 for none.

    A window that comes back brings back everything after it, so n equal values are proof; that they are asked of 32 windows in a row
    keeps a slow slide from being taken for rest.
    """
    periods = torch.zeros(path.shape[1], dtype=torch.int64, device=path.device)
    last = path[-window:]
    for period in range(window, 0, -1):
        back = _HELD * window // period * period
        alike = (last - path[-window - back : -back]).abs().amax(0) <= tolerance
        alike &= (last - path[-window - period : -period]).abs().amax(0) <= tolerance
        periods[alike] = period
    return periods


def _steps_to_end(path: Tensor, tolerance: float) -> int:
    """Median over runs [1 + T, S], the first row their last given value, of the steps until 99 % of the way is done."""
    away = (path - path[-1]).abs()
    late = away > (_ARRIVED * away[0]).clamp(min=tolerance)
    steps = torch.arange(1, len(path) + 1, device=path.device)[:, None]
    return int((late * steps).amax(0).median())


def _solve(generator: Generator, window: int) -> Tensor:
    """All x with x = g(x, ..., x), ascending [P], by the changes of sign on a grid and bisection."""
    bound = _bound(generator) * (1 + 1e-9) + 1e-9  # a little more, so that the ends of the grid are never solutions
    grid = torch.linspace(-bound, bound, _GRID, dtype=torch.float64, device=generator.dense.weight.device)
    above = _pull(generator, grid, window) > 0  # it moves up from here
    turns = torch.nonzero(above[1:] != above[:-1])[:, 0]
    low, high, rising = grid[turns], grid[turns + 1], above[turns]
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        left = (_pull(generator, middle, window) > 0) == rising  # no change of sign up to here: go on to the right
        low, high = torch.where(left, middle, low), torch.where(left, high, middle)
    return (low + high) / 2


def _pull(generator: Generator, values: Tensor, window: int) -> Tensor:
    """g(x, ..., x) - x for each of the values [V]."""
    pieces = values.split(max(1, _VALUES // window))
    told = [generator.next_value(piece[:, None, None].expand(-1, window, -1).contiguous())[:, 0] for piece in pieces]
    return torch.cat(told) - values


def _eigenvalue(generator: Generator, value: float, window: int) -> float:
    """Size of the largest eigenvalue of the map of the window, linearised where all its values are `value`."""
    flat = torch.full((1, window, 1), value, dtype=torch.float64, device=generator.dense.weight.device)
    with torch.enable_grad():
        flat.requires_grad_(True)
        (gradient,) = torch.autograd.grad(generator.next_value(flat).sum(), flat)
    companion = torch.diag(torch.ones(window - 1, dtype=torch.float64), 1)
    companion[-1] = gradient[0, :, 0].cpu()
    return float(torch.linalg.eigvals(companion).abs().max())


def _distinct(values: Tensor, apart: float) -> tuple[float, ...]:
    """Means of the groups of values [V] that lie closer than `apart`, ascending."""
    ordered = values.sort().values
    edges = torch.nonzero(ordered.diff() > apart)[:, 0] + 1
    return tuple(float(group.mean()) for group in ordered.tensor_split(edges.cpu()) if len(group))


def _share(flags: Tensor) -> float:
    return float(flags.double().mean())


def _list(words: Iterable[str]) -> str:
    *first, last = list(words)
    return f"{', '.join(first)} and {last}" if first else last
