"""What a run that makes music ends with: how fit and the game are best played, the choice between them, and a piece by what is kept."""

import math
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from fastgan.base.atomic import write_json
from fastgan.base.errors import printable
from fastgan.gan.clock import Clock
from fastgan.gan.music.game import MusicGame
from fastgan.gan.music.guide import Course
from fastgan.gan.music.sample import FOUND, Taste, make_piece
from fastgan.gan.music.stages import JUDGED, FrameStage, GameStage, MusicStage
from fastgan.gan.music.tuning import MOST_TRIED, find_taste
from fastgan.gan.progress import Screen
from fastgan.gan.report import CHOICE
from fastgan.gan.run import Run
from fastgan.gan.seeds import derive

MUSIC_S = 30.0
"""Length of the piece."""

CHOSEN_BY, TOGETHER = 24, 6
"""Clips of each side that the choice is made by, at most, and how many are made at a time."""

_LONGEST, _SHARE = 180.0, 0.15  # seconds that all this may take of a run with a budget, and share of that


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
    choice = None
    if isinstance(stage, GameStage) and (sides := contenders(run)):
        for number, which in enumerate(sides.values()):
            tune(stage, run, which, screen, clock, later=len(sides) - number)
        choice = choose(stage, run, sides, screen, clock)
        screen.say(str(choice))
    game: MusicGame = stage.game
    best = run.load("best") if run.has("best") else None
    if not isinstance(stage, FrameStage) or best is None or best.state["position"]["stage"] == "encoder":
        screen.say("nothing that was made is music yet: train for longer, or on more music")
        return None
    taste = Taste.of(best.state) if choice else tune(stage, run, "best", screen, clock)
    game.load(best.tensors, ("average",))
    seed, at = derive(seed, "music"), best.state["position"]
    row = game.styles.draw(1, torch.Generator().manual_seed(seed))
    course = Course.of_rows(game.styles, row, game.step_s)
    with screen.bar("making music", 1) as bar:
        length = round(MUSIC_S * game.rate)
        samples = np.concatenate([*make_piece(game, course, length, seed=seed, taste=taste, tick=bar.update)])
    kad = choice.kad[at["stage"]] if choice else at["best"]
    made_by = {"epoch": at["epoch"], "stage": at["stage"], "kad": kad, **{name: getattr(taste, name) for name in FOUND}}
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


def choose(stage: FrameStage, run: Run, sides: dict[str, str], screen: Screen, clock: Clock) -> Choice:
    """Let fit's best and the game make the same new clips, each as it is best played, and make one of them the best checkpoint.

    Epochs are judged by a dozen clips, always the same: the best of many is lucky with them. The game is rejected where it is not
    nearer to the music than fit.

    Args:
        stage: makes clips and judges them; the average of its networks becomes that of either.
        run: has the checkpoints.
        sides: their names, by stage.
        screen: where to say it.
        clock: how many clips there is time for; six of each at least.
    """
    checkpoints = {name: run.load(which) for name, which in sides.items()}
    kads: dict[str, list[float]] = {name: [] for name in sides}
    alarms: list[str] = []
    with screen.bar("choosing between fit and the game", 1) as bar:

        def tick(share: float) -> None:
            clock.check()
            bar.update((len(kads["fit"]) + len(kads["game"]) + share) / (2 * CHOSEN_BY / TOGETHER))

        while len(kads["game"]) * TOGETHER < CHOSEN_BY:
            number, began = len(kads["game"]), clock.left()
            for name, checkpoint in checkpoints.items():
                assert checkpoint is not None
                stage.game.load(checkpoint.tensors, ("average",))
                clips = stage.make(TOGETHER, Taste.of(checkpoint.state), tick, "choice", number)
                judged, problems = stage.judge(clips)
                kads[name].append(judged["kad"])
                alarms += problems if name == "game" else ()
            if clock.left() < began - clock.left():  # not enough for as many again
                break
    apart = [game - fit for game, fit in zip(kads["game"], kads["fit"], strict=True)]
    error = statistics.stdev(apart) / math.sqrt(len(apart)) if len(apart) > 1 else 0.0
    kept = "game" if statistics.mean(apart) < 0 and not alarms else "fit"
    run.make_best(sides[kept])
    kad = {name: statistics.mean(values) for name, values in kads.items()}
    choice = Choice(kept, kad, error, TOGETHER * len(apart))
    write_json(run.folder / CHOICE, asdict(choice))
    return choice


def tune(stage: FrameStage, run: Run, which: str, screen: Screen, clock: Clock, later: int = 0) -> Taste:
    """Find how a checkpoint is best played, and write it into that.

    Args:
        stage: makes clips and judges them; the average of its networks becomes that of the checkpoint.
        run: has it.
        which: its name.
        screen: where to say it.
        clock: ends the search, at what was the best by then.
        later: how many things come after it that are to have as much of the time that is left.

    Returns:
        What was found.
    """
    checkpoint = run.load(which)
    assert checkpoint is not None
    if all(name in checkpoint.state for name in FOUND):
        return Taste.of(checkpoint.state)
    name, kads = checkpoint.state["position"]["stage"], dict[Taste, float]()
    usual, kept = Taste.after(name), clock.left() * later / (later + 1) if later else 0.0
    stage.game.load(checkpoint.tensors, ("average",))
    with screen.bar(f"finding how {name} is best played", MOST_TRIED) as bar:

        def tick(share: float) -> None:
            clock.check()
            bar.update(len(kads) + share)

        def kad(taste: Taste) -> float | None:
            to_come = 1 if kads else 2  # one alone would tell nothing
            if clock.left() < kept + to_come * clock.closing:  # an epoch ends with as many clips
                return None
            judged, problems = stage.judge(stage.make(JUDGED, taste, tick, "taste"))
            kads[taste] = math.inf if problems else judged["kad"]
            return kads[taste]

        found = find_taste(usual, kad)
    if kads:
        run.annotate(which, {name: getattr(found, name) for name in FOUND})
    if found != usual:
        better = f"KAD of {JUDGED} clips is {kads[found]:.1f}, and {kads[usual]:.1f} at {_said(usual)}"
        screen.say(f"{name} is best played at {_said(found)} ({better})")
    return found


def _said(taste: Taste) -> str:
    return f"style strength {taste.style_strength:.2f}, temperature {taste.temperature:.2f}"
