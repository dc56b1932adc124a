import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from fastgan.audio.segments import gather, gather_numpy
from fastgan.audio.threads import THREADS, share_rows

SOUND = np.arange(-30_000, 30_000, dtype=np.int16)
STARTS = np.random.default_rng(0).integers(0, 50_000, 600)


def gathered() -> np.ndarray:
    out = np.full((600, 600), np.nan, np.float32)  # large enough for several threads
    gather(SOUND, STARTS, out)
    return out


def truth() -> np.ndarray:
    out = np.empty((600, 600), np.float32)
    gather_numpy(SOUND, STARTS, out)
    return out


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 1000])
def test_every_row_is_done_once_and_in_order(rows: int) -> None:
    parts = share_rows(lambda part: list(range(part.start, part.stop)), rows)
    assert [row for part in parts for row in part] == list(range(rows))
    assert len(parts) == THREADS


def test_what_a_part_raises_is_raised() -> None:
    def work(rows: slice) -> None:
        if rows.stop == 100:
            raise KeyError("the last part")

    with pytest.raises(KeyError):
        share_rows(work, 100)


def test_calls_from_several_threads_at_once() -> None:
    results: list[bool] = []
    threads = [threading.Thread(target=lambda: results.append(bool((gathered() == truth()).all()))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 6


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_has_threads_of_its_own() -> None:
    np.testing.assert_array_equal(gathered(), truth())
    child = os.fork()
    if child == 0:
        os._exit(0 if (gathered() == truth()).all() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_torchs_threads_stay_as_they_are() -> None:
    code = """
import numpy as np, torch
from fastgan.audio.segments import gather
from fastgan.audio.demo import synthesise
torch.set_num_threads(1)
before = torch.__config__.parallel_info()
gather(np.zeros(300_000, np.int16), np.arange(300), np.empty((300, 600), np.float32))
synthesise("rock", seed=0, index=0, seconds=0.5)
assert torch.__config__.parallel_info() == before, torch.__config__.parallel_info()
"""
    subprocess.run([sys.executable, "-c", code], check=True)
