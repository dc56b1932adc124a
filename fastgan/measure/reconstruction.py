"""An anchor that only a run on frames has: real music after a walk through its encoder and back, the ceiling of what it can make."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fastgan.audio.scale import normalise
from fastgan.gan.checkpoint import load_checkpoint
from fastgan.gan.music.game import MusicGame
from fastgan.gan.music.sample import rebuild
from fastgan.gan.run import read_config

Samples = NDArray[np.int16]


def reconstruction(place: Path, clips: Sequence[Samples], rate: int) -> list[Samples] | None:
    """Rebuild clips, int16 [N] each, with the encoder of a run.

    Args:
        place: folder of the run.
        clips: at about the level that the encoder learnt at, -26 dBFS.
        rate: Hz of the clips.

    Returns:
        Clips that are shorter by a part of a frame; None where the folder holds no run on frames at this rate.
    """
    if not (place / "config.json").exists() or not (place / "checkpoint" / "index.json").exists():
        return None
    settings = read_config(place)["settings"]
    if settings.get("encoder") != "spectral" or settings["rate"] != rate:
        return None
    game = MusicGame.restore(load_checkpoint(place / "checkpoint"), torch.device("cpu"))
    return [rebuild(game, torch.from_numpy(normalise(clip))) for clip in clips]
