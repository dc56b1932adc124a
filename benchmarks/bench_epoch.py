"""Claim: a paper epoch takes less time with this trainer than with what others would write.

A paper epoch is 9,450,000 windows of 6 samples in training and 1,575,000 held out. "fit" predicts the next value; "game" lets a
generator and a discriminator play, on one noise a step (`benchmarks/peers.py`). The contenders:

- fastgan: the trainer's own stage, its batches and its measure;
- plain: nn.LSTM, a Dataset, a DataLoader and Adam, as a good practitioner writes it in PyTorch;
- compiled: the same through torch.compile;
- keras: Keras 3 on TensorFlow, `model.fit` and a tf.function on tf.data, where FASTGAN_KERAS_PYTHON names an interpreter with both.

All start from the same weights and get the same batches first; losses and weights have to be those of a float64 run (`epoch.Bar`).
Then they take turns at some steps on batches of their own pipelines, and at 4,096 held-out windows in batches that suit each.
Seconds of an epoch are scaled from those. Left out for all: starting, tracing and compiling, and what an epoch costs however
short it is (for plain, a second or two for a permutation of all windows). The floor is torch's 1024 x 1024 product.

    python -m pytest benchmarks/bench_epoch.py --benchmark-only -s
"""

from functools import partial

import pytest

from benchmarks.epoch import Ours, make_sound, make_weights
from benchmarks.epoch_contest import STEPS, compete, describe
from benchmarks.paper import FIT, GAME
from benchmarks.peers import Sound

BATCHES = [pytest.param(batch, marks=pytest.mark.long if batch > 3 else ()) for batch in STEPS[FIT]]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Sound:
    """The paper's corpus."""
    return make_sound(tmp_path_factory.mktemp("corpus"))


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize("workload", [FIT, GAME])
@pytest.mark.parametrize("batch", BATCHES)
def test_epoch(benchmark, workload, batch, threads, sound, keep, monkeypatch, tmp_path):
    monkeypatch.setattr("fastgan.audio.threads.THREADS", threads)  # the corpus has threads of its own
    row = compete(workload, batch, sound, threads, tmp_path)
    print(f"\n{describe(row)}")
    keep(row)
    benchmark.extra_info.update(row)
    benchmark.pedantic(partial(Ours(workload, batch, make_weights(), sound).train, row["steps"]), rounds=1)
