"""Claim: windows are gathered and normalised at the speed at which this machine copies memory.

Beside it what comes before: decoding, against libsndfile and soxr called plainly. Every contender's answer is compared before
anything is timed. The floor is a copy of 128 MiB to 128 MiB in the same turns, with as many threads as we use: whoever has to
read so many bytes and write so many cannot be faster. Decoding is arithmetic, so its share of that is small.

    python -m pytest benchmarks/bench_data.py --benchmark-only -s
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
import torch
from scipy.io import wavfile

from benchmarks import turns
from benchmarks.rows import Row, measured
from benchmarks.turns import take_turns
from fastgan.audio.demo import synthesise
from fastgan.audio.files import read_sound, write_sound
from fastgan.audio.scale import denormalise, normalise
from fastgan.audio.segments import gather, gather_file, gather_numpy
from fastgan.audio.threads import THREADS, share_rows

CLIPS, LENGTH, RATE, SECONDS = 100, 661_500, 22_050, 30  # the paper's
CASES = {6: 65_536, 16_384: 512}  # window: windows a call
WAYS = {"from the map": "fastgan, from the map", "from the file": "fastgan, from the file"}
COPIED = 1 << 25  # numbers
FILES = {  # format, subtype, rate and channels
    "wav, 22,050 Hz": ("WAV", "PCM_16", RATE, 1),
    "wav, 44,100 Hz stereo": ("WAV", "PCM_16", 2 * RATE, 2),
    "flac, 22,050 Hz": ("FLAC", "PCM_16", RATE, 1),
    "mp3, 22,050 Hz": ("MP3", "MPEG_LAYER_III", RATE, 1),
}
BRIEFLY = {"wav, 44,100 Hz stereo"}

Call = Callable[[], object]


def with_copy(calls: dict[str, Call], *, threads: int) -> turns.Times:
    """Let contenders take turns with a copy, by one thread or by all."""
    source, target = np.ones(COPIED, np.float32), np.empty(COPIED, np.float32)

    def copy() -> None:
        if threads == 1:
            np.copyto(target, source)
        else:
            share_rows(lambda part: np.copyto(target[part], source[part]), COPIED)

    return take_turns(calls | {"copy": copy}, seconds=0.02)


def finished(
    workload: str,
    case: str,
    times: turns.Times,
    ours: str,
    baselines: list[str],
    *,
    moved: int,
    threads: int,
    sound: float = 0,
) -> Row:
    """The row of a case, which is printed too.

    Args:
        workload, case: what the row is about.
        times, ours, baselines: as in `measured`.
        moved: bytes that a call reads and writes.
        threads: that it uses.
        sound: seconds of music in a call, where they are its measure.
    """
    part = measured(times, ours, baselines, work=moved, floor="copy", unit="bytes", floor_work=8 * COPIED)
    row = {"table": "data", "case": case, "workload": workload, "threads": threads, **part}
    own, floor = part["seconds"][ours], part["floor"]
    print(
        f"\n{workload} {case}: {moved / own / 1e9:.3f} GB/s, {floor['share']:.1%} of a copy ({floor['rate'] / 1e9:.1f} GB/s)"
    )
    if sound:
        row["sound"] = sound
        print(f"  {sound / own:,.0f} seconds of music per second")
    for name, (middle, low, high) in part["faster"].items():
        print(f"  {middle:.2f} x {name} ({low:.2f} to {high:.2f})")
    return row


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


@pytest.mark.parametrize("window", [6, pytest.param(16_384, marks=pytest.mark.long)])
def test_gather(benchmark, corpus, window, keep):
    home, samples = corpus
    batch = CASES[window]
    random = np.random.default_rng(1)
    starts = random.integers(0, CLIPS, batch) * LENGTH + random.integers(0, LENGTH - window, batch)
    out, truth = np.empty((batch, window), np.float32), np.empty((batch, window), np.float32)
    gather_numpy(samples, starts, truth)
    with open(home / "samples.i16", "rb") as stream:
        ours = {
            WAYS["from the map"]: lambda: gather(samples, starts, out),
            WAYS["from the file"]: lambda: gather_file(stream.fileno(), len(samples), starts, out),
        }
        theirs = {
            "numpy fancy indexing": lambda: gather_numpy(samples, starts, out),
            "SciPy, file by file": lambda: scipy_loop(home, starts, out),
        }
        for name, call in (ours | theirs).items():
            out.fill(np.nan)
            call()
            np.testing.assert_array_equal(out, truth, err_msg=name)
        times = with_copy(ours | theirs, threads=THREADS)
        benchmark.pedantic(ours[WAYS["from the map"]], rounds=turns.FEWEST)
    for way, name in WAYS.items():  # 2 bytes read and 4 written per sample
        case = f"{batch:,} windows of {window:,}, {way}"
        keep(finished("gather", case, times, name, [*theirs], moved=6 * out.size, threads=THREADS))


def plainly(path: Path) -> np.ndarray:
    """What a script does: read the whole file, mix it down, resample it, round it."""
    sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = sound.mean(axis=1)
    if rate != RATE:
        mono = soxr.resample(mono, rate, RATE)
    return np.clip(np.rint(mono * 32_768), -32_768, 32_767).astype(np.int16)


@pytest.mark.parametrize(
    "case", [pytest.param(name, marks=() if name in BRIEFLY else pytest.mark.long) for name in FILES]
)
def test_decode(benchmark, tmp_path, case, keep):
    kind, subtype, rate, channels = FILES[case]
    if kind not in soundfile.available_formats():
        pytest.skip(f"this libsndfile cannot write {kind}")
    music = synthesise("blues", seed=0, index=0, seconds=SECONDS, rate=rate)
    path = tmp_path / f"clip.{kind.lower()}"
    sides = [np.roll(music, side) for side in range(channels)]  # two sides that differ
    soundfile.write(path, np.stack(sides, axis=1), rate, format=kind, subtype=subtype)
    calls: dict[str, Call] = {
        "fastgan": lambda: read_sound(path, RATE),
        "soundfile and soxr": lambda: plainly(path),
    }
    if kind == "WAV" and rate == RATE:  # it reads nothing else, and resamples by another filter
        calls["SciPy"] = lambda: wavfile.read(path)[1]
        np.testing.assert_array_equal(calls["SciPy"](), music)
    ours, theirs = read_sound(path, RATE), plainly(path)
    assert ours.shape == theirs.shape == (LENGTH,)
    # The last bit of a decoded mp3 depends on where a read began: ours are shorter.
    assert np.abs(ours.astype(int) - theirs).max() <= (kind == "MP3")
    times = with_copy(calls, threads=1)
    benchmark.pedantic(calls["fastgan"], rounds=turns.FEWEST)
    moved = path.stat().st_size + 2 * LENGTH
    others = [name for name in calls if name != "fastgan"]
    keep(finished("decode", case, times, "fastgan", others, moved=moved, threads=1, sound=SECONDS))


@pytest.mark.parametrize("way", ["normalise", pytest.param("denormalise", marks=pytest.mark.long)])
def test_scale(benchmark, way, keep):
    samples = np.random.default_rng(0).integers(-32_768, 32_768, COPIED).astype(np.int16)  # more than caches hold
    values = normalise(samples)
    calls: dict[str, Call] = {
        "normalise": {
            "fastgan": lambda: normalise(samples),
            "numpy, by division": lambda: (samples / 32_768).astype(np.float32),
            "torch": lambda: (torch.from_numpy(samples).float() / 32_768).numpy(),
        },
        "denormalise": {
            "fastgan": lambda: denormalise(values),
            "numpy, by rounding": lambda: np.clip(np.round(values * 32_768), -32_768, 32_767).astype(np.int16),
            "torch": lambda: (torch.from_numpy(values) * 32_768).round().clamp(-32_768, 32_767).short().numpy(),
        },
    }[way]
    for name, call in calls.items():
        np.testing.assert_array_equal(call(), {"normalise": values, "denormalise": samples}[way], err_msg=name)
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # as many as numpy has
    try:
        times = with_copy(calls, threads=1)
    finally:
        torch.set_num_threads(before)
    benchmark.pedantic(calls["fastgan"], rounds=turns.FEWEST)
    others = [name for name in calls if name != "fastgan"]
    keep(finished(way, f"{COPIED:,} samples", times, "fastgan", others, moved=6 * COPIED, threads=1))
