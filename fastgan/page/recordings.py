"""Recordings to go on from, as a browser sends them: bounded, decoded at once, and not kept as files."""

import re
import secrets
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO

import numpy as np
from numpy.typing import NDArray

from fastgan.audio.files import Unreadable, decode
from fastgan.audio.folder import SUFFIXES
from fastgan.base.errors import BadInput

MOST_BYTES = 64 << 20
"""Of an upload: six minutes of 16-bit stereo at 44.1 kHz as wav."""

MOST_S = 20 * 60.0
"""Of sound in it: a small file may hold hours of silence."""

_KEPT = 8
_NAME_LENGTH = 120


@dataclass(frozen=True)
class Recording:
    """What a clip may go on from.

    Attributes:
        name: of the file, as its owner knows it; never used as a path.
        samples: int16 [N].
        rate: Hz.
        note: what is damaged, empty when nothing is.
    """

    name: str
    samples: NDArray[np.int16]
    rate: int
    note: str = ""


class Recordings:
    """The last few recordings, by ids that cannot be guessed. May be called from any thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Recording] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, stream: IO[bytes], name: str, rate: int) -> tuple[str, Recording]:
        """Decode an upload and keep its sound.

        Args:
            stream: a named temporary file, as `uploading` gives it.
            name: that the browser gave.
            rate: to bring it to, Hz.

        Raises:
            BadInput: there is no sound in it, or too much.
        """
        label, blocks, count = displayed(name), [np.empty(0, np.int16)], 0

        def keep(block: NDArray[np.int16]) -> None:
            nonlocal count
            count += len(block)
            if count > MOST_S * rate:
                raise BadInput(f"{label} is longer than {MOST_S / 60:.0f} minutes; cut out the part to go on from")
            blocks.append(block)

        stream.flush()
        try:
            note = decode(stream.name, rate, keep)
        except Unreadable as error:
            raise BadInput(f"{label}: {error}") from error
        recording = Recording(label, np.concatenate(blocks), rate, note or "")
        key = secrets.token_hex(16)
        with self._lock:
            self._kept[key] = recording
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return key, recording

    def get(self, key: str, rate: int) -> Recording:
        """A recording at a rate.

        Raises:
            BadInput: it was forgotten, or has another rate.
        """
        with self._lock:
            found = self._kept.get(key)
        if found is None or found.rate != rate:
            raise BadInput("the recording is not here any more; choose it again")
        return found


@contextmanager
def uploading(name: str) -> Iterator[IO[bytes]]:
    """A temporary file for an upload, gone when the block ends; of the browser's name only a well-known ending is used."""
    suffix = PurePosixPath(name).suffix.lower()
    with tempfile.NamedTemporaryFile(prefix="fastgan-", suffix=suffix if suffix in SUFFIXES else "") as stream:
        yield stream


def displayed(name: str) -> str:
    """A file's name for a person: its last part, on one line, of bounded length."""
    last = re.split(r"[/\\]", name)[-1]
    line = "".join(mark for mark in last if mark.isprintable()).strip()
    return line[:_NAME_LENGTH] or "the recording"
