"""How fast the built-in corpus is made: one 30 s clip of each genre on one core.

Run with `pytest benchmarks/bench_demo.py`; the column `music_s_per_s` is seconds of music per second of work.
"""

from itertools import count

import numpy as np
import pytest

from fastgan.audio.demo import GENRES, synthesise

SECONDS = 30.0


@pytest.mark.parametrize(
    "genre", [*GENRES][:1] + [pytest.param(genre, marks=pytest.mark.long) for genre in [*GENRES][1:]]
)
def test_make_a_clip(benchmark, genre):
    songs = count()  # a new song every time, as in a corpus: nothing is kept from the one before
    made = []
    benchmark.pedantic(
        lambda: made.append(synthesise(genre, seed=0, index=next(songs), seconds=SECONDS)), rounds=9, warmup_rounds=1
    )
    assert all(len(clip) == 661_500 and np.abs(clip.astype(int)).max() < 32_767 for clip in made)
    benchmark.extra_info["music_s_per_s"] = round(SECONDS / benchmark.stats.stats.median)
    print(f"\n{genre}: {benchmark.extra_info['music_s_per_s']} seconds of music per second")
