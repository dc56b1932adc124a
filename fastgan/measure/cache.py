"""Embeddings that were computed once: kept in the user's cache, by what was heard and by whom."""

import hashlib
import json
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fastgan.audio.store import cache_folder
from fastgan.base.atomic import replacing
from fastgan.base.errors import explain_os_error, printable

FORMAT = 1
"""Version of the files; another one is another key, so old ones are never misread."""


class Model(Protocol):
    """What describes sound by numbers. Its version changes whenever the numbers for the same sound would."""

    version: str

    def embed(self, samples: NDArray[np.int16], rate: int, *, hop_s: float) -> NDArray[np.float32]:
        """Give float32 [P, D] for int16 [N]."""


def embedding_folder() -> Path:
    """Where embeddings are kept: `embeddings` in FASTGAN_CACHE or in the user's cache folder."""
    return cache_folder().with_name("embeddings")


def embed_cached(
    model: Model, samples: NDArray[np.int16], rate: int, *, hop_s: float = 1.0, cache: Path | None = None
) -> NDArray[np.float32]:
    """Give what `model.embed` gives, computed the first time and read from the cache from then on.

    Args:
        model: with its version.
        samples: int16 [N].
        rate: Hz.
        hop_s: seconds from one patch to the next.
        cache: folder of all embeddings; see `embedding_folder`.

    Returns:
        float32 [P, D].

    Raises:
        ValueError: what the model refuses; nothing is kept then.
        BadInput: the cache folder cannot be used.
        MachineFailure: its disk is full.
    """
    home = cache or embedding_folder()
    heard = hashlib.blake2b(np.ascontiguousarray(samples, "<i2").data, digest_size=16).hexdigest()
    made_from = [FORMAT, model.version, heard, rate, hop_s]
    place = home / (hashlib.blake2b(json.dumps(made_from).encode(), digest_size=16).hexdigest() + ".npy")
    try:
        home.mkdir(parents=True, exist_ok=True)
        kept = _load(place)
    except OSError as error:
        raise explain_os_error(error, f"using {printable(home)} (FASTGAN_CACHE moves it)") from error
    if kept is not None:
        return kept
    embedding = model.embed(samples, rate, hop_s=hop_s)
    with replacing(place) as stream:
        np.save(stream, embedding, allow_pickle=False)
    return embedding


def _load(place: Path) -> NDArray[np.float32] | None:
    """What lies there; None where nothing does, or where a failing disk left something else: it is then made again."""
    try:
        with place.open("rb") as stream:
            kept = np.lib.format.read_array(stream, allow_pickle=False)
    except (FileNotFoundError, ValueError):
        return None
    return kept if kept.ndim == 2 and kept.dtype == np.float32 else None
