"""The paper's failures, each provoked on purpose: its cause, and what this package does with the same input."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.io import wavfile

from fastgan.audio.demo import synthesise
from fastgan.audio.files import read_sound, write_sound
from fastgan.audio.health import examine
from fastgan.audio.scale import FULL_SCALE, normalise
from fastgan.base.errors import BadInput
from fastgan.gan.sample import by_feedback, from_noise, joined
from fastgan.gan.seeds import noise
from fastgan.paper.failures.readers import readings
from fastgan.paper.failures.seams import Seams, measure_seams
from fastgan.paper.failures.short_training import RATE, WINDOW, after_fit, after_game, untrained

LENGTH = 44_100
"""Samples in a sound, the paper's Table 2: two seconds."""

_SEQUENCES = 3  # m, the paper's Table 1
_STEPS = 64  # of training: a network that has seen 2,048 windows
_GAME_SEED = 0  # all of 0 to 5 whistle, each over another hiss
_SLIDE = RATE // 4  # samples made by feedback: the slides are over after three quarters
_LONG = 2_205  # values in a long sequence: 10 seams a second, none of whose harmonics is at 3,675 Hz


@dataclass(frozen=True)
class Evidence:
    """What happened when a failure was provoked."""

    failed: str  # the naive way, and what readers say of its file
    cured: str  # what this package does with the same input
    files: tuple[Path, ...]  # those that were made, in the order in which the words speak of them


@dataclass(frozen=True)
class Failure:
    """A failure that the paper reports."""

    name: str
    quote: str  # the paper's own words
    cause: str
    cure: str  # what ships in this package
    provoke: Callable[[Path], Evidence]  # takes the folder to work in, and makes it when there is none


def zero_length(folder: Path) -> Evidence:
    """Hand a batch of sequences to the writer."""
    game = untrained(seed=0)
    with torch.inference_mode():
        batch = game.generator(noise((_SEQUENCES, WINDOW, 1), 0, 0, game.device, game.dtype))[..., 0].numpy()
    naive, cured = _paths(folder, "zero_length")
    samples = (batch * FULL_SCALE).astype(np.int16)
    failed = _by_scipy(naive, samples)
    refused = _by_fastgan(cured, samples)
    one = _by_fastgan(cured, joined(from_noise(game, LENGTH, window=WINDOW, seed=0)))
    return Evidence(failed, f"{refused}; sequences joined to one row: {one}", (naive, cured))


def silent(folder: Path) -> Evidence:
    """Cast values within [-1, 1] to integers."""
    naive, cured = _paths(folder, "silent")
    failed = _by_scipy(naive, _music().astype(np.int16))
    found = read_sound(naive, RATE)
    failed += f"; {np.count_nonzero(found):,} of {len(found):,} samples differ from 0: {examine(found, RATE).verdict}"
    return Evidence(failed, _by_fastgan(cured, _music()), (naive, cured))


def integers_of_64_bits(folder: Path) -> Evidence:
    """Scale by 32,768 and convert to Python's integers."""
    naive, cured = _paths(folder, "integers_of_64_bits")
    samples = (_music() * FULL_SCALE).astype(np.int64)
    failed = _by_scipy(naive, samples)
    refused = _by_fastgan(cured, samples)
    return Evidence(failed, f"{refused}; the floats themselves: {_by_fastgan(cured, _music())}", (naive, cured))


def doubles(folder: Path) -> Evidence:
    """Write floats as numpy computes them."""
    naive, cured = _paths(folder, "doubles")
    samples = _music().astype(np.float64)
    return Evidence(_by_scipy(naive, samples), _by_fastgan(cured, samples), (naive, cured))


def one_row(folder: Path) -> Evidence:
    """Write an array of shape (1, N)."""
    naive, cured = _paths(folder, "one_row")
    samples = (_music() * FULL_SCALE).astype(np.int16)[None]
    failed = _by_scipy(naive, samples)
    refused = _by_fastgan(cured, samples)
    return Evidence(failed, f"{refused}; its row: {_by_fastgan(cured, samples[0])}", (naive, cured))


def one_way(folder: Path) -> Evidence:
    """Feed a generator its own output, once from above the value where it ends and once from below."""
    game = after_fit(_STEPS, seed=0)
    files = (*_paths(folder, "one_way", "from_above", "from_below"), folder / "one_way_from_noise.wav")
    failed, cured = [], []
    for path, start in zip(files, (0.5, -0.5), strict=False):
        made = joined(by_feedback(game, _SLIDE, start=torch.full((WINDOW, 1), start)))
        write_sound(path, made, RATE)
        failed.append(f"after {WINDOW} values of {start} it {_moves(made)}, from {made[0]} to {made[-1]}")
        cured.append(f"{path.name} is named {', '.join(examine(made, RATE).problems) or 'healthy'}")
    made = joined(from_noise(game, _SLIDE, window=WINDOW, seed=0))
    write_sound(files[-1], made, RATE)
    cured.append(f"made from noise, the same network {_moves(made)}")
    return Evidence("; ".join(failed), "; ".join(cured), files)


