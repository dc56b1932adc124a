"""What a run that makes music ends with: how fit and the game are best played, the choice between them, and a piece by what is kept."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from fastgan.base.atomic import write_json
from fastgan.base.errors import printable
from fastgan.gan.clock import Clock
from fastgan.gan.music.guide import Course
from fastgan.gan.music.sample import Taste, make_piece
from fastgan.gan.music.stages import FrameStage, MusicStage
from fastgan.gan.music.tuning import Heard, dials_of, difference, hear, tune
from fastgan.gan.progress import Screen
from fastgan.gan.report import CHOICE
from fastgan.gan.run import Run
from fastgan.gan.seeds import derive

MUSIC_S = 30.0
"""Length of the piece."""

_LONGEST, _SHARE = 240.0, 0.2  # seconds that all this may take of a run with a budget, and share of that


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
    tastes = tune(stage, run, sides, screen, clock)
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
    made_by = {"epoch": at["epoch"], "stage": at["stage"], "kad": kad, **dials_of(taste)}
    path = run.keep_music(samples, game.rate, made_by)
    said = f"{MUSIC_S:g} s by the best checkpoint (epoch {at['epoch']}, {at['stage']}), with its picture beside it"
    screen.say(f"music: {printable(path)}, {said}")
    return path


def contenders(run: Run) -> dict[str, str]:
    """The checkpoints to choose between, by stage: the best of fit and the best of the game; none without both."""
    return {name: name for name in ("fit", "game")} if run.has("fit") and run.has("game") else {}


def choose(run: Run, sides: dict[str, str], heard: dict[str, Heard]) -> Choice:
    """Make fit's best or the game the best checkpoint: the game is rejected where it is not nearer to the music than fit.

    Epochs are judged by a dozen clips, always the same, and the best of many is lucky with them; so this is by new ones.
    """
    apart, error = difference(heard["game"], heard["fit"])
    kept = "game" if apart < 0 and not heard["game"].alarm else "fit"
    run.keep_as(sides[kept], "best")
    choice = Choice(kept, {name: one.kad for name, one in heard.items()}, error, heard["fit"].clips)
    write_json(run.folder / CHOICE, asdict(choice))
    return choice
