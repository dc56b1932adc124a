"""Sets of sounds that are compared: real ones on two sides, generated ones, all cut to one length and one loudness."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastgan.audio.corpus import Corpus, open_demo, open_folder
from fastgan.audio.files import read_sound
from fastgan.audio.folder import list_sounds
from fastgan.audio.split import long_enough, recordings, split_clips
from fastgan.audio.store import Clip
from fastgan.base.errors import BadInput, printable
from fastgan.gan.run import read_config
from fastgan.gan.selection import genres_of, select
from fastgan.measure.anchors import level

Samples = NDArray[np.int16]
Progress = Callable[[int, int, str], None]
"""Told done, total, name."""

_TOLD_APART = {
    "file": "each file counts as a recording of its own; where several are cut from one, --group keeps them on one side",
    "name": "files of one folder whose names differ only in their last number count as one recording",
    "folder": "the files of each folder count as one recording",
}


@dataclass(frozen=True)
class Real:
    """Real music, as a run split it, or split 6 : 1 by recording.

    Attributes:
        train: what may have been learnt from, whole clips in pieces of `seconds`, at one loudness.
        held_out: what was not, pieces of `seconds` at one loudness.
        rate: Hz.
        split: how the two sides came about, a sentence.
    """

    train: list[Samples]
    held_out: list[Samples]
    rate: int
    split: str


def read_real(
    place: Path, rate: int, seconds: float, *, seed: int, group: str = "file", progress: Progress | None = None
) -> Real:
    """Read a folder of music, or the music of a run with its own split.

    Args:
        place: the folder, or the folder of a run.
        rate: Hz that a folder is brought to; a run has its own.
        seconds: of each piece.
        seed: chooses the split of a folder.
        group: how the recordings of a folder are told apart, see `fastgan.audio.split.recordings`; a run has its own split.
        progress: told after every file.

    Raises:
        BadInput: there is no such folder, too little music in it, or only one recording; or the music of a run has changed since.
        ValueError: an unknown group.
    """
    if (place / "config.json").exists():
        return _music_of_run(place, seconds, progress)
    corpus = open_folder(place, rate, progress=progress)
    clips, _ = long_enough(corpus.index.clips, round(seconds * rate))
    different = len({clip.digest for clip in clips})
    if different < 2:
        raise BadInput(
            f"{printable(place)} has {different or 'no'} different sound{'s' * (not different)} of {seconds:g} s or more; two are needed, "
            "for one to be held out; take fewer --seconds or give more music"
        )
    if len(set(recordings(clips, group))) < 2:
        raise BadInput(
            f"the {len(clips)} files in {printable(place)} are one recording by --group {group}; two are needed, for one to be held out; "
            "name or file them apart, or take --group file"
        )
    return _in_pieces(corpus, split_clips(clips, seed, group), seconds, group, _TOLD_APART[group])


def read_generated(place: Path, rate: int, seconds: float) -> list[Samples]:
    """Read a folder of sounds, or what `fastgan.generate` made with a run; pieces of `seconds` at one loudness.

    Raises:
        BadInput: there is no such folder, or no sound of that length in it.
    """
    folder = place / "generated" if (place / "config.json").exists() else place
    if not folder.is_dir():
        made = f"python -m fastgan.generate {printable(place)} --count 10 --seconds {seconds:g}"
        raise BadInput(f"{printable(folder)} is not there; make sounds first: {made}")
    length = round(seconds * rate)
    sounds = [read_sound(folder / file.name, rate) for file in list_sounds(folder).files]
    pieces = [piece for sound in sounds for piece in cut(sound, length)]
    if not pieces:
        raise BadInput(
            f"none of {len(sounds)} sounds in {printable(folder)} has {seconds:g} s; make longer ones, or take fewer --seconds"
        )
    return pieces


def cut(samples: Samples, length: int) -> list[Samples]:
    """All whole pieces of a sound, one after the other, each at one loudness."""
    return [level(np.array(samples[start : start + length])) for start in range(0, len(samples) - length + 1, length)]


def choose(pieces: list[Samples], count: int) -> list[Samples]:
    """At most so many, evenly from all: neighbours are of one recording."""
    return [pieces[place] for place in evenly(len(pieces), count)]


def evenly(total: int, count: int) -> list[int]:
    """Give at most so many places of 0 to `total` - 1, evenly spread, ascending."""
    return list(range(total)) if total <= count else np.linspace(0, total - 1, count).round().astype(int).tolist()


def _music_of_run(place: Path, seconds: float, progress: Progress | None) -> Real:
    """The music of a run on the sides that it had there; clips that are shorter than a piece are left out after the split."""
    config = read_config(place)
    told = config["settings"]
    if told["data"]:
        corpus = open_folder(told["data"], told["rate"], progress=progress)
    else:
        compose = partial(open_demo, told["rate"], seconds=told["seconds"], genres=genres_of(told), progress=progress)
        corpus = compose(clips=told["clips"] or 100)
    selection = select(corpus, told)
    if selection.digest != config["corpus"]["digest"]:
        raise BadInput(
            f"the music of the run in {printable(place)} has changed since it was trained, so its split is not known any more; "
            f"restore {printable(told['data']) if told['data'] else 'the version that composed it'}, or give a folder of music in place "
            "of the run"
        )
    sides = [long_enough(side, round(seconds * told["rate"]))[0] for side in (selection.train, selection.held_out)]
    if not all(sides):
        where = "held out" if sides[0] else "to learn from"
        raise BadInput(
            f"of the music of the run in {printable(place)} no clip that is {where} has {seconds:g} s; take fewer --seconds"
        )
    return _in_pieces(corpus, sides, seconds, "file", "the split of the run")


def _in_pieces(corpus: Corpus, sides: Sequence[list[Clip]], seconds: float, group: str, told_apart: str) -> Real:
    """Both sides as pieces of so many seconds."""
    rate = corpus.index.rate
    train, held_out = (
        [piece for clip in side for piece in cut(_samples(corpus, clip), round(seconds * rate))] for side in sides
    )
    learnt, kept = (len(set(recordings(side, group))) for side in sides)
    return Real(train, held_out, rate, f"{learnt} recordings to learn from and {kept} held out: {told_apart}")


def _samples(corpus: Corpus, clip: Clip) -> Samples:
    return corpus.samples[clip.start : clip.start + clip.length]
