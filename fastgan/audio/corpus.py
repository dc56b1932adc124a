"""A folder of music, or the built-in one, as a single int16 array that stays on the disk, with the list of its clips."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastgan.audio.demo import GENRES, RATES, synthesise
from fastgan.audio.demo.catalogue import VERSION, catalogue
from fastgan.audio.files import decode
from fastgan.audio.folder import list_sounds
from fastgan.audio.segments import CAN_READ, Plan, gather, gather_file
from fastgan.audio.split import known_genre
from fastgan.audio.store import Index, Progress, Source, Write, open_store
from fastgan.base.errors import BadInput, printable

DEMO_CLIPS = 10_000

_MAPPED = 64 << 20  # bytes up to which windows are copied out of the map: touched pages of it count as memory


class Corpus:
    """All clips as one array that stays on the disk.

    Attributes:
        samples: int16 [N], a read-only memory map.
        index: rate, clips, and what was skipped or noted on the way.
        ignored: files without sound that lay about, count by suffix.
    """

    def __init__(self, samples: NDArray[np.int16], index: Index, ignored: dict[str, int] | None = None):
        self.samples = samples
        self.index = index
        self.ignored = ignored or {}
        large = isinstance(samples, np.memmap) and samples.nbytes > _MAPPED
        self._file = open(samples.filename, "rb") if large else None  # type: ignore[attr-defined]  # noqa: SIM115

    def gather(self, plan: Plan, windows: NDArray[np.int64], out: NDArray[np.float32]) -> None:
        """Copy windows of a plan, int64 [B], into float32 [B, T] within [-1, 1); memory stays bounded for any corpus."""
        if self._file is None or not CAN_READ:
            gather(self.samples, plan.starts(windows), out)
        else:
            gather_file(self._file.fileno(), len(self.samples), plan.starts(windows), out)


def open_folder(
    folder: str | os.PathLike[str], rate: int, *, cache: Path | None = None, progress: Progress | None = None
) -> Corpus:
    """Give the corpus of a folder, decoding it the first time.

    Args:
        folder: searched at any depth, see `list_sounds`.
        rate: Hz that all clips are brought to.
        cache: where corpora are kept; the user's cache folder when left out.
        progress: told after every file.

    Raises:
        BadInput: no folder, no sound in it, or not one file of it usable (the message lists reasons).
        MachineFailure: the cache's disk is full.
    """
    listing = list_sounds(folder)
    made_from = {
        "folder": printable(Path(folder).resolve()),
        "rate": rate,
        "files": [[printable(file.name), file.genre, file.size, file.changed] for file in listing.files],
    }

    sources = [
        Source(printable(f.name), printable(f.genre), partial(decode, Path(folder, f.name), rate))
        for f in listing.files
    ]
    corpus = Corpus(*open_store(made_from, sources, rate, cache=cache, progress=progress), listing.ignored)
    if not corpus.index.clips:
        bad = corpus.index.skipped
        reasons = "".join(f"\n  {file['file']}: {file['reason']}" for file in bad[:10])
        more = f"\n  and {len(bad) - 10} more" if len(bad) > 10 else ""
        raise BadInput(f"none of the {len(bad)} sound files in {printable(folder)} is usable:{reasons}{more}")
    return corpus


def open_demo(
    rate: int,
    *,
    clips: int,
    seconds: float,
    genres: Sequence[str] = (),
    seed: int = 0,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Corpus:
    """Give the built-in corpus, composed the first time.

    Args:
        rate: Hz, 8,000 to 48,000.
        clips: how many songs, the genres in turn.
        seconds: length of each.
        genres: some of the ten; none for all.
        seed: chooses the songs.
        cache, progress: as in `open_folder`.

    Raises:
        BadInput: an unknown genre, or a number outside what the corpus is made for.
        MachineFailure: the cache's disk is full.
    """
    if not RATES[0] <= rate <= RATES[1]:
        raise BadInput(f"the built-in corpus is made at {RATES[0]:,} to {RATES[1]:,} Hz, not {rate:,}")
    if clips > DEMO_CLIPS:
        raise BadInput(f"the built-in corpus has up to {DEMO_CLIPS:,} clips, not {clips:,}")
    wanted = sorted({known_genre(name, {genre: genre for genre in GENRES}) for name in genres} or GENRES)
    made_from = {"demo": VERSION, "rate": rate, "clips": clips, "seconds": seconds, "genres": wanted, "seed": seed}

    def song(genre: str, number: int, write: Write) -> None:
        write(synthesise(genre, seed=seed, index=number, seconds=seconds, rate=rate))

    sources = [Source(name, genre, partial(song, genre, number)) for name, genre, number in catalogue(clips, wanted)]
    return Corpus(*open_store(made_from, sources, rate, cache=cache, progress=progress))
