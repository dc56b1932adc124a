"""Shared by all tests: a cache of their own, and small folders of made-up sound."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the networks here are tiny: threads would only wait for each other

import numpy as np
import pytest
import soundfile
import torch

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # read when kernels are defined, so before any test

RATE = 22_050


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing a test does touches the user's cache."""
    cache = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("FASTGAN_CACHE", str(cache))
    return cache


@pytest.fixture
def any_threads() -> Iterator[Callable[[int], None]]:
    """Sets the number of threads; afterwards it is what it was."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def tune(seconds: float = 1.0, *, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """A made-up tune, int16 [seconds * rate]: notes with harmonics that die away, over a little noise."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    sound = random.normal(0, 0.003, len(time))
    for start in np.arange(0, seconds, 0.25):
        hz, since = 110 * 2 ** (random.integers(0, 24) / 12), np.maximum(0, time - start)
        sound += (
            (time >= start) * 0.15 * np.exp(-4 * since) * sum(np.sin(2 * np.pi * hz * k * since) / k for k in (1, 2, 3))
        )
    return (np.clip(sound, -0.95, 0.95) * 32767).astype(np.int16)


@pytest.fixture
def music(tmp_path: Path) -> Callable[..., Path]:
    """Make a folder of tunes, `per_genre` wavs of each genre."""

    def make(
        per_genre: int = 4, genres: tuple[str, ...] = ("blues", "jazz"), seconds: float = 1.0, name: str = "music"
    ) -> Path:
        folder = tmp_path / name
        for which, genre in enumerate(genres):
            (folder / genre).mkdir(parents=True, exist_ok=True)
            for number in range(per_genre):
                samples = tune(seconds, seed=1000 * which + number)
                soundfile.write(folder / genre / f"{genre}.{number:05d}.wav", samples, RATE, subtype="PCM_16")
        return folder

    return make


def write_songs(home: Path) -> Path:
    """Fill a folder with eight tunes of 7 s in two genres; gives it back."""
    for number in range(8):
        genre = home / ("blues", "jazz")[number % 2]
        genre.mkdir(exist_ok=True)
        soundfile.write(genre / f"{number}.wav", tune(7, seed=number), RATE, subtype="PCM_16")
    return home
