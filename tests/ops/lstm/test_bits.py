"""The same bits: on repeat, in any thread, beside any neighbours, in any batch, step by step, and in a forked process."""

import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest
import torch

from fastgan.ops.lstm import lstm
from tests.ops.lstm.cases import ABLE, Case, leaves_of, needs_cpu, run_ours

KINDS = [
    Case(6, 40, 3, 33),
    Case(7, 37, 2, 64, layers=2, states=True, dropout=True),
    Case(5, 130, 1, 17, layers=2, directions=2, states=True),
    Case(4, 40, 3, 20, projected=7, layers=2, states=True),
    Case(9, 35, 2, 31, torch.float64, layers=3),
]
LARGE = Case(6, 70, 3, 96, layers=2, directions=2, states=True)  # enough work for a team of threads


@pytest.mark.parametrize("backend", ABLE)
def test_every_time_and_in_every_thread(backend):
    case = Case(6, 5, 3, 33, layers=2, directions=2, dropout=True)
    first = run_ours(case, backend)
    others = [run_ours(case, backend)]
    threads = [threading.Thread(target=lambda: others.append(run_ours(case, backend))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(others) == 5
    for other in others:
        assert all(torch.equal(first[name], other[name]) for name in first)


@needs_cpu
def test_teams_of_several_threads_at_once(any_threads):
    any_threads(2)
    first = run_ours(LARGE, "cpu")
    others: list[dict[str, torch.Tensor]] = []

    def work() -> None:
        torch.set_num_threads(2)
        others.extend(run_ours(LARGE, "cpu") for _ in range(3))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(others) == 9
    for other in others:
        assert all(torch.equal(first[name], other[name]) for name in first)


@needs_cpu
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("keep", [False, True], ids=["inference", "training"])
@pytest.mark.parametrize("case", KINDS, ids=str)
def test_beside_any_neighbours(case, keep, threads, instructions, any_threads):
    any_threads(threads)
    stack = case.stack(grad=keep)
    whole = lstm(stack, backend="cpu")
    changed = stack.x.detach().clone()
    changed[:, ::2] = torch.randn_like(changed[:, ::2])
    among_others = lstm(stack._replace(x=changed), backend="cpu")
    for one, other in zip(whole, among_others, strict=True):
        assert torch.equal(one[:, 1::2], other[:, 1::2])
        assert not torch.equal(one, other)
    rows = case.steps, case.batch
    for first, last in ((0, 1), (0, 2), (0, 7), (0, 33), (case.batch - 1, case.batch), (5, 18)):
        part = slice(first, last)
        h0, c0 = (None if state is None else state[:, part] for state in (stack.h0, stack.c0))
        masks = None if stack.masks is None else stack.masks.unflatten(1, rows)[:, :, part].flatten(1, 2)
        alone = lstm(stack._replace(x=stack.x[:, part], h0=h0, c0=c0, masks=masks), backend="cpu")
        for name, one, other in zip(("output", "h_n", "c_n"), whole, alone, strict=True):
            assert torch.equal(one[:, part], other), f"{name} of {first} to {last}"


@needs_cpu
@pytest.mark.parametrize("case", [*KINDS, LARGE, Case(300, 2, 40, 128)], ids=str)
def test_with_any_number_of_threads(case, instructions, any_threads):
    found = []
    for threads in (1, 2, 3):
        any_threads(threads)
        found.append([tensor.detach() for tensor in lstm(case.stack(grad=True), backend="cpu")])
    for other in found[1:]:
        assert all(torch.equal(one, two) for one, two in zip(found[0], other, strict=True))


@needs_cpu
@pytest.mark.parametrize("batch", [1, 2, 3, 40])
@pytest.mark.parametrize(("inputs", "hidden", "projected"), [(3, 33, 0), (3, 33, 5), (140, 131, 0)])
def test_step_by_step(batch, inputs, hidden, projected, instructions):
    stack = Case(7, batch, inputs, hidden, projected=projected, layers=2, states=True).stack()
    output, h_n, c_n = lstm(stack, backend="cpu")
    h, c = stack.h0, stack.c0
    for t in range(7):
        step, h, c = lstm(stack._replace(x=stack.x[t : t + 1], h0=h, c0=c), backend="cpu")
        assert torch.equal(step[0], output[t])
    assert torch.equal(h, h_n)
    assert torch.equal(c, c_n)


@needs_cpu
def test_in_inference_and_training():
    for case in KINDS:
        kept, alone = (lstm(case.stack(grad=grad), backend="cpu") for grad in (True, False))
        assert all(torch.equal(one, other) for one, other in zip(kept, alone, strict=True))


@needs_cpu
def test_of_sequences_that_end_early():
    """A packed sequence gives what it gives alone."""
    stack = Case(9, 5, 3, 33, layers=2, directions=2, lengths=(9, 7, 7, 2, 1)).stack()
    output, h_n, c_n = lstm(stack, backend="cpu")
    starts = torch.tensor([0, *stack.batch_sizes]).cumsum(0)
    for row, length in enumerate((9, 7, 7, 2, 1)):
        steps = starts[:length] + row
        alone = lstm(stack._replace(x=stack.x[steps][:, None], batch_sizes=()), backend="cpu")
        assert torch.equal(alone[0][:, 0], output[steps])
        assert torch.equal(alone[1][:, 0], h_n[:, row])
        assert torch.equal(alone[2][:, 0], c_n[:, row])


def run_script(script: str) -> None:
    """In a process of its own, which may neither crash nor hang."""
    start = """
        import multiprocessing, os, sys, torch
        from fastgan.ops.lstm import lstm
        from tests.ops.lstm.cases import Case
        from tests.ops.lstm.test_bits import LARGE
        torch.set_num_threads(2)
        stack = LARGE.stack()
        want = lstm(stack, backend="cpu")
        def same(_=None):
            # Not torch.equal: torch's own parallel loops hang in a forked process.
            return all(a.numpy().tobytes() == b.numpy().tobytes() for a, b in zip(want, lstm(stack, backend="cpu")))
    """
    code = textwrap.dedent(start) + textwrap.dedent(script)
    done = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        _, said = done.communicate(timeout=60)
    finally:
        if done.poll() is None:
            os.killpg(done.pid, signal.SIGKILL)  # its children as well
            done.communicate()
    assert done.returncode == 0, said


@needs_cpu
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_in_a_forked_process():
    run_script("""
        for _ in range(2):
            child = os.fork()
            if child == 0:
                os._exit(0 if same() and torch.get_num_threads() == 2 else 1)
            assert os.waitpid(child, 0)[1] == 0
            assert same()
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert all(pool.map(same, range(4)))
    """)


@needs_cpu
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_in_a_worker_of_a_data_loader():
    run_script("""
        class Data(torch.utils.data.Dataset):
            def __len__(self):
                return 4
            def __getitem__(self, k):
                return torch.tensor(same())
        loader = torch.utils.data.DataLoader(Data(), num_workers=2, multiprocessing_context="fork")
        assert all(bool(answer) for answer in loader)
        assert same()
    """)


@needs_cpu
def test_both_biases_have_gradients_of_their_own():
    stack = Case(3, 2, 2, 4).stack(grad=True)
    lstm(stack, backend="cpu")[0].sum().backward()
    leaves = leaves_of(stack)
    assert torch.equal(leaves["b_ih[0]"].grad, leaves["b_hh[0]"].grad)
    assert leaves["b_ih[0]"].grad.data_ptr() != leaves["b_hh[0]"].grad.data_ptr()
