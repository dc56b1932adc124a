from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fastgan.audio.corpus import Corpus, open_folder
from fastgan.base.errors import BadInput
from fastgan.gan.batches import Batches, resident
from fastgan.gan.seeds import derive, noise
from fastgan.ops.windows import samples_on, why_not
from tests.conftest import RATE

CPU = torch.device("cpu")


@pytest.fixture
def batches(music: Callable[..., Path]) -> Callable[..., Batches]:
    corpus = open_folder(music(seconds=0.05), RATE)  # 8 clips of 1,102 samples

    def make(**how: Any) -> Batches:
        settings = {"segment": 7, "hop": 6, "batch": 32, "seed": 0} | how
        return Batches(corpus, corpus.index.clips, device=CPU, dtype=torch.float32, **settings)

    return make


def test_a_pass_shows_every_window_once(batches: Callable[..., Batches]) -> None:
    ours = batches(batch=7)
    assert len(ours.plan) == 8 * 183
    assert ours.per_pass == 8 * 183 // 7
    everything = ours.corpus.samples
    truth = np.stack([everything[s : s + 7] for s in ours.plan.starts(np.arange(len(ours.plan)))]) / 32_768
    shown = ours.rows(0, len(ours.plan)).numpy()
    np.testing.assert_array_equal(np.sort(shown, axis=0), np.sort(truth.astype(np.float32), axis=0))
    torch.testing.assert_close(ours.stride(0, 5).flatten(0, 1), torch.from_numpy(shown[:35]))


def test_a_batch_is_a_function_of_seed_and_step(batches: Callable[..., Batches]) -> None:
    ours, again, other = batches(), batches(), batches(seed=1)
    again.stride(999, 2)  # what was asked before makes no difference
    for step in (0, 3, ours.per_pass, 12_345):
        assert torch.equal(ours.stride(step, 1), again.stride(step, 1))
        assert not torch.equal(ours.stride(step, 1), other.stride(step, 1))
    assert not torch.equal(ours.stride(0, 1), ours.stride(ours.per_pass, 1))  # another pass has another order


def test_windows_are_the_same_where_the_corpus_lies_on_the_device(batches: Callable[..., Batches]) -> None:
    here = batches()
    reason = why_not(CPU)
    if reason is not None:
        pytest.skip(reason)
    there = batches(
        samples=samples_on(CPU, here.corpus.samples)
    )  # Triton's interpreter takes the processor for a device
    near = here.per_pass - 2
    assert torch.equal(there.stride(near, 3), here.stride(near, 3))
    assert torch.equal(there.rows(5, 40), here.rows(5, 40))


def test_a_corpus_stays_on_the_disk_for_the_processor(batches: Callable[..., Batches]) -> None:
    assert resident(batches().corpus, CPU) is None


def test_a_stride_is_its_batches_one_after_the_other(batches: Callable[..., Batches]) -> None:
    ours, again = batches(), batches()
    near = ours.per_pass - 3
    one_by_one = torch.cat([again.stride(step, 1) for step in range(near, near + 10)])  # over the end of a pass
    assert torch.equal(ours.stride(near, 10), one_by_one)
    # In strides that follow each other, of which the second is read ahead, and then in one that nobody expected.
    assert torch.equal(torch.cat((ours.stride(near, 4), ours.stride(near + 4, 4))), one_by_one[:8])
    assert torch.equal(ours.stride(near + 8, 2), one_by_one[8:])
    assert torch.equal(ours.stride(near, 4), one_by_one[:4])


def test_what_is_read_ahead_fails_where_it_is_wanted(
    batches: Callable[..., Batches], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, calls, gather = batches(), count(), Corpus.gather

    def fail_at_the_third(*arguments: Any) -> None:
        if next(calls) == 2:
            raise OSError("no such sector")
        gather(*arguments)

    monkeypatch.setattr(Corpus, "gather", fail_at_the_third)
    ours.stride(0, 2)
    ours.stride(2, 2)  # was read before; what follows it fails
    with pytest.raises(OSError, match="no such sector"):
        ours.stride(4, 2)


def test_batches_are_floats_of_the_wanted_type(batches: Callable[..., Batches]) -> None:
    ours = batches()
    for batch in (ours.stride(0, 2), ours.rows(0, 64)):
        assert batch.shape[-2:] == (32, 7) or batch.shape == (64, 7)
        assert batch.dtype == torch.float32
        assert batch.abs().max() <= 1


def test_too_little_music_says_what_to_do(batches: Callable[..., Batches]) -> None:
    with pytest.raises(BadInput, match=r"1,464 windows, less than one batch of 10,000; take a smaller batch"):
        batches(batch=10_000)
    with pytest.raises(BadInput, match="take a smaller window"):
        batches(segment=5000)


def test_noise_depends_on_seed_and_step_alone() -> None:
    assert torch.equal(noise((3, 4), 5, 6, CPU, torch.float32), noise((3, 4), 5, 6, CPU, torch.float32))
    assert not torch.equal(noise((3, 4), 5, 6, CPU, torch.float32), noise((3, 4), 5, 7, CPU, torch.float32))
    large = noise((100_000,), 1, 1, CPU, torch.float32)
    assert abs(large.mean()) < 0.02
    assert abs(large.std() - 1) < 0.02


def test_every_purpose_has_a_seed_of_its_own() -> None:
    seeds = {derive(seed, word, step) for seed in range(10) for word in ("a", "b") for step in range(50)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive(1, 23) != derive(12, 3)
