import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from fastgan.audio.files import Unreadable
from fastgan.audio.store import Source, Write, open_store
from fastgan.base.errors import BadInput, MachineFailure


def source(name: str, values: range | None) -> Source:
    def decode(write: Write) -> str | None:
        if values is None:
            raise Unreadable("broken")
        write(np.array(values, np.int16))
        return "half of it" if len(values) == 1 else None

    return Source(name, "genre", decode)


def never(write: Write) -> None:
    raise AssertionError("decoded again")


def test_clips_lie_in_order_with_their_index(tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    samples, index = open_store(
        {"a": 1},
        [source("x", range(5)), source("bad", None), source("y", range(7, 8)), source("z", range(20, 29))],
        8000,
        cache=tmp_path,
        progress=lambda *what: told.append(what),
    )
    np.testing.assert_array_equal(samples, [*range(5), 7, *range(20, 29)])
    assert [(clip.name, clip.start, clip.length) for clip in index.clips] == [("x", 0, 5), ("y", 5, 1), ("z", 6, 9)]
    assert index.skipped == [{"file": "bad", "reason": "broken"}]
    assert index.noted == [{"file": "y", "note": "half of it"}]
    assert told == [(1, 4, "x"), (2, 4, "bad"), (3, 4, "y"), (4, 4, "z")]
    assert not samples.flags.writeable


def test_it_is_made_once_for_what_it_is_made_from(tmp_path: Path) -> None:
    first, _ = open_store({"a": 1}, [source("x", range(5))], 8000, cache=tmp_path)
    again, index = open_store({"a": 1}, [Source("x", "genre", never)], 8000, cache=tmp_path)
    np.testing.assert_array_equal(first, again)
    assert index.clips[0].name == "x"
    other, _ = open_store({"a": 2}, [source("x", range(3))], 8000, cache=tmp_path)
    assert len(other) == 3


@pytest.mark.parametrize("harm", ["truncate", "no index", "torn index", "no samples"])
def test_what_is_not_whole_is_made_again(tmp_path: Path, harm: str) -> None:
    open_store({}, [source("x", range(5))], 8000, cache=tmp_path)
    (home,) = (path for path in tmp_path.iterdir() if path.is_dir())
    if harm == "truncate":
        os.truncate(home / "samples.i16", 4)
    elif harm == "no samples":
        (home / "samples.i16").unlink()
    elif harm == "no index":
        (home / "index.json").unlink()
    else:
        (home / "index.json").write_text((home / "index.json").read_text()[:30])
    samples, _ = open_store({}, [source("x", range(5))], 8000, cache=tmp_path)
    np.testing.assert_array_equal(samples, range(5))


SLOW = """
import sys, time
from pathlib import Path
import numpy as np
from fastgan.audio.store import Source, open_store
def decode(write):
    Path(sys.argv[2]).open("a").write("x")
    for n in range(20):
        write(np.full(1000, n, np.int16)); time.sleep(0.02)
samples, index = open_store({}, [Source(str(n), "g", decode) for n in range(4)], 8000, cache=Path(sys.argv[1]))
assert len(samples) == 80000 and index.samples == 80000
"""


def test_a_killed_run_leaves_nothing_that_is_trusted(tmp_path: Path) -> None:
    for moment in (0.6, 0.9, 1.2):
        process = subprocess.Popen([sys.executable, "-c", SLOW, tmp_path / "cache", tmp_path / "count"])
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run([sys.executable, "-c", SLOW, tmp_path / "cache", tmp_path / "count"], check=True)
    left = sorted(path.suffix for path in (tmp_path / "cache").iterdir())
    assert left == ["", ".lock"]  # and the parts of the killed ones are cleared away


def test_two_runs_that_start_together_make_it_once(tmp_path: Path) -> None:
    runs = [subprocess.Popen([sys.executable, "-c", SLOW, tmp_path / "cache", tmp_path / "count"]) for _ in range(2)]
    assert [run.wait() for run in runs] == [0, 0]
    assert (tmp_path / "count").read_text() == "xxxx"  # four clips, each decoded by one of the two


def test_threads_may_share_it_too(tmp_path: Path) -> None:
    results: list[int] = []
    threads = [
        threading.Thread(
            target=lambda: results.append(len(open_store({}, [source("x", range(500))], 8000, cache=tmp_path)[0]))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [500] * 4


def test_a_failing_source_leaves_no_litter(tmp_path: Path) -> None:
    def decode(write: Write) -> None:
        write(np.zeros(10, np.int16))
        raise OSError(28, "No space left on device")

    with pytest.raises(MachineFailure, match="free some space"):
        open_store({}, [Source("x", "g", decode)] * 20, 8000, cache=tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_a_cache_that_cannot_be_used_says_how_to_move_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadInput, match="FASTGAN_CACHE moves it"):
        open_store({}, [], 8000, cache=tmp_path / "file" / "cache")


def test_an_index_is_plain_json(tmp_path: Path) -> None:
    open_store({"b": 3}, [source("x", range(5))], 8000, cache=tmp_path)
    (home,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert json.loads((home / "index.json").read_text())["format"] == 1
    assert json.loads((home / "made_from.json").read_text()) == {"b": 3}
