"""`python -m fastgan.generate RUN`: new sound of any length from a checkpoint alone."""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fastgan.audio.files import Unreadable, read_sound, write_sound
from fastgan.audio.health import examine
from fastgan.audio.split import known_genre
from fastgan.base.command import finish
from fastgan.base.errors import BadInput, explain_os_error, printable
from fastgan.config import GenerateConfig, TrainConfig, known_fields, parser_of
from fastgan.gan.checkpoint import Checkpoint, has_best, load_checkpoint
from fastgan.gan.game import Game
from fastgan.gan.music.game import MusicGame
from fastgan.gan.music.guide import Course
from fastgan.gan.music.sample import Taste, continued, piece
from fastgan.gan.networks import Networks
from fastgan.gan.progress import Screen
from fastgan.gan.sample import by_feedback, from_noise
from fastgan.gan.seeds import derive
from fastgan.gan.stage import Tick
from fastgan.ops.machine import check_backend, choose_device, use_threads


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code."""

    def body() -> int:
        parser = parser_of(GenerateConfig, "python -m fastgan.generate", "Make new music with a trained run.")
        parser.add_argument("run", metavar="RUN", help="folder of a run", type=Path)
        told = vars(parser.parse_args(argv))
        return generate(told.pop("run"), GenerateConfig(**told))

    return finish("fastgan.generate", body)


def generate(folder: Path, config: GenerateConfig) -> int:
    """Make `config.count` pieces and write them as wav files."""
    screen = Screen()
    check_backend(config.backend)
    home = folder / "checkpoint" if (folder / "checkpoint").is_dir() else folder
    checkpoint = load_checkpoint(home, "newest" if config.checkpoint == "auto" else config.checkpoint)
    settings = TrainConfig(**known_fields(TrainConfig, checkpoint.state.get("settings", {})))
    if settings.encoder == "spectral" and config.checkpoint == "auto" and has_best(home):
        best = load_checkpoint(home, "best")
        checkpoint = checkpoint if best.state["position"]["stage"] == "encoder" else best
    rate = checkpoint.state["rate"]
    length = max(1, round(config.seconds * rate))
    make = (_musician if settings.encoder == "spectral" else _player)(checkpoint, settings, config)
    for number, path in enumerate(_paths(folder, config), start=1):
        with screen.bar(f"piece {number}/{config.count}", 1) as bar:
            began = time.monotonic()
            samples = make(length, derive(config.seed, number), bar.update)
            took = time.monotonic() - began
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise explain_os_error(error, f"making the folder {printable(path.parent)}") from error
        write_sound(path, samples, rate)
        seconds = length / rate
        speed = f"made in {took:.1f} s, {seconds / took:,.1f} x real time"
        screen.say(f"{printable(path)}: {seconds:.2f} s, {examine(samples, rate).verdict} ({speed})")
    return 0


Make = Callable[[int, int, Tick], NDArray[np.int16]]
"""Makes a piece: its length in samples, its seed, and who is told how far it is."""


def _player(checkpoint: Checkpoint, settings: TrainConfig, config: GenerateConfig) -> Make:
    """A run on samples."""
    for name in ("prime", "genre", "temperature"):
        if getattr(config, name):
            raise BadInput(
                f"--{name} is of runs on frames (--preset music); this one learnt {settings.window} samples at a time"
            )
    game = restore_game(checkpoint, settings, config)
    stage = checkpoint.state["position"]["stage"]
    how = config.how if config.how != "auto" else ("noise" if stage == "game" else "feedback")
    if how == "feedback":
        use_threads(0, settings.window, settings.hidden)
    starts = checkpoint.tensors["starts"]
    return lambda length, seed, tick: make(game, starts, how, length, settings.window, seed, tick)


def _musician(checkpoint: Checkpoint, settings: TrainConfig, config: GenerateConfig) -> Make:
    """A run on frames."""
    if config.how != "auto":
        raise BadInput(
            "--how is of runs on samples (--preset paper); this one makes each frame from those before it and from noise"
        )
    game = MusicGame.restore(checkpoint, choose_device(config.device), config.backend)
    genres = game.genres
    if not game.styles.fitted:
        raise BadInput(
            "this checkpoint was written before the fit stage, so there is nothing to make music with yet; train on"
        )
    genre = (
        genres.index(known_genre(config.genre, {name.casefold(): name for name in genres})) if config.genre else None
    )
    prime = _read_prime(config.prime, settings.rate) if config.prime else None
    taste = Taste(temperature=config.temperature) if config.temperature else Taste()
    use_threads(1, 1, settings.hidden)

    def make(length: int, seed: int, tick: Tick) -> NDArray[np.int16]:
        if prime is not None:
            course, before = continued(game, prime, genre)
            return piece(game, course, length, seed=seed, taste=taste, prime=before, tick=tick)
        row = game.styles.draw(1, torch.Generator().manual_seed(derive(seed, "style")), genre)
        return piece(game, Course.of_rows(game.styles, row, game.step_s), length, seed=seed, taste=taste, tick=tick)

    return make


def _read_prime(path: str, rate: int) -> NDArray[np.int16]:
    try:
        return read_sound(path, rate)
    except Unreadable as error:
        raise BadInput(f"--prime {printable(path)}: {error}; give a sound file") from error


def restore_game(checkpoint: Checkpoint, settings: TrainConfig, config: GenerateConfig) -> Game:
    """Build the networks that a checkpoint is of, with its weights.

    Raises:
        BadInput: they do not fit.
    """
    game = Game.build(
        hidden=settings.hidden,
        encoder=settings.encoder == "conv",
        seed=settings.seed,
        device=choose_device(config.device),
        dtype=getattr(torch, settings.dtype),
        backend=config.backend,
    )
    _load(game, checkpoint)
    return game


def _load(game: Networks, checkpoint: Checkpoint) -> None:
    try:
        game.load(checkpoint.tensors)
    except ValueError as error:
        raise BadInput(f"the checkpoint does not fit its own settings: {error}; train again") from error


def make(game: Game, starts: Tensor, how: str, length: int, window: int, seed: int, tick: Tick) -> NDArray[np.int16]:
    """Make one piece, int16 [length], by one of the two ways."""
    if how == "noise":
        return from_noise(game, length, window=window, seed=seed, tick=tick)
    if not len(starts):
        raise BadInput(
            "this checkpoint was written before the fit stage, so nothing can be fed back yet; train on, or use --how noise"
        )
    return by_feedback(game, length, start=starts[seed % len(starts)].to(game.device), tick=tick)


def _paths(folder: Path, config: GenerateConfig) -> list[Path]:
    names = [f"seed{config.seed}-{number:03d}.wav" for number in range(1, config.count + 1)]
    if not config.out:
        return [folder / "generated" / name for name in names]
    out = Path(config.out)
    if config.count > 1 or out.is_dir():
        if out.suffix.lower() == ".wav" and not out.is_dir():
            raise BadInput(f"--out {printable(out)} is one file and --count is {config.count}; give a folder")
        return [out / name for name in names]
    return [out if out.suffix.lower() == ".wav" else out.with_name(out.name + ".wav")]


if __name__ == "__main__":
    sys.exit(main())
