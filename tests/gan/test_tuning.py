import math

import pytest
import torch

from fastgan.gan.tuning import choose_batch, largest_batch, scaled_lr

CPU = torch.device("cpu")


def test_the_smallest_that_reaches_nine_tenths_of_the_fastest():
    choice = choose_batch(lambda batch: 1000 * batch / (batch + 100), 1 << 20)
    assert choice.batch == 1024  # 911 of at most 1000; 512 has 837
    assert max(choice.speeds) < 1 << 20  # it does not go on when there is nothing to gain
    assert str(choice).startswith(f"batch {choice.batch:,}: ")


def test_one_bad_moment_decides_nothing():
    calls = []

    def speed(batch: int) -> float:
        calls.append(batch)
        return 0.1 * batch if calls.count(batch) == 1 and batch in (32, 128) else float(min(batch, 256))

    assert choose_batch(speed, 4096).batch == 256


def test_it_stops_at_the_largest_and_where_it_is_told_to():
    assert max(choose_batch(float, 100).speeds) == 64
    assert max(choose_batch(lambda batch: float(batch) if batch <= 512 else None, 1 << 20).speeds) == 512
    assert choose_batch(lambda _: None, 1 << 20).batch == 32
    assert choose_batch(float, 1).batch == 32
    assert choose_batch(float, 1 << 20, seconds=0.0).speeds.keys() == {32}


def test_an_epoch_keeps_steps_and_the_memory_its_bounds():
    assert largest_batch(100_000, 1, CPU) == 1000
    assert largest_batch(1 << 60, 1 << 20, CPU) == 512  # times 2^20 numbers of four bytes are 2 GiB
    assert largest_batch(5, 1, CPU) == 1


@pytest.mark.parametrize("batch", [32, 128, 4096])
def test_the_learning_rate_grows_with_the_root(batch):
    assert scaled_lr(1e-3, batch) == pytest.approx(1e-3 * math.sqrt(batch / 32))
