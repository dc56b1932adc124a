"""The clips of the built-in corpus by name, filed as GTZAN files its own."""

from collections.abc import Sequence

from fastgan.audio.demo import GENRES

VERSION = 1
"""Raised when the songs change, so that cached corpora of the old ones are not taken for the new."""


def catalogue(clips: int, genres: Sequence[str] = GENRES) -> list[tuple[str, str, int]]:
    """List (name, genre, index) of so many clips, the genres in turn: ("blues/blues.00000.wav", "blues", 0)."""
    songs = [(genres[number % len(genres)], number // len(genres)) for number in range(clips)]
    return [(f"{genre}/{genre}.{index:05d}.wav", genre, index) for genre, index in songs]
