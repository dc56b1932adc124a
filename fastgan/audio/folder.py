"""What a folder of music holds: sound files, each with its genre, and what was passed over."""

import os
import stat
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from fastgan.base.errors import BadInput, printable

SUFFIXES = frozenset(
    (
        ".wav .wave .flac .ogg .oga .opus .mp3 .mp2 .au .snd .aif .aiff .aifc .caf .w64 .rf64 "
        ".voc .ircam .sf .avr .paf .nist .sph .8svx"
    ).split()
)
"""Names under which libsndfile's formats go about."""

_FOREIGN = frozenset(".m4a .aac .wma .ape .wv .mpc .alac .dsf .mka .mp4 .webm".split())
"""Sound that libsndfile does not read: worth a word to its owner instead of silence."""

_OF_RUN = {"config.json", "quarantine.json"}  # what every run of ours has
_MAGIC = (b"RIFF", b"RF64", b"riff", b"FORM", b"fLaC", b"OggS", b".snd", b"ID3", b"caff")


@dataclass(frozen=True)
class SoundFile:
    """One file that should hold sound.

    Attributes:
        name: path below the folder, with "/" between the parts.
        genre: what it is filed under.
        size: bytes.
        changed: modification time, ns.
    """

    name: str
    genre: str
    size: int
    changed: int


@dataclass(frozen=True)
class Listing:
    """A folder as found: files in the order of their names, and how many others by suffix."""

    files: tuple[SoundFile, ...]
    ignored: dict[str, int]


def list_sounds(folder: str | os.PathLike[str]) -> Listing:
    """Find the sound files below a folder, links followed; hidden names, `__MACOSX` and folders of runs are left out.

    The genre is the first folder below the one that holds all sound: `Data/genres_original/blues/blues.00000.wav`
    and `blues/album/song.mp3` are both blues. In a flat folder GTZAN's names tell it (`blues.00000.wav`); other files
    take the folder's own name.

    Raises:
        BadInput: the folder is missing, unreadable or holds no sound; the message says what it does hold.
    """
    top = Path(folder)
    if not top.exists():
        raise BadInput(f"no folder {printable(top)}; give a folder of wav, flac, ogg, mp3, au or aiff files")
    if not top.is_dir():
        raise BadInput(f"{printable(top)} is a file; give the folder that holds it")
    found: list[tuple[tuple[str, ...], os.stat_result]] = []
    ignored: Counter[str] = Counter()
    for path in _walk(top, ignored):
        suffix = path.suffix.lower()
        try:
            stat_result = path.stat()
        except FileNotFoundError:
            ignored["broken link"] += 1
            continue
        if not stat.S_ISREG(stat_result.st_mode):  # a pipe would block whoever opens it
            ignored["not a file"] += 1
        elif suffix in SUFFIXES or suffix in _FOREIGN or _sounds(path):
            found.append((path.relative_to(top).parts, stat_result))
        else:
            ignored[printable(suffix) or "no suffix"] += 1
    if not found:
        held = ", ".join(f"{count} x {suffix}" for suffix, count in ignored.most_common(5)) or "nothing"
        raise BadInput(
            f"no sound files in {printable(top)}: it holds {held}; give a folder of wav, flac, ogg, mp3, au or aiff files"
        )
    shared = os.path.commonprefix([parts[:-1] for parts, _ in found])  # noqa: RUF071 - of tuples, so by whole names
    files = [
        SoundFile("/".join(parts), _genre(top, parts, len(shared)), entry.st_size, entry.st_mtime_ns)
        for parts, entry in sorted(found, key=lambda item: item[0])
    ]
    return Listing(tuple(files), dict(sorted(ignored.items())))


def _walk(top: Path, ignored: Counter[str]) -> list[Path]:
    """All visible files below `top`; each real folder is entered once, so links may loop. What a run made is no music to learn from."""
    seen: set[tuple[int, int]] = set()
    files: list[Path] = []

    def unreadable(error: OSError) -> None:
        raise BadInput(
            f"cannot read {printable(error.filename)}: {error.strerror}; give yourself the right to read it, or move it elsewhere"
        ) from error

    for here, folders, names in os.walk(top, followlinks=True, onerror=unreadable):
        entry = os.stat(here)
        if (entry.st_dev, entry.st_ino) in seen:
            folders.clear()
            continue
        seen.add((entry.st_dev, entry.st_ino))
        if {*folders, *names} >= _OF_RUN and Path(here) != top:
            ignored["folder of a run"] += 1
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        files += [Path(here, name) for name in names if not name.startswith(".")]
    return files


def _sounds(path: Path) -> bool:
    """Whether a file under a strange name begins as a sound file does."""
    try:
        with path.open("rb") as stream:
            return stream.read(4).startswith(_MAGIC)
    except OSError:
        return False


def _genre(top: Path, parts: tuple[str, ...], shared: int) -> str:
    folders = parts[:-1]
    if len(folders) > shared:
        return folders[shared]
    pieces = parts[-1].split(".")
    if len(pieces) == 3 and len(pieces[1]) == 5 and pieces[1].isdigit():
        return pieces[0]
    return folders[-1] if folders else top.resolve().name