def high_pitch(folder: Path) -> Evidence:
    """Join short sequences, each from noise of its own."""
    game = after_game(_STEPS, seed=_GAME_SEED)
    files = _paths(folder, "high_pitch", f"sequences_of_{WINDOW}", f"sequences_of_{_LONG}")
    words = []
    for path, window in zip(files, (WINDOW, _LONG), strict=True):
        made = joined(from_noise(game, LENGTH, window=window, seed=0))
        write_sound(path, made, RATE)
        seams = measure_seams(made, RATE, window=WINDOW)
        words.append(f"{_lines(seams)}; the health check finds: {examine(made, RATE).verdict}")
    cured = f"the same network in sequences of {_LONG:,} values: {words[1]}"
    return Evidence(f"in sequences of {WINDOW} values: {words[0]}", cured, files)


def _by_scipy(path: Path, samples: NDArray[np.generic]) -> str:
    """Write as the paper did, and tell what came of it."""
    shown = f"scipy, given {samples.dtype} of shape {samples.shape},"
    try:
        wavfile.write(path, RATE, samples)
    except struct.error as error:
        shown += f" stops with '{error}' and"
    return f"{shown} leaves {path.stat().st_size:,} bytes; {readings(path)}"


def _by_fastgan(path: Path, samples: NDArray[np.int16] | NDArray[np.floating] | NDArray[np.int64]) -> str:
    """Write as this package does, and tell what came of it."""
    try:
        write_sound(path, samples, RATE)  # type: ignore[arg-type]  # the wrong types are what is tried
    except BadInput:
        raise  # the folder is at fault, not the samples
    except ValueError as refusal:
        return f"write_sound refuses ({refusal})"
    return f"write_sound makes a file in which {readings(path)}; health check: {examine(read_sound(path, RATE), RATE).verdict}"


def _music() -> NDArray[np.float32]:
    """Two seconds of a song of the built-in corpus, [44,100] within [-1, 1)."""
    return normalise(synthesise("blues", seed=0, index=0, seconds=LENGTH / RATE, rate=RATE))


def _paths(folder: Path, name: str, first: str = "naive", second: str = "cured") -> tuple[Path, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}_{first}.wav", folder / f"{name}_{second}.wav"


def _moves(samples: NDArray[np.int16]) -> str:
    moves = np.diff(samples.astype(np.int64))
    return f"rises {np.count_nonzero(moves > 0):,} times and falls {np.count_nonzero(moves < 0):,} times"


def _lines(seams: Seams) -> str:
    each = zip(seams.hz, seams.over_db, seams.shares, strict=True)
    told = (
        f"{hz:,.0f} Hz stands {db:.1f} dB over its neighbours with {share:.2%} of the energy" for hz, db, share in each
    )
    return ", ".join(told)


FAILURES = (
    Failure(
        "zero length",
        "The wave file we saved showed that the length of the music was 0",
        "A batch of 3 sequences of 6 values was handed to the writer, which takes rows for frames and columns for channels: 3 "
        "frames of 6 channels.",
        "The writer refuses everything but one row of samples, and the sampler joins the sequences to such a row.",
        zero_length,
    ),
    Failure(
        "silent",
        "the music we generated was silent",
        "Values within [-1, 1] were cast to 16-bit integers without the factor 32,768, which makes them 0.",
        "The writer scales floats itself, rounds and saturates them, and the health check names silence.",
        silent,
    ),
    Failure(
        "corrupted: 64-bit integers",
        "all the output .wav files were corrupted and cannot be played",
        "A plain conversion to integers gives 64 bits, which scipy writes and libsndfile does not read.",
        "The writer takes 16-bit integers or floats and refuses every other type.",
        integers_of_64_bits,
    ),
    Failure(
        "corrupted: doubles",
        "all the output .wav files were corrupted and cannot be played",
        "Floats of 64 bits go into the file as they are, a format that readers of plain PCM refuse.",
        "The writer makes 16-bit PCM of floats of any width.",
        doubles,
    ),
    Failure(
        "corrupted: one row",
        "all the output .wav files were corrupted and cannot be played",
        "An array of shape (1, N) is one frame of N channels to the writer, more than a header can hold.",
        "The writer refuses an array of two dimensions, and a file appears whole or not at all.",
        one_row,
    ),
    Failure(
        "ascending or descending",
        "the output sequence is either ascending order or descending order",
        "A network that gives one value from the last n and is fed its own output slides to a fixed point, from above or from "
        "below.",
        "The health check calls such a sound monotone or constant, on the run's page and in the title of its picture; after "
        "the game stage sound is made from noise, which does not slide.",
        one_way,
    ),
    Failure(
        "high pitch",
        "a high pitch sound with no clear pattern",
        "Sequences of 6 values, each from noise of its own and from a zero state, repeat their mean every 6 samples: lines at the "
        "multiples of 22,050 / 6 = 3,675 Hz over a hiss.",
        "Sequences may be of any length (--window), which moves the lines down to the multiples of rate / n; and the health check "
        "names a whistle, on the run's page and in the title of its picture.",
        high_pitch,
    ),
)
"""In the order in which the paper tells of them, as far as it tells one."""
