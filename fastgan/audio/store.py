"""Where decoded sound is kept: one int16 file with an index, made once in the user's cache.

A finished store is a folder named by what it was made from. It is built beside its place and moved there when whole, under
a lock, so a run that is killed leaves nothing that a later one trusts, and two runs that start together build it once.
"""

import hashlib
import json
import mmap
import os
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import filelock
import numpy as np
import platformdirs
from numpy.typing import NDArray

from fastgan.audio.files import Unreadable
from fastgan.base.atomic import write_json
from fastgan.base.errors import explain_os_error, printable

FORMAT = 1
"""Version of the index; another one is another key, so old caches are never misread."""

_WORKERS = min(8, (os.cpu_count() or 1) + 1)
_SPOOL = 8 << 20  # bytes of a decoded clip that stay in memory; longer ones wait in a temporary file

Progress = Callable[[int, int, str], None]
"""Called with (done, total, name) after each clip."""

Decoded = Future[tuple[IO[bytes], str, str | None]]
Write = Callable[[NDArray[np.int16]], object]


@dataclass(frozen=True)
class Source:
    """A clip to be: `decode` writes its blocks, int16 [n], and returns a note or None; it raises Unreadable."""

    name: str
    genre: str
    decode: Callable[[Write], str | None]


@dataclass(frozen=True)
class Clip:
    """One recording in the corpus: where it came from and where its samples lie."""

    name: str
    genre: str
    start: int
    length: int
    digest: str


@dataclass
class Index:
    """What a store says about itself.

    Attributes:
        rate: Hz.
        samples: how many, over all clips.
        clips: in the order in which they lie.
        skipped: files that gave no sound, [{"file", "reason"}].
        noted: files that were used, with something to know, [{"file", "note"}].
    """

    rate: int
    samples: int = 0
    clips: list[Clip] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)
    noted: list[dict[str, str]] = field(default_factory=list)


def cache_folder() -> Path:
    """Where corpora are kept: `corpora` in FASTGAN_CACHE or in the user's cache folder."""
    return Path(os.environ.get("FASTGAN_CACHE") or platformdirs.user_cache_path("fastgan")) / "corpora"


def open_store(
    made_from: dict[str, Any],
    sources: Sequence[Source],
    rate: int,
    *,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> tuple[NDArray[np.int16], Index]:
    """Give the store made from this, building it the first time.

    Args:
        made_from: plain values that decide its content; they are its key in the cache.
        sources: the clips, in the order in which they are to lie.
        rate: Hz, for the record.
        cache: folder of all stores; see `cache_folder`.
        progress: told after every clip.

    Returns:
        int16 [N], a read-only memory map, and its index.

    Raises:
        BadInput: the cache folder cannot be written.
        MachineFailure: its disk is full.
    """
    cache = cache or cache_folder()
    key = hashlib.blake2b(json.dumps([FORMAT, made_from]).encode(), digest_size=16).hexdigest()
    home = cache / key
    try:
        if not _whole(home):
            cache.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(cache / f"{key}.lock"):
                if not _whole(home):  # another run may have built it while this one waited
                    _build(home, made_from, sources, rate, progress)
        return _load(home)
    except OSError as error:
        raise explain_os_error(error, f"preparing the corpus in {printable(cache)} (FASTGAN_CACHE moves it)") from error


def _build(
    home: Path, made_from: dict[str, Any], sources: Sequence[Source], rate: int, progress: Progress | None
) -> None:
    for leftover in home.parent.glob(
        f"{home.name}.*.part"
    ):  # of a run that was killed: the lock is ours, so nobody uses it
        shutil.rmtree(leftover, ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)
    stage = Path(tempfile.mkdtemp(dir=home.parent, prefix=f"{home.name}.", suffix=".part"))
    index = Index(rate=rate)
    try:
        with open(stage / "samples.i16", "wb") as out:
            for done, (source, result) in enumerate(_decoded(sources, stage), start=1):
                try:
                    spool, digest, note = result.result()
                except Unreadable as error:
                    index.skipped.append({"file": source.name, "reason": str(error)})
                else:
                    with spool:
                        length = spool.tell() // 2
                        spool.seek(0)
                        index.clips.append(Clip(source.name, source.genre, out.tell() // 2, length, digest))
                        shutil.copyfileobj(spool, out, 1 << 20)
                    if note:
                        index.noted.append({"file": source.name, "note": note})
                if progress is not None:
                    progress(done, len(sources), source.name)
            out.flush()
            os.fsync(out.fileno())
            index.samples = out.tell() // 2
        write_json(stage / "made_from.json", made_from)
        write_json(stage / "index.json", {"format": FORMAT, **asdict(index)})
        os.replace(stage, home)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _decoded(sources: Sequence[Source], stage: Path) -> Iterator[tuple[Source, Decoded]]:
    """Decode several clips at a time, handing them on in their order, never far ahead of the reader."""
    pool = ThreadPoolExecutor(_WORKERS)
    waiting: deque[tuple[Source, Decoded]] = deque()
    try:
        for source in sources:
            waiting.append((source, pool.submit(_decode_one, source, stage)))
            if len(waiting) > 2 * _WORKERS:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _decode_one(source: Source, stage: Path) -> tuple[IO[bytes], str, str | None]:
    spool = tempfile.SpooledTemporaryFile(max_size=_SPOOL, dir=str(stage))  # noqa: SIM115 - the reader closes it
    digest = hashlib.blake2b(digest_size=16)

    def write(block: NDArray[np.int16]) -> None:
        digest.update(block.data)
        spool.write(block.data)

    try:
        note = source.decode(write)
    except BaseException:
        spool.close()
        raise
    return cast(IO[bytes], spool), digest.hexdigest(), note


def _whole(home: Path) -> bool:
    """Whether the store is there with all its samples: not, say, cut short by a disk that lost what it had promised."""
    try:
        return (home / "samples.i16").stat().st_size == 2 * json.loads((home / "index.json").read_text("ascii"))[
            "samples"
        ]
    except (FileNotFoundError, ValueError, KeyError):
        return False


def _load(home: Path) -> tuple[NDArray[np.int16], Index]:
    fields = json.loads((home / "index.json").read_text("ascii"))
    fields.pop("format")
    index = Index(**fields | {"clips": [Clip(**clip) for clip in fields["clips"]]})
    if index.samples == 0:
        return np.empty(0, np.int16), index
    samples = np.memmap(home / "samples.i16", np.int16, "r")
    if hasattr(mmap, "MADV_RANDOM"):
        # Windows are read here and there: reading ahead would fetch what nobody wants.
        samples._mmap.madvise(mmap.MADV_RANDOM)  # type: ignore[attr-defined]
    return samples, index
