"""What a run that makes music ends with: how fit and the game are best played, the choice between them, and a piece by what is kept."""

import math
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from fastgan.base.atomic import write_json
from fastgan.base.errors import printable
from fastgan.gan.clock import Clock
from fastgan.gan.music.guide import Course
from fastgan.gan.music.sample import FOUND, Taste, make_piece
from fastgan.gan.music.stages import JUDGED, FrameStage, MusicStage
from fastgan.gan.music.tuning import MOST_TRIED, find_taste
from fastgan.gan.progress import Screen
from fastgan.gan.report import CHOICE
from fastgan.gan.run import Run
from fastgan.gan.seeds import derive

MUSIC_S = 30.0
"""Length of the piece."""

CHOSEN_BY, TOGETHER = 24, 6
"""New clips of each side and taste that the choice is made by, at most, and how many are made at a time."""

_LONGEST, _SHARE = 240.0, 0.2  # seconds that all this may take of a run with a budget, and share of that


class Heard(NamedTuple):
    """What the judge says of a checkpoint in one of its tastes."""

    taste: Taste
    kads: list[float]  # of the sets of clips
    alarm: bool

    @property
    def kad(self) -> float:
        """Mean of the sets."""
        return statistics.mean(self.kads)


@dataclass(frozen=True)
class Choice:
    """What was chosen.

    Attributes:
        kept: the stage whose checkpoint it is, fit or game.
        kad: of the clips by either stage.
        error: of the difference, its standard error over sets of clips; 0 where there is one set.
        clips: of each.
    """

    kept: str
    kad: dict[str, float]
    error: float
    clips: int

    def __str__(self) -> str:
        fit, game = self.kad["fit"], self.kad["game"]
        said = f"KAD of {self.clips} new clips is {game:.1f}, and {fit:.1f} by the best of fit"
        said += f" (error {self.error:.1f})" if self.error else ""
        return f"the game is kept: {said}" if self.kept == "game" else f"the game is rejected: {said}, which is kept"


def seconds_for(minutes: float) -> float:
    """What of a budget is kept for tastes and the choice."""
    return min(_LONGEST, 60 * minutes * _SHARE)


def finish(stage: MusicStage, run: Run, *, seed: int, screen: Screen, clock: Clock) -> Path | None:
    """Find how fit and the game are best played, choose between them, and make a piece with what is kept.

    Args:
        stage: the last of the run; the average of its networks becomes that of the best checkpoint.
        run: with its log and checkpoints.
        seed: of the run.
        screen: where to say it.
        clock: how long all that may take.

    Returns:
        The wav, with its picture and how it was made beside it; None where nothing that was made is music yet.
    """
    best = run.load("best") if run.has("best") else None
    if not isinstance(stage, FrameStage) or best is None or best.state["position"]["stage"] == "encoder":
        screen.say("nothing that was made is music yet: train for longer, or on more music")
        return None
    sides = contenders(run) or {best.state["position"]["stage"]: "best"}
    tastes = {
        name: tune(stage, run, which, screen, clock, later=len(sides) - number)
        for number, (name, which) in enumerate(sides.items())
    }
    choice = None
    if max(len(sides), *map(len, tastes.values())) > 1:
        heard = hear(stage, run, sides, tastes, screen, clock)
        if len(sides) > 1:
            choice = choose(run, sides, heard)
            screen.say(str(choice))
        best = run.load("best")
        assert best is not None
    game, taste = stage.game, Taste.of(best.state)
    game.load(best.tensors, ("average",))
    seed, at = derive(seed, "music"), best.state["position"]
    row = game.styles.draw(1, torch.Generator().manual_seed(seed))
    course = Course.of_rows(game.styles, row, game.step_s)
    with screen.bar("making music", 1) as bar:
        length = round(MUSIC_S * game.rate)
        samples = np.concatenate([*make_piece(game, course, length, seed=seed, taste=taste, tick=bar.update)])
    kad = choice.kad[at["stage"]] if choice else at["best"]
    made_by = {"epoch": at["epoch"], "stage": at["stage"], "kad": kad, **_dials(taste)}
    path = run.keep_music(samples, game.rate, made_by)
    said = f"{MUSIC_S:g} s by the best checkpoint (epoch {at['epoch']}, {at['stage']}), with its picture beside it"
    screen.say(f"music: {printable(path)}, {said}")
    return path


