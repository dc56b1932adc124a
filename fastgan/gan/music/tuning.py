"""How trained generators are best played: the judge climbs down to where it is nearest to the music, and new clips confirm it."""

import math
import statistics
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from fastgan.gan.checkpoint import Checkpoint
from fastgan.gan.clock import Clock
from fastgan.gan.music.sample import FITTED, FOUND, Taste
from fastgan.gan.music.stages import JUDGED, FrameStage
from fastgan.gan.progress import Screen
from fastgan.gan.run import Run
from fastgan.gan.stage import Tick

_PROMISED = "promised"  # in the state of a checkpoint: a taste that new clips have not confirmed yet

CHOSEN_BY, TOGETHER = 24, 6
"""New clips of each side and taste that the choice is made by, at most, and how many are made at a time."""


class Dial(NamedTuple):
    """One thing that is tried of a taste."""

    name: str
    factor: float  # from one try to the next; its inverse the other way
    furthest: int  # steps from where the search begins, at most
    back: int  # the same the other way


DIALS = (Dial("temperature", 1 / 1.08, 4, back=1), Dial("style_strength", 1.3, 3, back=0))
"""What is tried, in this order: a run of few minutes has time for the first alone, and gains more by it (docs/log.md).

Two steps warmer the judge's clips of 10 s may be nearer, longer pieces are not, and change faster than music does. What is made lies
nearer to the mean of all music than what it was told, never further away."""

PATIENCE = 2
"""Steps in a row that may lead up before the search turns back: one is often so by the luck of a dozen clips."""

MOST_TRIED = 1 + sum(max(dial.furthest, PATIENCE + dial.back) for dial in DIALS)
"""Tastes that are tried, at most: the usual one and, of each dial, some the wrong way and the steps."""


class Heard(NamedTuple):
    """What the judge says of a checkpoint in one of its tastes."""

    taste: Taste
    kads: list[float]  # of the sets of clips
    alarm: bool

    @property
    def kad(self) -> float:
        """Mean of the sets."""
        return statistics.mean(self.kads)

    @property
    def clips(self) -> int:
        """In all of them."""
        return TOGETHER * len(self.kads)


def tune(
    stage: FrameStage, run: Run, sides: dict[str, str], screen: Screen, clock: Clock
) -> dict[str, tuple[Taste, ...]]:
    """Find how some checkpoints are best played, by one search for all of them.

    They have learnt the same music and like the same (docs/log.md), and the clips of all are surer than those of one.

    Args:
        stage: makes clips and judges them; the average of its networks becomes that of one of the checkpoints.
        run: has them.
        sides: their names, by stage.
        screen: where to say it.
        clock: ends the search, at what was the best by then; it leaves the choice as much time as it takes for each of them.

    Returns:
        Tastes by stage: the usual one and, beside it, what was found; only one where nothing was, or where it is known already.
    """
    checkpoints = {name: one for name, which in sides.items() if (one := run.load(which)) is not None}
    sought = {name: one for name, one in checkpoints.items() if not all(dial in one.state for dial in FOUND)}
    promised = next((one.state[_PROMISED] for one in sought.values() if _PROMISED in one.state), None)
    if sought and promised is None:  # else by a search that was stopped before new clips were heard
        tried, kept = 0, clock.left() / (len(sides) + 1)
        with screen.bar(f"finding how music by {' and '.join(sought)} is best played", MOST_TRIED) as bar:

            def kad(taste: Taste) -> float | None:
                nonlocal tried
                to_come = 1 if tried else 2  # one alone would tell nothing
                if clock.left() < kept + to_come * len(sought) * clock.closing:  # an epoch ends with as many clips
                    return None
                value = _kad_of_all(stage, sought, taste, lambda _: clock.check())
                tried += 1
                bar.update(tried)
                return value

            found = dials_of(find_taste(FITTED, kad))
        promised = found if found != dials_of(FITTED) else None
        if tried:  # so that it need not be found out again
            for name in sought:
                run.annotate(sides[name], found if promised is None else {_PROMISED: promised})
    tastes: dict[str, tuple[Taste, ...]] = {name: (Taste.of(one.state),) for name, one in checkpoints.items()}
    if promised is not None:
        tastes |= {name: (Taste.after(name), replace(Taste.after(name), **promised)) for name in sought}
    return tastes


def _kad_of_all(stage: FrameStage, checkpoints: dict[str, Checkpoint], taste: Taste, tick: Tick) -> float:
    """KAD of a dozen clips by each checkpoint in a taste, on average; infinite where some are degenerate."""
    kads, dials = list[float](), dict[str, Any](dials_of(taste))
    for name, checkpoint in checkpoints.items():
        stage.game.load(checkpoint.tensors, ("average",))
        clips = stage.make(JUDGED, replace(Taste.after(name), **dials), tick, "taste")
        judged, problems = stage.judge(clips)
        kads.append(math.inf if problems else judged["kad"])
    return statistics.mean(kads)


