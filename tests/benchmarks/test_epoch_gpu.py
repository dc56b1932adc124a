"""The race for an epoch on a GPU, without one: on the processor, windows by Triton's interpreter, nothing captured."""

import pytest
import torch

from benchmarks import epoch_gpu, turns
from benchmarks.paper import FIT, GAME, TRAIN
from fastgan.ops.windows import why_not

CPU = torch.device("cpu")
REASON = why_not(CPU)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    if REASON is not None:
        pytest.skip(REASON)
    monkeypatch.setenv("FASTGAN_BACKEND", "reference")
    monkeypatch.setattr(epoch_gpu, "CLIPS", 2)
    monkeypatch.setattr(epoch_gpu, "LENGTH", 2000)
    monkeypatch.setattr(epoch_gpu, "CHECKED", 2)
    monkeypatch.setattr(epoch_gpu, "stride_of", lambda *_: 2)
    monkeypatch.setattr(turns, "brief", True)


@pytest.mark.parametrize("workload", [FIT, GAME])
def test_a_row_has_all_contenders(workload):
    row = epoch_gpu.measure(workload, 8, CPU, size=64)
    assert row["epoch_seconds"].keys() == {"fastgan, float32", "fastgan, bfloat16", "torch, eager", "torch, graph"}
    assert row["epoch_seconds"]["torch, eager"] == pytest.approx(TRAIN / 8 * row["seconds"]["torch, eager"])
    assert row["faster"].keys() == {"torch, eager", "torch, graph"}


@pytest.mark.parametrize("workload", [FIT, GAME])
def test_a_wrong_loss_is_seen(monkeypatch, workload):
    name = "fit" if workload == FIT else "play"
    honest = getattr(epoch_gpu, name)
    monkeypatch.setattr(epoch_gpu, name, lambda *a, **k: {n: 1.001 * v for n, v in honest(*a, **k).items()})
    with pytest.raises(AssertionError, match=rf"{workload}, 8, float32: "):
        epoch_gpu.check(workload, 8, CPU)


def test_batches_begin_anew_when_the_pass_is_over():
    feed = epoch_gpu.Feed(GAME, 300, CPU)
    assert feed.windows.total == 2 * (2000 // 6)
    first, second, third = feed.rows(1), feed.rows(1), feed.rows(1)
    assert torch.equal(first, third)
    assert not torch.equal(first, second)
    assert torch.isfinite(second).all()
