"""A run on disk at one moment: tensors as safetensors, the rest as JSON; whole or absent, and nothing that can run code.

Each checkpoint is a folder of its own. `index.json` names the newest and the best; it is replaced in one move after the
folder is complete, so a process killed at any moment leaves the one before.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from fastgan.base.atomic import replacing, write_json
from fastgan.base.errors import BadInput, explain_os_error, printable

FORMAT = 1
"""Version of what is written; a reader takes its own alone."""


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by name, and plain values by name."""

    tensors: dict[str, Tensor]
    state: dict[str, Any]


def save_checkpoint(folder: Path, name: str, checkpoint: Checkpoint, *, known_as: Sequence[str] = ()) -> None:
    """Write a checkpoint and make it the newest; those that no name is left for are deleted.

    Args:
        folder: holds all checkpoints of a run; made when missing.
        name: of this one, unlike those before it.
        checkpoint: what to write.
        known_as: other names that it takes over: best, or that of its stage.

    Raises:
        BadInput, MachineFailure: it cannot be written; the one before stays valid.
    """
    home = folder / name
    try:
        if home.exists():  # left by a process that was killed before the index named it
            shutil.rmtree(home)
        home.mkdir(parents=True)
        data = save(checkpoint.tensors)
        with replacing(home / "tensors.safetensors") as stream:
            stream.write(data)
        digest = hashlib.sha256(data).hexdigest()
        write_json(home / "state.json", {**checkpoint.state, "format": FORMAT, "sha256": digest})
        index = _read_index(folder) if (folder / "index.json").exists() else {}
        index |= dict.fromkeys(("newest", *known_as), name)
        _write_index(folder, index)
    except OSError as error:
        raise explain_os_error(error, f"writing the checkpoint {printable(home)}") from error


def keep_as(folder: Path, which: str, name: str) -> None:
    """Let a checkpoint be known under another name, too: best, or that of its stage; what no name is left for is deleted."""
    index = _read_index(folder)
    _write_index(folder, index | {name: index[which]})


def _write_index(folder: Path, index: dict[str, str]) -> None:
    write_json(folder / "index.json", index)
    for old in folder.iterdir():
        if old.is_dir() and old.name not in index.values():
            shutil.rmtree(old)


def annotate(folder: Path, which: str, values: dict[str, Any]) -> None:
    """Add plain values to the state of a checkpoint that is there, in one move.

    Raises:
        BadInput, MachineFailure: it is not there, is damaged, or cannot be written.
    """
    path = folder / _read_index(folder)[which] / "state.json"
    try:
        write_json(path, _read_json(path) | values)
    except OSError as error:
        raise explain_os_error(error, f"writing {printable(path)}") from error


def has(folder: Path, which: str) -> bool:
    """Whether a checkpoint of this folder is known under a name: best, or that of a stage whose best it was."""
    return which in _read_index(folder)


def load_checkpoint(folder: Path, which: str = "newest") -> Checkpoint:
    """Read a checkpoint, checked byte for byte: the inverse of `save_checkpoint`.

    Args:
        folder: holds all checkpoints of a run.
        which: "newest", "best", or another name that it was saved or kept as.

    Raises:
        BadInput: there is none, or it is damaged, of another version, or no safetensors file at all.
    """
    if not (folder / "index.json").exists():
        raise BadInput(f"no checkpoint in {printable(folder)}; train first, or give the folder of a run")
    index = _read_index(folder)
    if which not in index:
        raise BadInput(f"{printable(folder)} has no {which!r} checkpoint, only {' and '.join(index) or 'none'}")
    home = folder / index[which]
    state = _read_json(home / "state.json")
    if state.get("format") != FORMAT:
        raise BadInput(
            f"{printable(home)} has format {state.get('format')!r}, this version reads {FORMAT}; "
            "use the version of fastgan that wrote it, or train again"
        )
    try:
        data = (home / "tensors.safetensors").read_bytes()
    except OSError as error:
        raise BadInput(f"{printable(home / 'tensors.safetensors')}: {error.strerror}; {_CURE}") from error
    if data[:2] in (b"PK", b"\x80\x02", b"\x80\x04", b"\x80\x05"):
        raise BadInput(
            f"{printable(home / 'tensors.safetensors')} is a pickle or torch.save file, which can run code when it is read; "
            "only safetensors files that fastgan wrote are taken"
        )
    if hashlib.sha256(data).hexdigest() != state.get("sha256"):
        raise BadInput(
            f"{printable(home / 'tensors.safetensors')} is damaged ({len(data):,} bytes, wrong checksum); {_CURE}"
        )
    try:
        return Checkpoint(load(data), state)
    except SafetensorError as error:
        raise BadInput(
            f"{printable(home / 'tensors.safetensors')} is no safetensors file ({error}); {_CURE}"
        ) from error


_CURE = "use --checkpoint best if that one is whole, restore it from a copy, or train again"


def _read_index(folder: Path) -> dict[str, str]:
    index = _read_json(folder / "index.json")
    wrong = [name for name in index.values() if not isinstance(name, str) or os.sep in name or name.startswith(".")]
    if wrong:
        raise BadInput(f"{printable(folder / 'index.json')} names {wrong[0]!r}, which is no checkpoint of it; {_CURE}")
    return index


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise BadInput(f"{printable(path)}: {error.strerror}; {_CURE}") from error
    except ValueError as error:
        raise BadInput(f"{printable(path)} is damaged ({error}); {_CURE}") from error
    if not isinstance(value, dict):
        raise BadInput(f"{printable(path)} is damaged (no object in it); {_CURE}")
    return value
