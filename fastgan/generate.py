"""`python -m fastgan.generate RUN`: new sound of any length from a checkpoint alone."""

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from fastgan.audio.files import Unreadable, growing, read_sound, writing
from fastgan.audio.health import examine
from fastgan.base.command import finish
from fastgan.base.errors import BadInput, explain_os_error, printable
from fastgan.config import GenerateConfig, parser_of
from fastgan.gan.player import Player, Wish, open_player
from fastgan.gan.progress import Screen
from fastgan.ops.machine import check_backend

STDOUT = "-"

LISTENED_S = 300.0
"""Long pieces are listened to in stretches of this length, so that memory does not grow with them."""


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
    piped = config.out == STDOUT
    screen = Screen(Console(stderr=True, highlight=False, soft_wrap=True) if piped else None)
    check_backend(config.backend)
    player = open_player(folder, which=config.checkpoint, how=config.how, device=config.device, backend=config.backend)
    prime = _read_prime(config.prime, player.rate) if config.prime else None
    length = max(1, round(config.seconds * player.rate))
    for number, path in enumerate(_paths(folder, config), start=1):
        wish = Wish(
            length, config.seed, number, config.temperature, config.style_strength, genre=config.genre, prime=prime
        )
        _make(player, wish, path, f"piece {number}/{config.count}", screen, stream=config.stream or piped)
    return 0


def _make(player: Player, wish: Wish, path: Path, what: str, screen: Screen, *, stream: bool) -> None:
    """Make one piece and say what it is like."""
    began = time.monotonic()
    with screen.bar(what, 1) as bar:
        blocks = player.play(wish, bar.update)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise explain_os_error(error, f"making the folder {printable(path.parent)}") from error
        rate, ear, first = player.rate, _Ear(player.rate), None
        with growing(path, rate, wish.length) if stream else writing(path, rate) as write:
            for block in blocks:
                write(block)
                first = first if first is not None else time.monotonic() - began
                ear.listen(block)
    took, seconds = time.monotonic() - began, wish.length / rate
    speed = f"made in {took:.1f} s, {seconds / took:,.1f} x real time"
    if stream:
        speed += f", first sound after {first:.2f} s"
    screen.say(f"{printable(path)}: {seconds:.2f} s, {ear.verdict()} ({speed})")


class _Ear:
    """What is wrong with a sound that comes in blocks."""

    def __init__(self, rate: int):
        self._rate, self._held, self._count = rate, list[NDArray[np.int16]](), 0
        self._stretches, self._faults = 0, list[str]()

    def listen(self, block: NDArray[np.int16]) -> None:
        """Take in samples [n]."""
        self._held.append(block)
        self._count += len(block)
        if self._count >= LISTENED_S * self._rate:
            self._examine()

    def verdict(self) -> str:
        """Of the whole: of its first stretch that is not healthy, if there is one."""
        if self._count >= self._rate or not self._stretches:  # less than a second more would be judged by chance
            self._examine()
        return self._faults[0] if self._faults else "healthy"

    def _examine(self) -> None:
        health = examine(np.concatenate([np.empty(0, np.int16), *self._held]), self._rate)
        where = f"from {self._stretches * LISTENED_S / 60:.0f} min on: " if self._stretches else ""
        if not health.ok:
            self._faults.append(where + health.verdict)
        self._held, self._count, self._stretches = [], 0, self._stretches + 1


def _read_prime(path: str, rate: int) -> NDArray[np.int16]:
    try:
        return read_sound(path, rate)
    except Unreadable as error:
        raise BadInput(f"--prime {printable(path)}: {error}; give a sound file") from error


def _paths(folder: Path, config: GenerateConfig) -> Iterator[Path]:
    """Where the pieces go."""
    names = [f"seed{config.seed}-{number:03d}.wav" for number in range(1, config.count + 1)]
    out = Path(config.out)
    if not config.out:
        return (folder / "generated" / name for name in names)
    if config.out == STDOUT:
        if config.count > 1:
            raise BadInput(f"--out - is one sound and --count is {config.count}; give a folder")
        return iter([out])
    if config.count > 1 or out.is_dir():
        if out.suffix.lower() == ".wav" and not out.is_dir():
            raise BadInput(f"--out {printable(out)} is one file and --count is {config.count}; give a folder")
        return (out / name for name in names)
    return iter([out if out.suffix.lower() == ".wav" else out.with_name(out.name + ".wav")])


if __name__ == "__main__":
    sys.exit(main())
