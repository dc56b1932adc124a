"""Embeddings are computed once for the same sound and model, and whatever lies in the cache is whole."""

import numpy as np
import pytest

from fastgan.base.errors import BadInput
from fastgan.measure.cache import embed_cached, embedding_folder

RATE = 22_050


class Counting:
    """A model that counts how often it is asked."""

    def __init__(self, version="one"):
        self.version, self.asked = version, 0

    def embed(self, samples, rate, *, hop_s):
        self.asked += 1
        if not len(samples):
            raise ValueError("no sound")
        return np.full((3, 2), samples[0] + rate * hop_s, np.float32)


def sound(seed=0):
    return np.random.default_rng(seed).integers(-99, 99, 1_000).astype(np.int16)


def test_the_second_time_it_is_read(tmp_path):
    model = Counting()
    first, second = (embed_cached(model, sound(), RATE, cache=tmp_path) for _ in range(2))
    assert model.asked == 1
    np.testing.assert_array_equal(first, second, strict=True)
    assert [path.suffix for path in tmp_path.iterdir()] == [".npy"], "nothing else is left"


def test_another_sound_model_rate_or_hop_is_another_entry(tmp_path):
    calls = [
        (Counting(), sound(), RATE, 1.0),
        (Counting(), sound(1), RATE, 1.0),
        (Counting("two"), sound(), RATE, 1.0),
        (Counting(), sound(), 2 * RATE, 1.0),
        (Counting(), sound(), RATE, 3.0),
    ]
    for model, samples, rate, hop_s in calls * 2:
        kept = embed_cached(model, samples, rate, hop_s=hop_s, cache=tmp_path)
        np.testing.assert_array_equal(kept, model.embed(samples, rate, hop_s=hop_s))
    assert [model.asked for model, *_ in calls] == [3] * 5, "once for the cache, and twice by this test"


@pytest.mark.parametrize("damage", ["cut", "emptied", "other"])
def test_a_damaged_entry_is_made_again(tmp_path, damage):
    model = Counting()
    good = embed_cached(model, sound(), RATE, cache=tmp_path)
    (entry,) = tmp_path.iterdir()
    whole = entry.read_bytes()
    if damage == "other":
        np.save(entry, np.zeros(5))
    else:
        entry.write_bytes(whole[:-4] if damage == "cut" else b"")
    np.testing.assert_array_equal(embed_cached(model, sound(), RATE, cache=tmp_path), good)
    assert model.asked == 2
    assert entry.read_bytes() == whole


def test_what_the_model_refuses_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="no sound"):
        embed_cached(Counting(), sound()[:0], RATE, cache=tmp_path)
    assert not list(tmp_path.iterdir())


def test_it_lies_beside_the_corpora(tmp_path, monkeypatch):
    monkeypatch.setenv("FASTGAN_CACHE", str(tmp_path))  # others keep things in the one that tests share
    embed_cached(Counting(), sound(), RATE)
    assert embedding_folder() == tmp_path / "embeddings"
    assert len(list(embedding_folder().iterdir())) == 1


def test_a_cache_that_cannot_be_a_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="FASTGAN_CACHE"):
        embed_cached(Counting(), sound(), RATE, cache=tmp_path / "file" / "cache")
