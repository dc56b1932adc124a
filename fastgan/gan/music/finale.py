"""What a run that makes music ends with: whether the game paid, and a piece by the best checkpoint."""

from pathlib import Path

import numpy as np
import torch

from fastgan.base.errors import printable
from fastgan.gan.checkpoint import has_best
from fastgan.gan.music.game import MusicGame
from fastgan.gan.music.guide import Course
from fastgan.gan.music.sample import Taste, make_piece
from fastgan.gan.progress import Screen
from fastgan.gan.report import game_paid
from fastgan.gan.run import Run
from fastgan.gan.seeds import derive

MUSIC_S = 30.0
"""Length of the piece."""


def finish(game: MusicGame, run: Run, *, seed: int, screen: Screen) -> Path | None:
    """Say whether the game paid, load the best checkpoint and make a piece with it.

    Args:
        game: of the run; its average becomes that of the best checkpoint.
        run: with its log and checkpoints.
        seed: of the run.
        screen: where to say it.

    Returns:
        The wav, with its picture and how it was made beside it; None where nothing that was made is music yet.
    """
    paid = game_paid(run.rows)
    if paid is not None and paid[1] >= paid[0]:
        screen.say(
            f"the game is rejected: KAD is {paid[1]:.1f} at its best and {paid[0]:.1f} at that of fit, whose checkpoint is kept"
        )
    best = run.load("best") if has_best(run.folder / "checkpoint") else None
    if best is None or best.state["position"]["stage"] == "encoder":
        screen.say("nothing that was made is music yet: train for longer, or on more music")
        return None
    game.load(best.tensors, ("average",))
    seed, at = derive(seed, "music"), best.state["position"]
    row = game.styles.draw(1, torch.Generator().manual_seed(seed))
    course = Course.of_rows(game.styles, row, game.step_s)
    with screen.bar("making music", 1) as bar:
        length = round(MUSIC_S * game.rate)
        samples = np.concatenate(
            [*make_piece(game, course, length, seed=seed, taste=Taste.after(at["stage"]), tick=bar.update)]
        )
    path = run.keep_music(samples, game.rate, {"epoch": at["epoch"], "stage": at["stage"], "kad": at["best"]})
    said = f"{MUSIC_S:g} s by the best checkpoint (epoch {at['epoch']}, {at['stage']}), with its picture beside it"
    screen.say(f"music: {printable(path)}, {said}")
    return path
