"""Sets with each fault are vetoed by its name; sets that resemble music are not."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from fastgan.audio.health import examine
from fastgan.measure import faults
from fastgan.measure.anchors import ANCHORS, anchors
from fastgan.measure.faults import ALIKE_DB, TWIN, Course, apart_db, likeness, loop, veto
from fastgan.measure.log_mel import hop_s
from tests.conftest import RATE, tune

TUNES = [tune(5, seed=seed) for seed in range(10)]
SILENT = np.zeros(5 * RATE, np.int16)


def course(samples):
    found = Course.of(samples, RATE)
    assert found is not None
    return found


def white(sigma, seconds=5, seed=0):
    return np.rint(sigma * np.random.default_rng(seed).standard_normal(seconds * RATE)).astype(np.int16)


def test_different_tunes_are_healthy():
    found = veto(TUNES, RATE)
    assert found.ok
    assert found.verdict == "healthy"
    assert found.degenerate == ()
    assert found.loops_s == (None,) * 10
    assert found.clips == tuple(examine(clip, RATE) for clip in TUNES)


EXPECTED = {
    "reversed": (),
    "one clip copied": ("copies",),
    "shaped noise": ("degenerate clips",),
    "white noise": ("degenerate clips",),
    "440 Hz tone": ("degenerate clips",),
    "silence": ("degenerate clips",),
}


@pytest.fixture(scope="module")
def made():
    return anchors(TUNES, RATE)


@pytest.mark.parametrize("name", EXPECTED)
def test_anchors_without_music_or_variety_are_vetoed_by_name(made, name):
    assert veto(made[name], RATE).problems == EXPECTED[name]
    assert set(EXPECTED) == set(ANCHORS) - {"shuffled"}, (
        "shuffled tunes hold all that the tunes do: distance is their judge"
    )


def test_degenerate_clips_are_numbered_and_counted():
    clips = [*TUNES[:7], SILENT, SILENT, white(3_000)]
    found = veto(clips, RATE)
    assert found.degenerate == (7, 8, 9)
    assert found.problems == ("degenerate clips",)
    assert found.verdict == "degenerate clips: 3 of 10 clips are no music: silent (2), white noise (1)"
    assert veto([*TUNES[:8], SILENT, SILENT], RATE).ok, "two of ten are tolerated"


def test_blemishes_are_reported_and_do_not_veto():
    found = veto([(clip // 2 + 9_000).astype(np.int16) for clip in TUNES], RATE)
    assert all("DC offset" in health.problems for health in found.clips)
    assert found.ok
    mixed = veto([np.zeros(0, np.int16)], RATE)
    assert mixed.problems == ("degenerate clips",)


@pytest.mark.parametrize(("copies", "problems"), [(5, ()), (6, ("copies",))])
def test_more_than_half_must_be_copies(copies, problems):
    found = veto([TUNES[0]] * copies + TUNES[copies:], RATE)
    assert found.problems == problems
    if problems:
        assert found.verdict == "copies: 6 of 10 clips hold the same sound as another clip"


def test_copies_are_found_later_softer_longer_and_under_noise():
    long = tune(8)
    one = course(long[: 5 * RATE])
    for other in (
        long[RATE : 6 * RATE],
        long[: 5 * RATE] // 4,
        long,
        (long[: 5 * RATE] + white(10)).astype(np.int16),
    ):
        assert likeness(one, course(other)) > TWIN
        assert likeness(course(other), one) == pytest.approx(likeness(one, course(other)), abs=1e-9)
    assert likeness(one, one) == pytest.approx(1, abs=1e-9)


def test_other_tunes_and_noises_are_not_alike():
    assert max(likeness(course(TUNES[0]), course(clip)) for clip in TUNES[1:]) < 0.8
    assert likeness(course(white(3_000)), course(white(3_000, seed=1))) < 0.3


def test_likeness_is_pearsons_correlation_where_shifts_are_few():
    one, other = course(white(3_000)), course(white(3_000, seed=1))
    count, best = len(one.moving), 0.0
    for lag in range(-count + 1, count):
        begin, end = max(0, -lag), min(count, count - lag)
        if 2 * (end - begin) >= count:
            left, right = one.moving[begin:end], other.moving[begin + lag : end + lag]
            best = max(best, np.sum(left * right) / np.sqrt(np.sum(left**2) * np.sum(right**2)))
    assert likeness(one, other) == pytest.approx(best, abs=1e-9)


def test_what_stands_still_is_like_nothing():
    still = course(np.rint(9_000 * np.sin(2 * np.pi * 441 * np.arange(3 * RATE) / RATE)).astype(np.int16))
    assert not still.moving.any()
    assert likeness(still, still) == 0
    assert loop(still, hop_s(RATE)) is None


@pytest.mark.parametrize("seconds", [0.3, 0.5, 0.77, 1.1, 1.7, 2.3])
def test_a_loop_is_found_with_its_length(seconds):
    sound = np.resize(tune(seconds, seed=4), 6 * RATE)
    found = loop(course(sound), hop_s(RATE))
    assert found == pytest.approx(seconds, abs=hop_s(RATE))
    assert loop(course(tune(6, seed=4)), hop_s(RATE)) is None


def test_a_set_of_loops_is_vetoed_whatever_each_repeats():
    clips = [np.resize(tune(0.6 + 0.1 * seed, seed=seed), 5 * RATE) for seed in range(6)]
    found = veto([*clips, *TUNES[6:]], RATE)
    assert found.problems == ("stuck loops",)
    assert found.verdict == "stuck loops: 6 of 10 clips repeat one stretch, of 0.85 s in the median"
    assert [length is not None for length in found.loops_s] == [True] * 6 + [False] * 4
    assert veto([*clips[:5], *TUNES[5:]], RATE).ok


def test_the_distance_of_mean_spectra():
    """In one band 8 dB more, of 40: over the mean level that is 7.8 dB there and -0.2 dB elsewhere."""
    flat, bent = np.zeros(40), np.eye(40)[7] * 8
    none = np.zeros((2, 40)), np.zeros(3)
    expected = np.sqrt((7.8**2 + 39 * 0.2**2) / 40)
    assert apart_db([Course(flat, *none), Course(bent + 20, *none)]) == pytest.approx(expected)
    assert apart_db([Course(flat, *none), Course(flat + 20, *none)]) == 0


def test_few_clips_are_not_called_alike():
    """Noise of one colour, swelling at a pace of each clip's own: each is healthy."""
    still = anchors(TUNES[:4], RATE)["shaped noise"]
    t = np.arange(5 * RATE) / RATE
    noise = [
        np.rint(clip * (0.2 + 0.8 * np.sin(np.pi * (0.8 + 0.3 * n) * t) ** 2)).astype(np.int16)
        for n, clip in enumerate(still)
    ]
    assert apart_db([course(clip) for clip in noise]) < ALIKE_DB
    assert veto(noise, RATE).problems == ("all alike",)
    assert veto(noise[:3], RATE).ok
    assert veto(TUNES[:1], RATE).ok


def test_of_many_clips_some_are_compared_evenly(monkeypatch):
    monkeypatch.setattr(faults, "MOST", 4)
    found = veto([TUNES[0] if n in (0, 3, 6, 9) else clip for n, clip in enumerate(TUNES)], RATE)
    assert found.verdict == "copies: 4 of 4 clips hold the same sound as another clip"


def test_short_clips_are_judged_by_their_health_alone():
    found = veto([tune(0.09)] * 4, RATE)
    assert found.problems == ("degenerate clips",)
    assert found.loops_s == (None,) * 4


def test_verdicts_are_plain_values():
    found = veto([*TUNES[:3], SILENT], RATE)
    plain = json.loads(json.dumps(asdict(found), allow_nan=False))
    assert plain["degenerate"] == [3]


def test_nothing_cannot_be_judged():
    with pytest.raises(ValueError, match="there are no clips"):
        veto([], RATE)
