"""Corpora of made-up samples that never touch the disk."""

import numpy as np

from fastgan.audio.corpus import Corpus
from fastgan.audio.store import Clip, Index
from tests.conftest import RATE


def corpus_of(*clips: np.ndarray) -> Corpus:
    """A corpus of these clips, int16 [n] each."""
    starts = np.cumsum([0] + [len(clip) for clip in clips])
    made = [
        Clip(str(number), "made up", int(start), len(clip), "")
        for number, (start, clip) in enumerate(zip(starts[:-1], clips, strict=True))
    ]
    samples = np.concatenate(clips).astype(np.int16)
    return Corpus(samples, Index(RATE, len(samples), made))
