import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastgan.audio.segments import CAN_READ, gather, gather_file, gather_numpy, plan_segments

SOUND = np.random.default_rng(0).integers(-32_768, 32_768, 200_000).astype(np.int16)


@given(
    lengths=st.lists(st.integers(0, 60), min_size=1, max_size=8),
    segment=st.integers(1, 20),
    hop=st.integers(1, 20),
)
@settings(max_examples=100, deadline=None)
def test_windows_are_all_that_fit_and_cross_no_border(lengths: list[int], segment: int, hop: int) -> None:
    first = np.cumsum([0, *lengths[:-1]])
    wanted = [
        start + n for start, length in zip(first, lengths, strict=True) for n in range(0, length - segment + 1, hop)
    ]
    if not wanted:
        with pytest.raises(ValueError, match=f"longest has {max(lengths)}"):
            plan_segments(first, lengths, segment=segment, hop=hop)
        return
    plan = plan_segments(first, lengths, segment=segment, hop=hop)
    everything = np.arange(len(plan))
    np.testing.assert_array_equal(plan.starts(everything), wanted)
    np.testing.assert_array_equal(plan.starts_numpy(everything), wanted)


def test_clips_need_not_lie_side_by_side() -> None:
    plan = plan_segments([100, 7], [10, 9], segment=4, hop=3)
    np.testing.assert_array_equal(plan.starts(np.arange(len(plan))), [100, 103, 106, 7, 10])


def test_the_papers_epoch_has_its_windows() -> None:
    # 100 clips of 661,500 samples, split 6 : 1, n = 6: 9.45 million windows to train on (86 clips here).
    plan = plan_segments(np.arange(86) * 661_500, [661_500] * 86, segment=7, hop=6)
    assert len(plan) == 86 * (661_500 // 6 - 1)
    assert plan.first.nbytes + plan.ends.nbytes < 2_000  # and is still a small thing


# Each shape, one below and above the size from which several threads work.
@pytest.mark.parametrize(
    ("batch", "window"), [(32, 6), (1, 1), (3, 17), (5000, 6), (9, 16_384), (200_000, 1), (1, 200_000)]
)
def test_gather_equals_its_definition_to_the_bit(batch: int, window: int) -> None:
    starts = np.random.default_rng(1).integers(0, len(SOUND) - window + 1, batch)
    ours, truth = np.full((batch, window), np.nan, np.float32), np.empty((batch, window), np.float32)
    gather(SOUND, starts, ours)
    gather_numpy(SOUND, starts, truth)
    np.testing.assert_array_equal(ours, truth)
    np.testing.assert_array_equal((ours[0] * 32_768).astype(np.int16), SOUND[starts[0] : starts[0] + window])


@pytest.mark.skipif(not CAN_READ, reason="pread is called from compiled code, on POSIX systems")
@pytest.mark.parametrize(("batch", "window"), [(32, 6), (1, 1), (3, 17), (5000, 6), (300, 4096), (1, 200_000), (0, 6)])
def test_reading_from_the_file_is_the_same(tmp_path: Path, batch: int, window: int) -> None:
    SOUND.tofile(tmp_path / "samples")
    starts = np.random.default_rng(1).integers(0, len(SOUND) - window + 1, batch)
    ours, truth = np.full((batch, window), np.nan, np.float32), np.empty((batch, window), np.float32)
    with open(tmp_path / "samples", "rb") as stream:
        gather_file(stream.fileno(), len(SOUND), starts, ours)
        gather_numpy(SOUND, starts, truth)
        np.testing.assert_array_equal(ours, truth)
        if batch:
            with pytest.raises(OSError, match=f"{batch} of {batch} windows"):
                gather_file(stream.fileno(), 10**9, starts + len(SOUND), ours)


def test_an_empty_batch_is_a_batch() -> None:
    gather(SOUND, np.empty(0, np.int64), np.empty((0, 6), np.float32))


@pytest.mark.parametrize("start", [-1, len(SOUND) - 5])
def test_windows_outside_the_corpus_are_refused(start: int) -> None:
    with pytest.raises(ValueError, match="200000 samples"):
        gather(SOUND, np.array([start]), np.empty((1, 6), np.float32))


@pytest.mark.parametrize(
    "out",
    [
        np.empty((2, 6), np.float64),
        np.empty((3, 6), np.float32),
        np.empty(6, np.float32),
        np.empty((6, 2), np.float32).T,
    ],
)
def test_a_buffer_of_another_kind_is_refused(out: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"needs contiguous float32 \(2, window\)"):
        gather(SOUND, np.array([0, 1]), out)


def test_sizes_below_one_are_refused() -> None:
    for sizes in ({"segment": 0, "hop": 1}, {"segment": 1, "hop": 0}):
        with pytest.raises(ValueError, match="at least 1"):
            plan_segments([0], [10], **sizes)


def test_the_same_without_the_compiler() -> None:
    code = (
        "import numpy as np\n"
        "from fastgan.audio.segments import *\n"
        "from fastgan.audio.shuffle import *\n"
        "x = np.arange(-500, 500).astype(np.int16)\n"
        "p = plan_segments([0, 600], [500, 400], segment=7, hop=6)\n"
        "w = shuffled(np.arange(len(p)), len(p), 3)\n"
        "assert (w == shuffled_numpy(np.arange(len(p)), len(p), 3)).all()\n"
        "a, b = np.empty((len(p), 7), np.float32), np.empty((len(p), 7), np.float32)\n"
        "gather(x, p.starts(w), a); gather_numpy(x, p.starts_numpy(w), b)\n"
        "assert (a == b).all()\n"
    )
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    subprocess.run([sys.executable, "-W", "ignore::RuntimeWarning", "-c", code], check=True, env=environment)
