"""A run on disk: its folder with settings, log, sounds, pictures and checkpoints."""

import json
import math
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import filelock
import numpy as np
from numpy.typing import NDArray
from torch.utils.tensorboard import SummaryWriter

from fastgan.audio.files import write_sound
from fastgan.audio.health import examine
from fastgan.audio.plots import draw
from fastgan.base.atomic import replacing, write_json
from fastgan.base.errors import BadInput, explain_os_error, printable
from fastgan.gan.checkpoint import Checkpoint, annotate, has, keep_as, load_checkpoint, save_checkpoint

FORMAT = 1
"""Version of config.json."""


class Run:
    """One run's folder, held by one process at a time.

    Attributes:
        folder: where everything goes.
        config: what config.json says.
        rows: the log so far.
    """

    def __init__(self, folder: Path, config: dict[str, Any]):
        self.folder, self.config = folder, config
        self.rows: list[dict[str, Any]] = []
        self._lock = filelock.FileLock(folder / "run.lock")
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            raise BadInput(
                f"{printable(folder)} is in use by another process; wait for it, or choose another --out"
            ) from None
        except OSError as error:
            raise explain_os_error(error, f"using {printable(folder)}") from error
        self._events: SummaryWriter | None = None

    @classmethod
    def start(cls, folder: Path, config: dict[str, Any]) -> "Run":
        """Begin a run in a new or empty folder.

        Args:
            folder: made when missing.
            config: plain values; becomes config.json.

        Raises:
            BadInput: the folder holds something already, or cannot be written.
            MachineFailure: the disk is full.
        """
        check_unused(folder)
        try:
            (folder / "samples").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise explain_os_error(error, f"making the folder {printable(folder)}") from error
        run = cls(folder, {"format": FORMAT, **config})
        write_json(folder / "config.json", run.config)
        return run

    @classmethod
    def reopen(cls, folder: Path) -> "Run":
        """Open a run that was begun before: the inverse of `start` and `log`.

        Raises:
            BadInput: there is no run, or another version's, or it is damaged.
        """
        config = read_config(folder)
        run = cls(folder, config)
        if (folder / "log.jsonl").exists():
            run.rows = read_log(folder / "log.jsonl")
        return run

    def keep_rows(self, epochs: int) -> None:
        """Drop log rows after so many epochs: those that a killed process wrote after its last checkpoint."""
        self.rows = [row for row in self.rows if row["epoch"] <= epochs]
        with replacing(self.folder / "log.jsonl") as stream:
            stream.write("".join(json.dumps(row) + "\n" for row in self.rows).encode())
        if self._events is not None:
            self._events.close()
        self._events = SummaryWriter(str(self.folder / "events"), purge_step=epochs + 1)

    def log(self, row: dict[str, Any]) -> None:
        """Add an epoch's row to log.jsonl and to TensorBoard."""
        self.rows.append(row)
        try:
            with open(self.folder / "log.jsonl", "a", encoding="ascii") as stream:
                stream.write(json.dumps(row) + "\n")
                stream.flush()
                os.fsync(stream.fileno())
            if self._events is None:
                self._events = SummaryWriter(str(self.folder / "events"))
            for name, value in row.items():
                if isinstance(value, (int, float)) and name not in ("epoch", "stage_epoch"):
                    self._events.add_scalar(f"{row['stage']}/{name}", value, row["epoch"])
            self._events.flush()
        except OSError as error:
            raise explain_os_error(error, f"writing the log in {printable(self.folder)}") from error

    def keep_sound(self, epoch: int, samples: NDArray[np.int16], rate: int, title: str) -> dict[str, Any]:
        """Write an epoch's sound and its picture; gives the columns `sample` and `health` of its row."""
        name = f"samples/epoch_{epoch:04d}"
        write_sound(self.folder / f"{name}.wav", samples, rate)
        health = examine(samples, rate)
        draw(samples, rate, self.folder / f"{name}.png", title=f"{title}: {', '.join(health.problems) or 'healthy'}")
        return {"sample": f"{name}.wav", "health": asdict(health)}

    def keep_music(self, samples: NDArray[np.int16], rate: int, made_by: dict[str, Any]) -> Path:
        """Write the run's own piece of music, its picture and how it was made; gives its path."""
        path = self.folder / "music.wav"
        write_sound(path, samples, rate)
        health = examine(samples, rate)
        draw(samples, rate, path.with_suffix(".png"), title=f"music.wav: {', '.join(health.problems) or 'healthy'}")
        write_json(path.with_suffix(".json"), {**made_by, "sample": path.name, "health": asdict(health)})
        return path

    def save(self, name: str, checkpoint: Checkpoint, *, known_as: Sequence[str] = ()) -> None:
        """Write a checkpoint, see `save_checkpoint`."""
        save_checkpoint(self.folder / "checkpoint", name, checkpoint, known_as=known_as)

    def load(self, which: str = "newest") -> Checkpoint | None:
        """Read the newest checkpoint or one of another name, or None when the run was stopped before its first."""
        folder = self.folder / "checkpoint"
        return load_checkpoint(folder, which) if (folder / "index.json").exists() else None

    def keep_as(self, which: str, name: str) -> None:
        """Let a checkpoint be known under another name, too, see `fastgan.gan.checkpoint.keep_as`."""
        keep_as(self.folder / "checkpoint", which, name)

    def has(self, which: str) -> bool:
        """Whether there is a checkpoint of this name."""
        folder = self.folder / "checkpoint"
        return (folder / "index.json").exists() and has(folder, which)

    def annotate(self, which: str, values: dict[str, Any]) -> None:
        """Add plain values to a checkpoint, see `fastgan.gan.checkpoint.annotate`."""
        annotate(self.folder / "checkpoint", which, values)

    def discard(self) -> None:
        """Remove a run that has learnt nothing: the inverse of `start`."""
        self.close()
        shutil.rmtree(self.folder)

    def close(self) -> None:
        """Let other processes use the folder."""
        if self._events is not None:
            self._events.close()
        self._lock.release()


