import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fastgan.audio.corpus import open_demo, open_folder
from fastgan.audio.segments import plan_segments
from fastgan.base.errors import BadInput
from tests.conftest import RATE, tune


def test_a_folder_becomes_one_array(music: Callable[..., Path]) -> None:
    folder = music(per_genre=3)
    corpus = open_folder(folder, RATE)
    assert [clip.name for clip in corpus.index.clips] == [
        f"{g}/{g}.{n:05d}.wav" for g in ("blues", "jazz") for n in range(3)
    ]
    np.testing.assert_array_equal(corpus.samples[3 * RATE : 4 * RATE], tune(1.0, seed=1000))
    assert corpus.index.rate == RATE


def test_bad_files_are_listed_and_the_rest_is_used(music: Callable[..., Path]) -> None:
    folder = music(per_genre=2)
    (folder / "jazz" / "jazz.00054.wav").write_bytes(b"not RIFF" * 40)
    (folder / "jazz" / "song.m4a").write_bytes(b"\0" * 100)
    (folder / "jazz" / "._jazz.00000.wav").write_bytes(b"\0" * 211)
    (folder / "cover.png").write_bytes(b"png")
    corpus = open_folder(folder, RATE)
    assert len(corpus.index.clips) == 4
    assert [bad["file"] for bad in corpus.index.skipped] == ["jazz/jazz.00054.wav", "jazz/song.m4a"]
    assert "convert it to wav or flac" in corpus.index.skipped[1]["reason"]
    assert corpus.ignored == {".png": 1}


def test_a_changed_file_is_decoded_again(music: Callable[..., Path]) -> None:
    folder = music(per_genre=1)
    before = open_folder(folder, RATE).samples[0]
    soundfile.write(folder / "blues" / "blues.00000.wav", np.full(9000, before // 2 + 99, np.int16), RATE)
    assert open_folder(folder, RATE).index.clips[0].length == 9000
    assert len(open_folder(folder, RATE // 2).samples) < len(open_folder(folder, RATE).samples)


def test_only_bad_files_is_an_error_with_their_reasons(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"{number:02d}.wav").write_text("words")
    with pytest.raises(
        BadInput, match=r"none of the 12 sound files .* is usable:\n  00\.wav: libsndfile(.|\n)*and 2 more"
    ):
        open_folder(tmp_path, RATE)


@pytest.mark.parametrize("mapped", [1 << 30, 0])
def test_windows_come_out_of_the_map_or_the_file(
    music: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, mapped: int
) -> None:
    monkeypatch.setattr("fastgan.audio.corpus._MAPPED", mapped)
    corpus = open_folder(music(), RATE)
    clips = corpus.index.clips
    plan = plan_segments([c.start for c in clips], [c.length for c in clips], segment=100, hop=50)
    out = np.empty((3, 100), np.float32)
    corpus.gather(plan, np.array([0, 7, len(plan) - 1]), out)
    np.testing.assert_array_equal(out[1] * 32_768, corpus.samples[350:450])
    np.testing.assert_array_equal(out[2] * 32_768, corpus.samples[plan.starts(np.array([len(plan) - 1]))[0] :][:100])


def test_the_built_in_corpus() -> None:
    corpus = open_demo(RATE, clips=12, seconds=0.5)
    assert {clip.genre for clip in corpus.index.clips} == set(
        "blues classical country disco hiphop jazz metal pop reggae rock".split()
    )
    assert all(clip.length == RATE // 2 for clip in corpus.index.clips)
    assert {c.genre for c in open_demo(RATE, clips=3, seconds=0.5, genres=["Hip Hop", "rock"]).index.clips} == {
        "hiphop",
        "rock",
    }


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"rate": 1_000, "clips": 1}, "8,000 to 48,000 Hz"),
        ({"rate": RATE, "clips": 1_000_000}, "up to 10,000 clips"),
        ({"rate": RATE, "clips": 1, "genres": ["polka"]}, "no genre 'polka'"),
    ],
)
def test_what_the_built_in_corpus_is_not_made_for(how: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        open_demo(seconds=0.5, **how)  # type: ignore[arg-type]


# 1,000 links to ten files of 30 s: the corpus has its full 1.3 GB, and the disk is read as for any other.
MEMORY = """
import sys
def peak():  # not getrusage: it counts what the process was before it became this program
    with open("/proc/self/status") as status:
        return int(status.read().split("VmHWM:")[1].split()[0]) / 1024
interpreter = peak()
import numpy as np
from fastgan.audio.corpus import open_folder
from fastgan.audio.segments import plan_segments
from fastgan.audio.shuffle import shuffled
corpus = open_folder(sys.argv[1], 22050)
clips = corpus.index.clips
assert len(clips) == 1000 and corpus.samples.nbytes == 1000 * 661500 * 2
plan = plan_segments([c.start for c in clips], [c.length for c in clips], segment=7, hop=6)
out = np.empty((4096, 7), np.float32)
for step in range(400):  # 1.6 million windows from everywhere: every page of the map is touched many times
    corpus.gather(plan, shuffled(np.arange(step * 4096, step * 4096 + 4096), len(plan), 1), out)
plan = plan_segments([c.start for c in clips], [c.length for c in clips], segment=16384, hop=16384)
out = np.empty((64, 16384), np.float32)
for first in range(0, len(plan) - 64, 64):
    corpus.gather(plan, shuffled(np.arange(first, first + 64), len(plan), 1), out)
print(f"{peak() - interpreter:.0f} MB above the interpreter's {interpreter:.0f} MB")
assert "torch" not in sys.modules
sys.exit(0 if peak() - interpreter < 300 else 3)
"""


def test_memory_stays_under_300_mb_for_1000_clips_of_30_s(tmp_path: Path) -> None:
    if not os.path.exists("/proc/self/status"):
        pytest.skip("the peak of memory is read from /proc")
    free = os.statvfs(tmp_path)
    if free.f_bavail * free.f_frsize < 6 << 30:
        pytest.skip("needs 6 GiB of free disk")
    (tmp_path / "music").mkdir()
    for number in range(10):
        soundfile.write(tmp_path / f"{number}.wav", np.tile(tune(1.0, seed=number), 30), RATE)
    for number in range(1000):
        os.link(tmp_path / f"{number % 10}.wav", tmp_path / "music" / f"rock.{number:05d}.wav")
    environment = os.environ | {"FASTGAN_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, tmp_path / "music"], env=environment, text=True, capture_output=True
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
