"""The network: against its original where the weights are installed, and its own logic with made-up ones."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fastgan.measure import musicnn
from fastgan.measure.mel import HOP, RATE
from fastgan.measure.musicnn import PATCH, SHORTEST_S, TAGS, Musicnn
from fastgan.measure.weights import Missing
from tests.conftest import tune
from tests.measure.test_mel import EXPECTED, signal

KERNELS = [(7, 38, 1, 204), (7, 67, 1, 204), (128, 1, 1, 51), (64, 1, 1, 51), (32, 1, 1, 51), (7, 561, 1, 64)]
KERNELS += [(7, 64, 1, 64)] * 2


@pytest.fixture(scope="module")
def made_up():
    """The network with random weights of the right shapes."""
    random = np.random.default_rng(0)
    tensors = {}
    for number, shape in enumerate(KERNELS):
        name = f"conv2d_{number}" if number else "conv2d"
        tensors |= {
            f"{name}/kernel": random.normal(0, np.prod(shape[:3]) ** -0.5, shape),
            f"{name}/bias": random.random(shape[3]),
        }
    for number, width in enumerate([1, *(shape[3] for shape in KERNELS), 1_506, 200]):
        name = f"batch_normalization_{number}" if number else "batch_normalization"
        for part in ("beta", "gamma", "moving_mean", "moving_variance"):
            tensors[f"{name}/{part}"] = random.random(width) + 0.5
        tensors[f"{name}/gamma"] *= random.choice([-1, 1], width)
    for name, shape in (("dense", (1_506, 200)), ("dense_1", (200, 50))):
        tensors |= {f"{name}/kernel": random.normal(0, 0.05, shape), f"{name}/bias": random.random(shape[1])}
    return Musicnn({name: array.astype(np.float32) for name, array in tensors.items()})


@pytest.fixture(scope="module")
def trained():
    """The network with its own weights."""
    try:
        return Musicnn.load()
    except Missing as error:
        pytest.skip(str(error))


def test_outputs_are_those_of_the_original(trained):
    """Both are float32, through some ten layers: 1e-4 is a hundred roundings of the largest number, 4."""
    embeddings = trained.embed(signal(), RATE)
    np.testing.assert_allclose(embeddings, EXPECTED["embeddings"], rtol=0, atol=1e-4)
    np.testing.assert_allclose(trained.tags(embeddings), EXPECTED["tags"], rtol=0, atol=1e-5)


def test_without_its_package_it_says_what_installs_it(monkeypatch):
    monkeypatch.setattr(musicnn, "INDEX", replace(musicnn.INDEX, distribution="no-such-package"))
    with pytest.raises(Missing, match=r"pip install --no-deps no-such-package==0\.1\.0"):
        Musicnn.load()


@pytest.mark.parametrize("hop", [1, 62, 180, 187])
def test_patches_that_share_their_convolutions_are_as_if_alone(made_up, hop):
    """The definition is one patch with zeros around it; a batch computes what overlaps once."""
    span = torch.from_numpy(np.random.default_rng(1).random((PATCH + 2 * hop, 96), np.float32))
    with torch.inference_mode():
        together = made_up._penultimate(span, hop)
        alone = torch.cat([made_up._penultimate(span[start : start + PATCH], 1) for start in (0, hop, 2 * hop)])
    assert together.shape == (3, 200)
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)
    assert (together[0] - together[1]).abs().max() > 1e-2, "patches differ"


def test_batches_join_without_a_seam(made_up, monkeypatch):
    samples = tune(7.5)
    whole = made_up.embed(samples, 22_050, hop_s=0.9)
    monkeypatch.setattr(musicnn, "_BATCH", 2)
    np.testing.assert_allclose(made_up.embed(samples, 22_050, hop_s=0.9), whole, rtol=1e-4, atol=1e-4)
    assert len(whole) == 1 + int((7.5 - SHORTEST_S) / 0.9)


@pytest.mark.parametrize(
    ("seconds", "hop_s", "count"), [(3, 1, 1), (3.96, 1, 1), (3.99, 1, 2), (6, 3, 2), (3.1, 0.016, 8)]
)
def test_how_many_patches_there_are(made_up, seconds, hop_s, count):
    embedding = made_up.embed(tune(seconds), 22_050, hop_s=hop_s)
    assert embedding.shape == (count, 200)
    assert embedding.dtype == np.float32


def test_tags_are_probabilities(made_up):
    tags = made_up.tags(np.random.default_rng(0).standard_normal((7, 200)).astype(np.float32))
    assert tags.shape == (7, len(TAGS)) == (7, 50)
    assert ((tags > 0) & (tags < 1)).all()


def test_what_is_too_short_or_too_far_apart_is_refused(made_up):
    with pytest.raises(ValueError, match=r"2\.990 s; a patch is 2\.992 s"):
        made_up.embed(np.ones(round(2.99 * RATE), np.int16), RATE)
    made_up.embed(np.ones(PATCH * HOP, np.int16), RATE)
    for hop_s in (0.015, 3.01):
        with pytest.raises(ValueError, match=f"hop_s is {hop_s}"):
            made_up.embed(tune(4), 22_050, hop_s=hop_s)