def contenders(run: Run) -> dict[str, str]:
    """The checkpoints to choose between, by stage: fit's best, and what was the game's or else what it ended with; none without both."""
    newest = run.load()
    if newest is None or newest.state["position"]["stage"] != "game" or not (run.has("fit") and run.has("best")):
        return {}
    best = run.load("best")
    assert best is not None
    return {"fit": "fit", "game": "best" if best.state["position"]["stage"] == "game" else "newest"}


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
    with screen.bar("hearing what was found by new clips", len(every) * (CHOSEN_BY // TOGETHER)) as bar:

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
        found[name] = min((every[name, taste] for taste in tastes[name]), key=lambda one: (one.alarm, one.kad))
        if len(tastes[name]) > 1:
            run.annotate(which, _dials(found[name].taste))
            usual = every[name, tastes[name][0]]
            if found[name] is not usual:
                clips = TOGETHER * len(usual.kads)
                better = (
                    f"KAD of {clips} new clips is {found[name].kad:.1f}, and {usual.kad:.1f} at {_said(usual.taste)}"
                )
                screen.say(f"{name} is best played at {_said(found[name].taste)} ({better})")
    return found


def choose(run: Run, sides: dict[str, str], heard: dict[str, Heard]) -> Choice:
    """Make fit's best or the game the best checkpoint: the game is rejected where it is not nearer to the music than fit.

    Epochs are judged by a dozen clips, always the same, and the best of many is lucky with them; so this is by new ones.
    """
    apart = [game - fit for game, fit in zip(heard["game"].kads, heard["fit"].kads, strict=True)]
    error = statistics.stdev(apart) / math.sqrt(len(apart)) if len(apart) > 1 else 0.0
    kept = "game" if statistics.mean(apart) < 0 and not heard["game"].alarm else "fit"
    run.make_best(sides[kept])
    choice = Choice(kept, {name: one.kad for name, one in heard.items()}, error, TOGETHER * len(apart))
    write_json(run.folder / CHOICE, asdict(choice))
    return choice


def tune(stage: FrameStage, run: Run, which: str, screen: Screen, clock: Clock, later: int = 0) -> tuple[Taste, ...]:
    """Find how a checkpoint is best played.

    Args:
        stage: makes clips and judges them; the average of its networks becomes that of the checkpoint.
        run: has it.
        which: its name.
        screen: where to say it.
        clock: ends the search, at what was the best by then.
        later: how many things come after it that are to have as much of the time that is left.

    Returns:
        Its tastes: the usual one and, beside it, what was found; only one where nothing was, or where it is known already.
    """
    checkpoint = run.load(which)
    assert checkpoint is not None
    if all(name in checkpoint.state for name in FOUND):
        return (Taste.of(checkpoint.state),)
    name, tried = checkpoint.state["position"]["stage"], 0
    usual, kept = Taste.after(name), clock.left() * later / (later + 1) if later else 0.0
    stage.game.load(checkpoint.tensors, ("average",))
    with screen.bar(f"finding how {name} is best played", MOST_TRIED) as bar:

        def tick(share: float) -> None:
            clock.check()
            bar.update(tried + share)

        def kad(taste: Taste) -> float | None:
            nonlocal tried
            to_come = 1 if tried else 2  # one alone would tell nothing
            if clock.left() < kept + to_come * clock.closing:  # an epoch ends with as many clips
                return None
            judged, problems = stage.judge(stage.make(JUDGED, taste, tick, "taste"))
            tried += 1
            return math.inf if problems else judged["kad"]

        found = find_taste(usual, kad)
    if found != usual:
        return usual, found
    if tried:  # which need not be found out again
        run.annotate(which, _dials(usual))
    return (usual,)


def _dials(taste: Taste) -> dict[str, float]:
    return {name: getattr(taste, name) for name in FOUND}


def _said(taste: Taste) -> str:
    return f"style strength {taste.style_strength:.2f}, temperature {taste.temperature:.2f}"
