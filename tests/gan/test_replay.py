"""Recording and replaying, with a recorder that needs no GPU: it runs the function again on the same tensors."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from fastgan.gan.game import Game
from fastgan.gan.replay import Replay
from fastgan.gan.strides import Learner, fit
from fastgan.nn.by_hand import ByHand

CPU = torch.device("cpu")


class Tape:
    """Does what a CUDA graph does: results go where those of the recording went, inputs are read where they were."""

    def __init__(self, run: Callable[[], None]):
        self.replay = run


@pytest.fixture
def calls() -> list[int]:
    return []


def test_the_second_call_of_a_shape_is_recorded_and_every_call_counts_once(calls):
    total = torch.zeros(())

    def work(x: Tensor) -> dict[str, Tensor]:
        calls.append(len(x))
        total.add_(x.sum())
        return {"total": total.clone(), "twice": 2 * x}

    tapes: list[Tape] = []

    def record(run: Callable[[], None]) -> Tape:
        tapes.append(Tape(run))
        return tapes[-1]

    replay = Replay(work, CPU, record)
    for number in range(1, 6):
        x = torch.full((3,), float(number))
        found = replay(x)
        assert float(found["total"]) == 3 * sum(range(1, number + 1))
        assert torch.equal(found["twice"], 2 * x)
    assert len(tapes) == 1
    replay(torch.ones(4))  # another shape begins anew
    assert len(tapes) == 1
    assert calls == [3] * 5 + [4]


def test_without_a_recorder_it_only_calls(calls):
    replay = Replay(lambda x: calls.append(1) or {"x": x}, CPU)
    x = torch.ones(2)
    assert replay(x)["x"] is x
    assert calls == [1]


def learner() -> tuple[Game, Learner]:
    game = Game.build(hidden=8, encoder=False, seed=0, device=CPU, dtype=torch.float32)
    game.optimise(("generator",), 1e-2)
    return game, Learner(ByHand(game.generator), game.optimisers["generator"])


def test_replayed_strides_train_as_called_ones_do():
    strides = torch.randn(5, 4, 7, 3, 1)
    (game, ours), (other, theirs) = learner(), learner()
    replay = Replay(lambda x: fit(ours, x), CPU, Tape)
    sums: dict[str, Tensor] = {}
    for stride in strides:
        buffer = stride.clone()
        for name, value in replay(buffer).items():
            sums[name] = sums[name] + value if name in sums else value.clone()
        buffer.fill_(float("nan"))  # inputs may be overwritten as soon as a call is over
    wanted = [fit(theirs, stride) for stride in strides]
    assert all(torch.equal(value, other.tensors()[name]) for name, value in game.tensors().items())
    for name, value in sums.items():
        torch.testing.assert_close(value, torch.stack([one[name] for one in wanted]).sum())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_graph_trains_as_calls_do():
    strides = torch.randn(5, 4, 7, 3, 1, device="cuda")
    games = []
    for graphs in (True, False):
        game = Game.build(hidden=32, encoder=False, seed=0, device=torch.device("cuda"), dtype=torch.float32)
        game.optimise(("generator",), 1e-2)
        mine = Learner(ByHand(game.generator), game.optimisers["generator"])
        work = Replay(lambda x, mine=mine: fit(mine, x), game.device) if graphs else lambda x, mine=mine: fit(mine, x)
        losses = [float(work(stride)["loss"]) for stride in strides]
        games.append((game.tensors(), losses))
    (ours, our_losses), (theirs, their_losses) = games
    assert our_losses == pytest.approx(their_losses, rel=1e-5)
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], msg=name)
