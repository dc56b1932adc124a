"""A clip from what was asked for, kept in the run's folder with all that is needed to make it again."""

import json
import re
import secrets
import shlex
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fastgan.audio.files import writing
from fastgan.audio.health import examine
from fastgan.base.atomic import write_json
from fastgan.base.errors import explain_os_error, printable
from fastgan.gan.player import Player, Wish, open_player
from fastgan.gan.stage import Tick
from fastgan.page.pictures import draw_mask, outline
from fastgan.page.recordings import Recording
from fastgan.page.runs import Offer

FOLDER = "studio"
"""Of a run's folder, where its clips are kept: apart from `generated`, which is what `evaluate` listens to."""

_NAME = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Order:
    """What a clip is to be like; see `Wish`."""

    run: Offer
    seconds: float
    seed: int
    genre: str = ""
    temperature: float = 1.0
    style_strength: float = 1.0
    recording: Recording | None = None

    def wish(self) -> Wish:
        """The same wish that `python -m fastgan.generate` has for its first piece."""
        length = max(1, round(self.seconds * self.run.rate))
        prime = self.recording.samples if self.recording else None
        return Wish(
            length,
            self.seed,
            temperature=self.temperature,
            style_strength=self.style_strength,
            genre=self.genre,
            prime=prime,
        )

    def command(self) -> str:
        """The command line that makes the same samples again, as long as the run stays as it is."""
        told = {"seconds": _plain(self.seconds), "seed": str(self.seed), "genre": self.genre}
        told["temperature"] = _plain(self.temperature) if self.temperature != 1 else ""
        told["style-strength"] = _plain(self.style_strength) if self.style_strength != 1 else ""
        told["prime"] = self.recording.name if self.recording else ""
        words = ["python", "-m", "fastgan.generate", printable(self.run.folder)]
        for name, value in told.items():
            if value:  # a value that looks like an option must hold on to its own
                words += [f"--{name}={value}"] if value.startswith("-") else [f"--{name}", value]
        return shlex.join(words)


@dataclass(frozen=True)
class Clip:
    """A finished clip, as plain values."""

    id: str
    run: str
    made_at: float  # seconds since 1970
    took: float  # seconds
    seconds: float
    seed: str  # as text: a browser's numbers end at 2^53
    genre: str
    temperature: float
    recording: str
    rate: int  # Hz
    healthy: bool
    verdict: str
    command: str
    outline: list[float]
    style_strength: float = 1.0  # clips of earlier versions do not tell

    def shown(self) -> dict[str, Any]:
        """What the page's script takes, without sound and picture."""
        return {key: value for key, value in asdict(self).items() if key != "rate"}


class Maker:
    """Makes clips, one at a time; the run that was played last stays open.

    All of it is for one thread: torch counts its threads by the thread that calls.
    """

    def __init__(self) -> None:
        self._threads = torch.get_num_threads()
        self._open: tuple[tuple[Path, bytes], Player] | None = None

    def make(self, order: Order, tick: Tick, home: Path | None = None) -> tuple[Clip, Path]:
        """Make a clip and keep it.

        Args:
            order: what it is to be like.
            tick: told the share done; what it raises ends the work, and nothing is left behind.
            home: folder to keep it in; the run's when left out.

        Returns:
            The clip, and the folder that it lies in.

        Raises:
            BadInput: the run or the order cannot be played.
            MachineFailure: the disk is full or failing.
        """
        began = time.monotonic()
        tick(0.0)
        player = self._player(order.run.folder)
        tick(0.0)
        home, name = home or order.run.folder / FOLDER, secrets.token_hex(8)
        try:
            home.mkdir(exist_ok=True)
        except OSError as error:
            raise explain_os_error(error, f"making the folder {printable(home)}") from error
        try:
            blocks = [np.empty(0, np.int16)]
            with writing(home / f"{name}.wav", player.rate) as write:
                for block in player.play(order.wish(), tick):
                    write(block)
                    blocks.append(block)
            samples = np.concatenate(blocks)
            health = examine(samples, player.rate)
            draw_mask(samples, player.rate, home / f"{name}.png")
            clip = Clip(
                id=name,
                run=order.run.name,
                made_at=time.time(),
                took=time.monotonic() - began,
                seconds=len(samples) / player.rate,
                seed=str(order.seed),
                genre=order.genre,
                temperature=order.temperature,
                recording=order.recording.name if order.recording else "",
                rate=player.rate,
                healthy=health.ok,
                verdict=health.verdict,
                command=order.command(),
                outline=outline(samples),
                style_strength=order.style_strength,
            )
            write_json(home / f"{name}.json", asdict(clip))  # last: what has one is whole
        except BaseException:
            for left in (home / f"{name}.wav", home / f"{name}.png"):
                left.unlink(missing_ok=True)
            raise
        return clip, home

    def _player(self, folder: Path) -> Player:
        """The run, opened anew when its checkpoints have changed."""
        home = folder / "checkpoint"
        index = home / "index.json"
        key = folder, index.read_bytes() if index.is_file() else b""
        if self._open is None or self._open[0] != key:
            self._open = None  # two runs in memory are one too many
            torch.set_num_threads(self._threads)  # each run chooses anew, as in a process of its own
            self._open = key, open_player(folder)
        return self._open[1]


def kept_clips(runs: Iterable[Offer], most: int) -> tuple[list[tuple[Clip, Path]], list[str]]:
    """Clips that lie in the folders of runs, newest first, each with its folder; and what is wrong with those left out."""
    files = [path for run in runs for path in (run.folder / FOLDER).glob("*.json") if _NAME.fullmatch(path.stem)]
    found, wrong = [], []
    for path in sorted(files, key=lambda path: path.stat().st_mtime, reverse=True)[:most]:
        try:
            clip = _clip(json.loads(path.read_bytes()))
        except (ValueError, TypeError) as error:
            wrong.append(f"{printable(path)} is damaged ({error})")
            continue
        if clip.id == path.stem and path.with_suffix(".wav").is_file() and path.with_suffix(".png").is_file():
            found.append((clip, path.parent))
        else:
            wrong.append(f"{printable(path)} has lost its sound or its picture")
    return found, wrong


def _clip(values: dict[str, Any]) -> Clip:
    clip = Clip(**values)
    for name, kind in Clip.__annotations__.items():
        value = getattr(clip, name)
        if kind == list[float]:
            kind, fits = list, isinstance(value, list) and all(isinstance(one, int | float) for one in value)
        else:
            fits = isinstance(value, int | float) if kind is float else isinstance(value, kind)
        if not fits:
            raise TypeError(f"{name} is no {kind.__name__}")
    return clip


def _plain(number: float) -> str:
    """A number in the fewest digits that give it back, without an exponent in the ranges used here."""
    return repr(float(number)).removesuffix(".0")
