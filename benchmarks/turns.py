"""Contenders that take turns in one process, so that whatever else the machine does falls on all of them."""

import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

TURNS = 15
SECONDS = 0.05  # of each turn, at least
FEWEST = 5  # turns, however long they take
ENOUGH = 20.0  # seconds for all turns together; slow contenders get fewer turns

brief = False  # one turn of one call each: shows that a benchmark runs, not how fast (`--brief`)

Times = dict[str, list[float]]


@dataclass(frozen=True)
class Reported:
    """A contender in another process, which says itself how many seconds it took: the way there and back is not its work."""

    ask: Callable[[], float]

    def __call__(self) -> float:
        """One call; gives its seconds."""
        return self.ask()


def take_turns(
    calls: Mapping[str, Callable[[], object]],
    turns: int = TURNS,
    seconds: float = SECONDS,
    enough: float = ENOUGH,
    fewest: int = FEWEST,
) -> Times:
    """Time each call, over and over in turn, after a first round that is not counted.

    Args:
        calls: the contenders by name.
        turns: how many, at most.
        seconds: how long each turn is, at least.
        enough: seconds for all turns together.
        fewest: turns, however long they take.

    Returns:
        Seconds per call, one number for each turn, by name.
    """
    for call in calls.values():
        call()
    if brief:
        return {name: [timed(call, 1)] for name, call in calls.items()}
    once = {name: timed(call, 1) for name, call in calls.items()}
    repeats = {name: max(1, round(seconds / each)) for name, each in once.items()}
    whole = sum(max(seconds, each) for each in once.values())
    turns = min(turns, max(fewest, int(enough / whole)))
    times: Times = {name: [] for name in calls}
    for _ in range(turns):
        for name, call in calls.items():
            times[name].append(timed(call, repeats[name]))
    return times


def timed(call: Callable[[], object], repeats: int) -> float:
    """Seconds per call."""
    if isinstance(call, Reported):
        return sum(call() for _ in range(repeats)) / repeats
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def middle(values: Iterable[float]) -> tuple[float, float, float]:
    """Median, and where the middle 60 % lie."""
    ordered = sorted(values)
    fifth = len(ordered) // 5
    return statistics.median(ordered), ordered[fifth], ordered[-1 - fifth]


def ratio(times: Times, baseline: str, contender: str) -> tuple[float, float, float]:
    """How many times faster the contender is, turn by turn: median, and where the middle 60 % lie."""
    return middle(slow / fast for slow, fast in zip(times[baseline], times[contender], strict=True))
