"""Claim: one thread is the safe choice for the paper's batch of 32; two can gain on an idle machine and lose much on a busy one.

The trainer's fit step (n = 6, H = 128) with one and two threads in turn, beside 0 and 1 other busy processes. Both give the same loss.

    python -m pytest benchmarks/bench_threads.py -s
"""

import subprocess
import sys

import pytest
import torch

from benchmarks.turns import ratio, take_turns
from fastgan.gan.game import Game
from fastgan.gan.strides import Learner, fit
from fastgan.nn.by_hand import ByHand


@pytest.mark.parametrize("busy", [0, pytest.param(1, marks=pytest.mark.long)])
def test_fit_step(benchmark, busy):
    before, x = torch.get_num_threads(), 0.1 * torch.randn(1, 7, 32, 1)

    def player(threads):
        game = Game.build(hidden=128, encoder=False, seed=0, device=torch.device("cpu"), dtype=torch.float32)
        game.optimise(("generator",), 1e-3)
        learner = Learner(ByHand(game.generator), game.optimisers["generator"])

        def step():
            torch.set_num_threads(threads)
            return fit(learner, x)["loss"]

        return step

    calls = {"one": player(1), "two": player(2)}
    torch.testing.assert_close(calls["one"](), calls["two"](), rtol=1e-5, atol=0)
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
    try:
        middle, low, high = ratio(take_turns(calls), "two", "one")
        print(f"\n{busy} busy processes: one thread is {middle:.2f} x as fast as two ({low:.2f} to {high:.2f})")
        benchmark.extra_info["one_over_two"] = [middle, low, high]
        benchmark.pedantic(calls["one"], rounds=15)
    finally:
        for other in others:
            other.kill()
            other.wait()
        torch.set_num_threads(before)
