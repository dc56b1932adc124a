"""Which clips a run uses, and which of them it never trains on."""

import re
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

import numpy as np

from fastgan.audio.store import Clip
from fastgan.base.errors import BadInput, printable

GROUPS = ("file", "name", "folder")
"""How recordings are told apart; see `recordings`."""

_LAST_NUMBER = re.compile(r"\d+(?=\D*$)")


def long_enough(clips: Sequence[Clip], samples: int) -> tuple[list[Clip], list[dict[str, str]]]:
    """Keep clips of at least so many samples; the others are listed as {"file", "reason"}."""
    kept = [clip for clip in clips if clip.length >= samples]
    short = [
        {"file": clip.name, "reason": f"its {clip.length:,} samples are less than the {samples:,} of one window"}
        for clip in clips
        if clip.length < samples
    ]
    return kept, short


def same_sound(clips: Sequence[Clip]) -> list[dict[str, str]]:
    """List clips that hold the very samples of one before them, as {"file", "note"}."""
    first: dict[str, str] = {}
    notes = []
    for clip in clips:
        if first.setdefault(clip.digest, clip.name) != clip.name:
            notes.append({"file": clip.name, "note": f"the same sound as {first[clip.digest]}"})
    return notes


def choose_clips(clips: Sequence[Clip], genres: Iterable[str], count: int, seed: int) -> list[Clip]:
    """Pick the clips of a run: those of the wanted genres, then `count` of them spread evenly over the genres.

    Args:
        clips: all there are.
        genres: wanted ones, in any case; none for all.
        count: how many clips; 0 for all.
        seed: chooses which.

    Returns:
        The picked clips, in their old order.

    Raises:
        BadInput: a genre that is not there, or more clips than there are.
    """
    by_genre: dict[str, list[Clip]] = {}
    for clip in clips:
        by_genre.setdefault(clip.genre, []).append(clip)
    folded = {genre.casefold(): genre for genre in by_genre}
    wanted = [known_genre(name, folded) for name in genres] or list(by_genre)
    pools = [by_genre[genre] for genre in sorted(set(wanted))]
    available = sum(map(len, pools))
    if count > available:
        raise BadInput(
            f"{count:,} clips wanted, {available:,} usable ones are there; ask for at most that many, or leave the number out"
        )
    if not count:
        return [clip for clip in clips if any(clip in pool for pool in pools)] if genres else list(clips)
    random = np.random.default_rng([seed, 1])
    queues = [deque(random.permutation(len(pool)).tolist()) for pool in pools]
    picked: set[Clip] = set()
    while len(picked) < count:
        for which in random.permutation(len(pools)):
            if queues[which] and len(picked) < count:
                picked.add(pools[which][queues[which].popleft()])
    return sorted(picked, key=lambda clip: clip.start)


def recordings(clips: Sequence[Clip], group: str = "file") -> list[int]:
    """Say which clips are of one recording, as far as their names tell; the very same sound twice in a genre is one, too.

    Args:
        clips: all there are.
        group: "file", each file is one; "name", files of one folder whose names differ only in their last number are one
            (`track-01.wav`, `track-02.wav`); "folder", the files of each folder are one.

    Returns:
        A number for each clip, equal for those of one recording and of one genre.

    Raises:
        ValueError: an unknown group.
    """
    if group not in GROUPS:
        raise ValueError(f"group is {group!r}; it takes {', '.join(GROUPS)}")
    first: dict[tuple[str, ...], int] = {}
    above = list(range(len(clips)))  # a forest: what a clip is one with, itself at the root

    def root(number: int) -> int:
        while above[number] != number:
            number = above[number]
        return number

    for number, clip in enumerate(clips):
        path = PurePosixPath(clip.name)
        keys: list[tuple[str, ...]] = [("sound", clip.genre, clip.digest)]
        if group == "name":
            keys.append(("name", clip.genre, str(path.parent), *_LAST_NUMBER.split(path.stem)))
        elif group == "folder":
            keys.append(("folder", clip.genre, str(path.parent)))
        for key in keys:
            above[root(number)] = root(first.setdefault(key, number))
    return [root(number) for number in range(len(clips))]


def split_clips(clips: list[Clip], seed: int, group: str = "file") -> tuple[list[Clip], list[Clip]]:
    """Split 6 : 1 by recording, per genre, seeded: (train, held out). Clips of one recording stay on one side.

    A single clip is cut in time instead: its last seventh is held out. Of a single recording the last seventh of its clips is.

    Args:
        clips: to be split.
        seed: chooses which are held out.
        group: how recordings are told apart, see `recordings`.

    Raises:
        ValueError: an unknown group.
    """
    of = {clip: (clip.genre, number) for clip, number in zip(clips, recordings(clips, group), strict=True)}
    groups = list(dict.fromkeys(of.values()))
    if len(groups) == 1:
        return _split_within(clips)
    genres = sorted({genre for genre, _ in groups})
    random = np.random.default_rng([seed, 2])
    orders = {genre: random.permutation([number for g, number in groups if g == genre]).tolist() for genre in genres}
    # Largest remainders: 6 : 1 over all, as near to it in each genre as whole clips allow, no genre held out entirely.
    shares = {genre: len(order) / 7 for genre, order in orders.items()}
    quota = {genre: int(share) for genre, share in shares.items()}
    spare = max(1, round(len(groups) / 7)) - sum(quota.values())
    for genre in sorted(genres, key=lambda g: (len(orders[g]) < 2, quota[g] - shares[g], random.random())):
        if spare > 0:
            quota[genre], spare = quota[genre] + 1, spare - 1
    held = {(genre, number) for genre in genres for number in orders[genre][: quota[genre]]}
    return [clip for clip in clips if of[clip] not in held], [clip for clip in clips if of[clip] in held]


def _split_within(clips: list[Clip]) -> tuple[list[Clip], list[Clip]]:
    if len(clips) > 1:
        kept = max(1, len(clips) - max(1, round(len(clips) / 7)))
        return clips[:kept], clips[kept:]
    (clip,) = clips
    kept = clip.length * 6 // 7
    parts = [(f"{clip.name} (first six sevenths)", 0, kept), (f"{clip.name} (last seventh)", kept, clip.length - kept)]
    first, last = (Clip(name, clip.genre, clip.start + start, length, clip.digest) for name, start, length in parts)
    return [first], [last]


def known_genre(name: str, folded: dict[str, str]) -> str:
    """The genre that a person means, from those there are, by their case-folded names.

    Raises:
        BadInput: there is none of that name; lists what there is.
    """
    for spelling in (name.casefold(), name.casefold().replace(" ", "")):  # the paper writes "hip hop", GTZAN "hiphop"
        if spelling in folded:
            return folded[spelling]
    raise BadInput(f"no genre {name!r} here; there are {', '.join(sorted(map(printable, folded.values())))}")
