"""The page of a finished run as one file: a handful of clips, heard and seen without a server."""

import io
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from fastgan.audio.files import read_sound
from fastgan.page.clips import Maker, Order
from fastgan.page.document import data_uri, write_alone
from fastgan.page.runs import Offer

QUALITY = 0.4  # of libsndfile's Vorbis, 0 smallest to 1 best: about 60 kbit/s for mono at 22,050 Hz


def export(run: Offer, path: Path, *, clips: int, seconds: float, seed: int, tick: Callable[[float], None]) -> None:
    """Make clips and write a page that holds them.

    Args:
        run: that makes them.
        path: of the page.
        clips: how many, in the run's genres in turn where it has some.
        seconds: length of each.
        seed: of the first; the next has the next.
        tick: told the share done.

    Raises:
        BadInput: the run cannot be played, or the page not be written.
        MachineFailure: the disk is full or failing.
    """
    maker, held = Maker(), []
    with tempfile.TemporaryDirectory(prefix="fastgan-") as folder:
        for number in range(clips):
            genre = run.genres[number % len(run.genres)] if run.genres else ""
            order = Order(run, seconds, seed + number, genre)
            clip, home = maker.make(order, partial(_tick_part, tick, number, clips), Path(folder))
            samples = read_sound(home / f"{clip.id}.wav", clip.rate)
            sound = data_uri(_ogg(samples, clip.rate), "audio/ogg")
            picture = data_uri((home / f"{clip.id}.png").read_bytes(), "image/png")
            held.append(clip.shown() | {"sound": sound, "picture": picture})
    write_alone(path, {"name": run.name, "about": run.about}, held)


def _tick_part(tick: Callable[[float], None], number: int, parts: int, share: float) -> None:
    tick((number + share) / parts)


def _ogg(samples: NDArray[np.int16], rate: int) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, format="OGG", subtype="VORBIS", compression_level=1 - QUALITY)
    return stream.getvalue()
