"""A small corpus of tunes and a small game, shared by the tests of this folder."""

from pathlib import Path

import numpy as np
import torch

from fastgan.audio.corpus import Corpus, open_folder
from fastgan.audio.files import write_sound
from fastgan.gan.music.excerpts import Music
from fastgan.gan.music.game import MusicGame
from fastgan.ops.stft import Frames
from tests.conftest import tune

RATE = 8_000
FRAMES = Frames.of_rate(RATE)


def corpus_of(folder: Path, sounds: dict[str, np.ndarray]) -> Corpus:
    """A corpus of named sounds, "genre/name"."""
    for name, samples in sounds.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_sound(folder / f"{name}.wav", samples, RATE)
    return open_folder(folder, RATE)


def tunes(count: int = 4, seconds: float = 6.0) -> dict[str, np.ndarray]:
    """Tunes in two genres."""
    return {f"{'ab'[n % 2]}/{n}": tune(seconds, rate=RATE, seed=n) for n in range(count)}


def music_of(corpus: Corpus, length: int = 8) -> Music:
    """All of it."""
    return Music(corpus, corpus.index.clips, FRAMES, length)


def small_game(genres: int = 2, seed: int = 0, group: int = 2) -> MusicGame:
    """Networks that a test can train."""
    return MusicGame.build(
        rate=RATE,
        genres=["a", "b"][:genres],
        hidden=16,
        latents=12,
        group=group,
        seed=seed,
        device=torch.device("cpu"),
    )