def find_taste(usual: Taste, kad: Callable[[Taste], float | None]) -> Taste:
    """Go from the usual taste to where KAD is least: each dial one way, or the other way where the first leads up.

    How much noise is best, and how strongly a piece is to be told its style, differs by the music and by how much was learnt of
    it; KAD over either is a bowl (docs/log.md), so steps that lead up end the search of a dial.

    Args:
        usual: to begin with.
        kad: what the judge says of clips made in a taste, always of the same noise; infinite for degenerate ones; None where
            there is no time for it, which ends the search.
    """
    found, least = usual, kad(usual)
    if least is None:
        return usual
    for name, factor, furthest, back in DIALS:
        begin = found
        for way, most in ((factor, furthest), (1 / factor, back)):
            up = 0
            for step in range(1, most + 1):
                tried = replace(begin, **{name: getattr(begin, name) * way**step})
                value = kad(tried)
                if value is None:
                    return found
                if math.isnan(value) or value >= least:
                    up += 1
                    if up == PATIENCE:
                        break
                else:
                    least, found, up = value, tried, 0
            if found is not begin:
                break
    return found


def hear(
    stage: FrameStage,
    run: Run,
    sides: dict[str, str],
    tastes: dict[str, tuple[Taste, ...]],
    screen: Screen,
    clock: Clock,
) -> dict[str, Heard]:
    """Let checkpoints make the same new clips in each of their tastes, and write into each the one that is nearer to the music.

    What was the best of many is so by luck, too: the dozen clips that a taste was found by promise several times what new ones keep.
    So it stays as usual where what was found is not nearer by more than the error.

    Args:
        stage: makes clips and judges them; the average of its networks becomes that of the last.
        run: has the checkpoints.
        sides: their names, by stage.
        tastes: of each.
        screen: where to say it.
        clock: how many clips there is time for; six of each at least.

    Returns:
        What was said of each in its better taste.
    """
    loaded = {name: run.load(which) for name, which in sides.items()}
    every = {(name, taste): Heard(taste, [], alarm=False) for name in sides for taste in tastes[name]}
    with screen.bar("listening to new clips", len(every) * (CHOSEN_BY // TOGETHER)) as bar:

        def tick(share: float) -> None:
            clock.check()
            bar.update(sum(len(one.kads) for one in every.values()) + share)

        for number in range(CHOSEN_BY // TOGETHER):
            began = clock.left()
            for (name, taste), one in every.items():
                checkpoint = loaded[name]
                assert checkpoint is not None
                stage.game.load(checkpoint.tensors, ("average",))
                judged, problems = stage.judge(stage.make(TOGETHER, taste, tick, "choice", number))
                every[name, taste] = Heard(taste, [*one.kads, judged["kad"]], one.alarm or bool(problems))
            if clock.left() < began - clock.left():  # not enough for as many again
                break
    found = {}
    for name, which in sides.items():
        usual, *others = (every[name, taste] for taste in tastes[name])
        found[name] = next((other for other in others if is_nearer(other, usual)), usual)
        if others:
            run.annotate(which, dials_of(found[name].taste))
            if found[name] is not usual:
                better = f"KAD of {usual.clips} new clips is {found[name].kad:.1f}, and {usual.kad:.1f} at {_said(usual.taste)}"
                screen.say(f"{name} is best played at {_said(found[name].taste)} ({better})")
    return found


def is_nearer(one: Heard, other: Heard) -> bool:
    """Whether one taste is nearer to the music than another by more than the standard error over sets of the same clips.

    One without an alarm is nearer than one with.
    """
    if one.alarm or other.alarm:
        return other.alarm and not one.alarm
    apart, error = difference(one, other)
    return apart < -error


def difference(one: Heard, other: Heard) -> tuple[float, float]:
    """KAD of one less that of another, over sets of clips from the same beginnings and noise, and its standard error; 0 of one set."""
    apart = [a - b for a, b in zip(one.kads, other.kads, strict=True)]
    return statistics.mean(apart), statistics.stdev(apart) / math.sqrt(len(apart)) if len(apart) > 1 else 0.0


def dials_of(taste: Taste) -> dict[str, float]:
    """What a run finds of a taste, for the state of a checkpoint."""
    return {name: getattr(taste, name) for name in FOUND}


def _said(taste: Taste) -> str:
    return f"style strength {taste.style_strength:.2f}, temperature {taste.temperature:.2f}"
