"""Files that are whole or absent: written beside their place, flushed to the disk, then moved onto it."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from fastgan.base.errors import explain_os_error, printable


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Write a file that readers see complete or not at all; a failure leaves what was there before.

    Args:
        path: the file to create or replace; its folder must exist.

    Yields:
        A binary stream; when the block ends well it becomes `path`.

    Raises:
        BadInput: the path cannot be written by this user.
        MachineFailure: the disk is full or failing.
    """
    path = Path(path)
    staged: Path | None = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        staged = Path(name)
        with os.fdopen(handle, "w+b") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(staged, 0o666 & ~_umask())
        os.replace(staged, path)
        staged = None
    except OSError as error:
        raise explain_os_error(error, f"writing {printable(path)}") from error
    finally:
        if staged is not None:
            staged.unlink(missing_ok=True)


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write plain values as readable JSON, atomically."""
    with replacing(path) as stream:
        stream.write((json.dumps(value, indent=1) + "\n").encode("ascii"))


def _umask() -> int:
    mask = os.umask(0o022)  # the only way to read it is to set it
    os.umask(mask)
    return mask
