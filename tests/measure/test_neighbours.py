"""Copies, variety and overlap of sets that were made to have them."""

import numpy as np
import pytest

from fastgan.measure import distances
from fastgan.measure.distances import pieces
from fastgan.measure.neighbours import Support, diversity, memorisation, nearest


def normal(count, width=4, *, seed=0, shift=0.0):
    return (shift + np.random.default_rng(seed).standard_normal((count, width))).astype(np.float32)


def clips(count, *, seed=0, patches=5, shift=0.0):
    return list(normal(count * patches, seed=seed, shift=shift).reshape(count, patches, 4))


def test_diversity_is_the_mean_distance_of_clips():
    corners = [np.array([[0, 0], [0, 2]], np.float32), np.array([[3, 1]], np.float32), np.array([[0, 5]], np.float32)]
    assert diversity(corners) == pytest.approx((3 + 4 + 5) / 3)
    assert diversity([corners[0]] * 10) == 0
    with pytest.raises(ValueError, match="1 clips"):
        diversity(corners[:1])


def test_copies_of_train_clips_are_at_nought():
    train, held_out = clips(20), clips(10, seed=1)
    copied = memorisation(train[:10], np.concatenate(train), held_out)
    assert copied.ratio == 0
    assert copied.p_value < 1e-3


def test_music_as_new_as_held_out_music_is_at_one():
    train = np.concatenate(clips(20))
    results = [memorisation(clips(10, seed=seed), train, clips(10, seed=100 + seed)) for seed in range(1, 31)]
    assert np.mean([result.ratio for result in results]) == pytest.approx(1, abs=0.1)
    assert np.mean([result.p_value < 0.1 for result in results]) < 0.3, "p is even between 0 and 1"
    assert 0.3 < np.mean([result.p_value for result in results]) < 0.7


def test_noise_is_far_from_all_music():
    result = memorisation(clips(10, seed=2, shift=10), np.concatenate(clips(20)), clips(10, seed=1))
    assert result.ratio > 5
    assert result.p_value > 0.999


def test_the_ratio_is_one_of_medians():
    train = np.zeros((1, 1), np.float32)
    result = memorisation([np.array([[1], [2], [9]], np.float32)], train, [np.array([[4]], np.float32)])
    assert result.ratio == 0.5


def test_held_out_clips_that_were_trained_on_are_refused():
    train = clips(5)
    with pytest.raises(ValueError, match="copies of train patches"):
        memorisation(clips(2, seed=1), np.concatenate(train), train[:2])


@pytest.mark.parametrize("name", ["generated", "held_out"])
def test_no_clips_are_refused(name):
    sets = {"generated": clips(2), "held_out": clips(2, seed=1)} | {name: []}
    with pytest.raises(ValueError, match=f"{name} is empty"):
        memorisation(sets["generated"], normal(9, seed=2), sets["held_out"])


def test_the_nearest_is_found_in_pieces(monkeypatch):
    patches, known = normal(30), normal(20, seed=1)
    expected = np.array([min(np.linalg.norm(patch - other) for other in known) for patch in patches])
    for piece in (1, 50, 1 << 20):
        monkeypatch.setattr(distances, "_PIECE", piece)
        np.testing.assert_allclose(nearest(patches, known), expected, rtol=1e-6)
        assert sum(len(patches[rows]) for rows in pieces(patches, 20)) == 30


def test_support_of_a_drawn_example():
    """On a line, k = 1: balls of real ones [-1, 1], [0, 2], [1, 3], [2, 18]; of others [-.25, .75], [.25, 1.25], far, far."""
    real = np.array([[0], [1], [2], [10]], np.float32)
    other = np.array([[0.25], [0.75], [199], [200]], np.float32)
    assert Support.of(real, other, k=1) == Support(precision=0.5, recall=0.5, density=(2 + 2) / 4, coverage=0.5)


def test_support_of_equal_distributions():
    k, size = 5, 1_000
    support = Support.of(normal(size), normal(size, seed=1), k=k)
    assert support.density == pytest.approx(1, abs=0.1)
    assert support.coverage == pytest.approx(1 - 2**-k, abs=4 * np.sqrt(2**-k / size))
    assert support.precision > 0.9
    assert support.recall > 0.9


def test_support_of_sets_apart_and_of_one_that_keeps_to_a_corner():
    apart = Support.of(normal(100), normal(100, seed=1, shift=50))
    assert (apart.precision, apart.recall, apart.density, apart.coverage) == (0, 0, 0, 0)
    real = np.concatenate([normal(100), normal(100, seed=1, shift=50)])
    corner = Support.of(real, normal(200, seed=2))
    assert corner.precision > 0.9
    assert corner.recall < 0.55
    assert corner.coverage < 0.55


def test_support_in_pieces_is_the_same(monkeypatch):
    real, other = normal(50), normal(40, seed=1, shift=0.5)
    whole = Support.of(real, other)
    monkeypatch.setattr(distances, "_PIECE", 70)
    assert Support.of(real, other) == whole
    assert 0 < whole.recall < 1


def test_support_needs_more_patches_than_neighbours():
    with pytest.raises(ValueError, match="N >= 6"):
        Support.of(normal(5), normal(10))
    with pytest.raises(ValueError, match="k is 0"):
        Support.of(normal(5), normal(10), k=0)
