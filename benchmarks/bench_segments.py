"""Claim: windows are gathered and normalised at the speed at which this machine copies memory.

The corpus has the size of the paper's: 100 clips of 30 s. Work per row: random windows, int16 to float32 within [-1, 1),
into a buffer that is there. GB/s counts 2 bytes read and 4 written per sample; the copy that it is a share of moves 2 x 128 MiB
with all threads. Every contender's answer is compared to numpy's before anything is timed.

    python -m pytest benchmarks/bench_segments.py -s
"""

import statistics
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from benchmarks.turns import TURNS, ratio, take_turns
from fastgan.audio.files import write_sound
from fastgan.audio.segments import gather, gather_file, gather_numpy
from fastgan.audio.threads import THREADS, share_rows

CLIPS, LENGTH, RATE = 100, 661_500, 22_050
CASES = {6: 65_536, 16_384: 512}  # window: windows a call


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """The paper's corpus as an array, as one file and as 100 wavs."""
    home = tmp_path_factory.mktemp("corpus")
    samples = np.random.default_rng(0).integers(-20_000, 20_000, CLIPS * LENGTH).astype(np.int16)
    samples.tofile(home / "samples.i16")
    for clip in range(CLIPS):
        write_sound(home / f"{clip:03d}.wav", samples[clip * LENGTH : (clip + 1) * LENGTH], RATE)
    return home, np.memmap(home / "samples.i16", np.int16, "r")


def scipy_loop(home: Path, starts: np.ndarray, out: np.ndarray) -> None:
    """What a script does: read each file that is needed, cut its windows, divide."""
    clips = starts // LENGTH
    for clip in np.unique(clips):
        _, data = wavfile.read(home / f"{clip:03d}.wav")
        for row in np.flatnonzero(clips == clip):
            start = starts[row] - clip * LENGTH
            out[row] = data[start : start + out.shape[1]] / 32_768


def copy(source: np.ndarray, target: np.ndarray) -> None:
    """Copy with all threads: the machine's bandwidth."""
    share_rows(lambda part: np.copyto(target[part], source[part]), len(source))


@pytest.mark.parametrize("window", [6, pytest.param(16_384, marks=pytest.mark.long)])
def test_gather(benchmark, corpus, window):
    home, samples = corpus
    batch = CASES[window]
    random = np.random.default_rng(1)
    starts = random.integers(0, CLIPS, batch) * LENGTH + random.integers(0, LENGTH - window, batch)
    source, target = np.ones(1 << 25, np.float32), np.empty(1 << 25, np.float32)
    out, truth = np.empty((batch, window), np.float32), np.empty((batch, window), np.float32)
    gather_numpy(samples, starts, truth)
    with open(home / "samples.i16", "rb") as stream:
        contenders = {
            "fastgan, from the map": lambda: gather(samples, starts, out),
            "fastgan, from the file": lambda: gather_file(stream.fileno(), len(samples), starts, out),
            "numpy fancy indexing": lambda: gather_numpy(samples, starts, out),
            "SciPy, file by file": lambda: scipy_loop(home, starts, out),
        }
        for name, call in contenders.items():
            out.fill(np.nan)
            call()
            np.testing.assert_array_equal(out, truth, err_msg=name)
        times = take_turns(contenders | {"copy": lambda: copy(source, target)}, seconds=0.02)
    bandwidth = 2 * source.nbytes / statistics.median(times["copy"]) / 1e9
    print(f"\n{batch:,} windows of {window:,}; this machine copies {bandwidth:.1f} GB/s with {THREADS} threads")
    for name in contenders:
        speed = 6 * out.size / statistics.median(times[name]) / 1e9
        middle, low, high = ratio(times, "SciPy, file by file", name)
        print(
            f"  {name:<24}{speed:8.3f} GB/s {100 * speed / bandwidth:6.1f} % of copy {middle:8.1f} x SciPy ({low:.1f} to {high:.1f})"
        )
        benchmark.extra_info[name] = {"gb_per_s": speed, "of_copy": speed / bandwidth, "x_scipy": [middle, low, high]}
    benchmark.pedantic(contenders["fastgan, from the map"], rounds=TURNS)