def check_unused(folder: Path) -> None:
    """Refuse a folder that holds something: nothing of anybody's is overwritten.

    Raises:
        BadInput: it holds a run or other files, or is a file, or has a name that TensorBoard cannot write to.
    """
    if printable(folder) != str(folder):
        raise BadInput(f"the name {printable(folder)} is not UTF-8; choose another --out")
    if (folder / "config.json").exists():
        raise BadInput(f"{printable(folder)} holds a run; continue it with --resume, or choose another --out")
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"{printable(folder)} is a file; choose a folder for --out")
    if folder.exists() and any(folder.iterdir()):
        raise BadInput(f"{printable(folder)} is not empty and holds no run; choose another --out")


def next_folder(parent: Path, name: str) -> Path:
    """The first of parent/name-001, parent/name-002, ... that is free."""
    number = 1
    while (parent / f"{name}-{number:03d}").exists():
        number += 1
    return parent / f"{name}-{number:03d}"


def read_config(folder: Path) -> dict[str, Any]:
    """Read a run's config.json.

    Raises:
        BadInput: it is missing, damaged or of another version.
    """
    path = folder / "config.json"
    if not path.exists():
        raise BadInput(f"no run in {printable(folder)} (no config.json); give the folder of a run")
    try:
        config = json.loads(path.read_bytes())
        version = config["format"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadInput(
            f"{printable(path)} is damaged ({error}); restore it, or train again into another folder"
        ) from error
    if version != FORMAT:
        raise BadInput(
            f"{printable(path)} has format {version!r}, this version reads {FORMAT}; use the fastgan that wrote it"
        )
    return config


def read_log(path: Path) -> list[dict[str, Any]]:
    """Rows of a log; a last line that a killed process left half-written is left out."""
    rows = []
    lines = path.read_text("utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(json.loads(line))
        except ValueError:
            if number < len(lines):
                raise BadInput(f"{printable(path)} is damaged in line {number}; mend or remove that line") from None
    return rows


def finite(columns: Mapping[str, float | None]) -> dict[str, float | None]:
    """Columns as JSON can hold them: a loss that overflowed becomes None."""
    return {name: value if value is not None and math.isfinite(value) else None for name, value in columns.items()}
