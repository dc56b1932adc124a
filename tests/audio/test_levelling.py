"""Sound made ready to be heard."""

import numpy as np
import pytest

from fastgan.audio.levelling import FIRST_S, LOUDNESS, Leveller, bend

RATE = 8_000


def noise(seconds: float, rms: float, seed: int = 0) -> np.ndarray:
    """White noise."""
    return (rms * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.float32)


def levelled(sound: np.ndarray, cut: int, rms: float = 0.1) -> np.ndarray:
    """The whole of a sound, pushed in blocks of so many samples."""
    level = Leveller(RATE, rms)
    done = [level.push(sound[start : start + cut]) for start in range(0, len(sound), cut)]
    return np.concatenate([*done, level.finish()])


@pytest.mark.parametrize("rms", [0.02, 0.1, 0.5])
def test_any_loudness_becomes_the_same(rms: float) -> None:
    made = levelled(noise(20, rms), 1000, rms)
    assert len(made) == 20 * RATE
    assert float(np.sqrt(np.square(made).mean())) == pytest.approx(LOUDNESS, rel=0.05)
    assert np.abs(made).max() < 1


@pytest.mark.parametrize("expected", [0.01, 1.0])
def test_an_expectation_that_is_wrong_is_left_behind(expected: float) -> None:
    seconds = np.sqrt(np.square(levelled(noise(40, 0.1), 1000, expected).reshape(-1, RATE)).mean(1))
    assert np.all(np.abs(np.diff(np.log(seconds[1:]))) < 0.7)  # without a jump
    assert seconds[-1] == pytest.approx(LOUDNESS, rel=0.35)


def test_an_offset_is_taken_away() -> None:
    made = levelled(noise(20, 0.05) + 0.3, 777, 0.05)
    assert abs(float(made[2 * RATE :].mean())) < 1e-3


def test_both_ends_are_faded() -> None:
    made = levelled(noise(8, 0.1), 512)
    assert made[0] == 0
    assert abs(made[-1]) < 1e-6
    assert np.abs(made[: RATE // 200]).max() < np.abs(made[RATE : RATE + RATE // 200]).max()


def test_a_short_sound_is_levelled_at_its_end() -> None:
    made = levelled(noise(1.0, 0.02), 100, 0.02)
    assert len(made) == RATE
    assert float(np.sqrt(np.square(made).mean())) == pytest.approx(LOUDNESS, rel=0.1)


def test_silence_stays_silence_and_what_is_weak_stays_weak() -> None:
    assert not levelled(np.zeros(RATE, np.float32), 100).any()
    assert float(np.abs(levelled(noise(8, 1e-4), 512)).max()) < 0.01
    assert len(levelled(np.empty(0, np.float32), 1)) == 0


def test_it_comes_in_blocks_and_lags_by_a_few_seconds_only() -> None:
    level, given, taken = Leveller(RATE, 0.1), 0, 0
    for _ in range(60):
        given += RATE // 4
        taken += len(level.push(noise(0.25, 0.1)))
        assert given - taken <= (FIRST_S + 1) * RATE
    assert given - taken <= RATE


def test_loud_parts_do_not_jump() -> None:
    """A piece that becomes four times as loud: the gain follows slowly, without a step."""
    made = levelled(np.concatenate((noise(20, 0.05), noise(20, 0.2, 1))), 2048)
    seconds = np.sqrt(np.square(made[: 40 * RATE].reshape(-1, RATE)).mean(1))
    assert seconds[21] > 2.5 * seconds[18]  # dynamics stay
    assert seconds[39] < 0.75 * seconds[21]  # and are evened out in time


def test_a_burst_is_not_cut_flat() -> None:
    """A block in the midst whose peaks would come to six times full scale: few samples come near the top, and they differ."""
    sound = noise(30, 0.1)
    sound[15 * RATE : 16 * RATE] *= 20
    made = np.abs(levelled(sound, RATE // 2))
    assert np.mean(made[15 * RATE : 16 * RATE] > 0.99) < 0.05
    assert made[17 * RATE :].max() < 0.9  # and what follows is as before
    after = np.sqrt(np.square(made[20 * RATE : 29 * RATE]).mean())
    assert after > 0.4 * np.sqrt(np.square(made[5 * RATE : 14 * RATE]).mean())


def test_peaks_are_bent_and_the_rest_is_not_touched() -> None:
    quiet = np.linspace(-0.7, 0.7, 101, dtype=np.float32)
    assert np.array_equal(bend(quiet), quiet)
    loud = np.linspace(0.7, 20, 1000, dtype=np.float32)
    assert np.all(np.diff(bend(loud)) >= 0)
    assert round(float(bend(loud).max()) * 32_768) < 32_767  # of 16 bits
    assert np.allclose(bend(-loud), -bend(loud))
