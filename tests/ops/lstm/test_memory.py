"""Memory that one training step leaves for the next: taken again, never while somebody holds it, and given back on demand."""

import gc
import os
import threading

import pytest
import torch

import fastgan
from fastgan import FusedLSTM
from fastgan.ops.lstm import cpp_cpu
from tests.ops.lstm.cases import needs_cpu

pytestmark = needs_cpu
ROWS = 1 << 20  # of one float32: 4 MB, of which 1 MB would still be lent


@pytest.fixture(autouse=True)
def empty():
    gc.collect()
    fastgan.empty_cache()
    yield
    gc.collect()
    fastgan.empty_cache()


def lent(count: int = ROWS) -> torch.Tensor:
    return cpp_cpu._lend(torch.float32, count)


def test_what_nobody_holds_is_taken_again():
    first = lent()
    address = first.data_ptr()
    part = first[5:9]
    del first
    second = lent()
    assert second.data_ptr() != address, "a view still holds it"
    del part
    assert lent().data_ptr() == address
    assert lent(ROWS - ROWS // 8).data_ptr() == address, "a little less fits too"
    assert lent(ROWS // 2).data_ptr() != address, "half of it would be a waste"


def test_small_pieces_are_not_lent():
    lent(ROWS // 64)
    assert fastgan.empty_cache() == 0


def test_empty_cache_says_how_much_it_was():
    held = lent()
    lent(3 * ROWS)
    assert fastgan.empty_cache() == 4 * 3 * ROWS
    assert fastgan.empty_cache() == 0
    del held
    assert fastgan.empty_cache() == 4 * ROWS


def test_no_more_than_half_a_gigabyte_is_kept():
    pieces = [lent(40 << 20) for _ in range(5)]  # 160 MB each; no page of them is touched
    pieces.clear()
    assert fastgan.empty_cache() == 3 * 160 << 20
    lent(130 << 20)  # 520 MB
    assert fastgan.empty_cache() == 0, "more than is ever kept goes straight back"


def test_a_graph_that_is_kept_is_not_written_over():
    lstm, x = FusedLSTM(3, 64, num_layers=2, backend="cpu"), torch.randn(40, 64, 3)
    weights = list(lstm.parameters())

    def step(data: torch.Tensor) -> tuple[torch.Tensor, ...]:
        output, _ = lstm(data)
        return torch.autograd.grad(output.square().sum(), weights, retain_graph=True)

    want = step(x)
    output, _ = lstm(x)
    loss = output.square().sum()
    first = torch.autograd.grad(loss, weights, retain_graph=True)
    for _ in range(3):
        step(torch.randn_like(x))
    second = torch.autograd.grad(loss, weights)
    for one, other, wanted in zip(first, second, want, strict=True):
        assert torch.equal(one, wanted)
        assert torch.equal(other, wanted)


def test_many_threads():
    wrong = []

    def work(number: int) -> None:
        for _ in range(50):
            one, other = lent(), lent(2 * ROWS)
            one.fill_(number)
            other.fill_(-number)
            if not (bool((one == number).all()) and bool((other == -number).all())):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_process_has_memory_of_its_own():
    held = lent()
    held.fill_(1)
    free = lent()
    address = free.data_ptr()
    del free
    child = os.fork()
    if child == 0:
        mine = lent()
        mine.fill_(2)
        os._exit(0 if mine.data_ptr() == address and float(held.sum()) == ROWS else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert float(held.sum()) == ROWS
    assert lent().data_ptr() == address
