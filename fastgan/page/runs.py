"""Which runs can be played, and what each was trained on."""

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastgan.base.errors import BadInput, printable
from fastgan.gan.run import read_config


@dataclass(frozen=True)
class Offer:
    """A run that a clip may be made with.

    Attributes:
        id: by which the browser names it; says nothing of where it lies.
        folder: of the run.
        name: of the folder.
        about: what it was trained on, in words.
        rate: of its sound, Hz.
        genres: that can be wished for.
        on_frames: whether it takes genre, temperature and a recording.
        changed: when its newest checkpoint was written, seconds since 1970.
        why_not: why it cannot be played; empty when it can.
    """

    id: str
    folder: Path
    name: str
    about: str = ""
    rate: int = 0
    genres: tuple[str, ...] = ()
    on_frames: bool = False
    changed: float = 0.0
    why_not: str = ""

    def public(self) -> dict[str, Any]:
        """What the browser is told."""
        told = ("id", "name", "about", "genres", "on_frames", "changed", "why_not")
        return {key: getattr(self, key) for key in told}


class Runs:
    """The runs that are offered.

    Args:
        only: the folder of the one run to offer; None for all below `parent`.
        parent: folder that holds runs; it need not exist yet.
    """

    def __init__(self, only: Path | None, parent: Path):
        self.only, self.parent = only, parent
        self._secret = secrets.token_bytes(16)  # ids of one server mean nothing to the next

    def all(self) -> list[Offer]:
        """Runs as they are now, the one that was trained last first."""
        return sorted(map(self._offer, self._folders()), key=lambda run: (run.changed, run.name), reverse=True)

    def get(self, name: str) -> Offer:
        """The run with an id.

        Raises:
            BadInput: there is none, or it cannot be played.
        """
        found = next((run for run in self.all() if secrets.compare_digest(run.id, name)), None)
        if found is None:
            raise BadInput("this run is not there any more; load the page again")
        if found.why_not:
            raise BadInput(f"{found.name} cannot be played: {found.why_not}")
        return found

    def _folders(self) -> Iterator[Path]:
        if self.only is not None:
            yield self.only
        elif self.parent.is_dir():
            yield from (folder for folder in self.parent.iterdir() if (folder / "config.json").is_file())

    def _offer(self, folder: Path) -> Offer:
        where = folder.resolve()
        told = hashlib.blake2b(bytes(where), key=self._secret, digest_size=8).hexdigest()
        name = printable(where.name)
        try:
            config = read_config(folder)
            settings, corpus = config["settings"], config["corpus"]
            genres = tuple(genre for genre in sorted(corpus["genres"]) if genre)
            on_frames = settings["encoder"] == "spectral"
            about, rate = _about(settings, corpus), int(settings["rate"])
        except BadInput as error:
            return Offer(told, folder, name, why_not=str(error))
        except (KeyError, TypeError, ValueError) as error:
            return Offer(told, folder, name, why_not=f"its config.json is damaged ({error!r})")
        index = folder / "checkpoint" / "index.json"
        return Offer(
            told,
            folder,
            name,
            about,
            rate,
            genres if on_frames and len(genres) > 1 else (),
            on_frames,
            index.stat().st_mtime if index.is_file() else 0.0,
            "" if index.is_file() else "it has no checkpoint yet; train on",
        )


def _about(settings: dict[str, Any], corpus: dict[str, Any]) -> str:
    """What a run was trained on, such as "30 composed clips, 15 minutes: classical, jazz and reggae"."""
    count, minutes = corpus["clips"], corpus["seconds"] / 60
    kind = ("clip" if settings["data"] else "composed clip") + "s" * (count != 1)
    length = f"{minutes / 60:.1f} hours" if minutes >= 90 else f"{minutes:.0f} minutes" if minutes >= 2 else "a minute"
    if minutes < 1:
        length = f"{corpus['seconds']:.0f} seconds"
    genres = [genre for genre in sorted(corpus["genres"]) if genre]
    if len(genres) > 6:
        genres = [*genres[:5], f"{len(genres) - 5} more"]
    named = " and ".join(filter(None, (", ".join(genres[:-1]), *genres[-1:]))) if len(genres) > 1 else ""
    on_samples = "" if settings["encoder"] == "spectral" else f"; {settings['window']} samples at a time"
    return f"{count:,} {kind}, {length}" + (f": {named}" if named else "") + on_samples
