import math

import pytest
import torch

from fastgan.base.errors import BadInput
from fastgan.gan.game import Game
from fastgan.gan.sample import fed_back
from fastgan.paper.failures.feedback import FixedPoint, fixed_points

CPU = torch.device("cpu")


def build(*, hidden: int = 16, seed: int = 0, dtype: torch.dtype = torch.float64) -> Game:
    return Game.build(hidden=hidden, encoder=False, seed=seed, device=CPU, dtype=dtype)


@torch.no_grad()
def known(slope: float, loudest: float, bias: float = 0.0) -> Game:
    """A game whose next value is `last(slope, loudest, bias)` of the last value alone: nothing recurs, all gates are open."""
    game = build(hidden=1)
    lstm, dense = game.generator.lstm, game.generator.dense
    for weight in lstm.parameters():
        weight.zero_()
    for layer, weight in enumerate((slope / loudest, 1.0)):
        gates = torch.tensor([50.0, -50.0, 0.0, 50.0])  # i, f, g, o before their sigmoids: 1, 0, -, 1
        getattr(lstm, f"bias_l{layer}").copy_(gates)
        getattr(lstm, f"weight_ih_l{layer}")[2] = weight
    dense.weight.fill_(loudest)
    dense.bias.fill_(bias)
    return game


def last(value: float, slope: float, loudest: float, bias: float = 0.0) -> float:
    inner = math.tanh(math.tanh(slope / loudest * value))
    return loudest * math.tanh(math.tanh(inner)) + bias


def root(slope: float, loudest: float, sign: int = 1) -> float:
    """The positive x with last(x) = sign * x, by bisection."""
    low, high = 1e-3, 10.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if sign * last(middle, slope, loudest) > middle else (low, middle)
    return low


def starts(count: int = 20, window: int = 6, seed: int = 1) -> torch.Tensor:
    drawn = torch.rand(count, window, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return 2 * drawn - 1


@pytest.mark.parametrize("bias", [-0.4, 0.0, 2.5])
def test_a_net_that_gives_one_value_is_there_at_once(bias: float) -> None:
    game = build()
    with torch.no_grad():
        game.generator.dense.weight.zero_()
        game.generator.dense.bias.fill_(bias)
    run = fixed_points(game, starts(), steps=400)
    assert (run.rest_share, run.cycles, run.moving_share, run.steps_to_end) == (1.0, {}, 0.0, 1)
    assert run.ends == pytest.approx((bias,), abs=1e-15)
    (point,) = run.points
    assert (point.value, point.eigenvalue, point.share) == (pytest.approx(bias, abs=1e-12), 0.0, 1.0)
    assert (run.ascending_share, run.descending_share) == (0.0, 0.0)
    assert "came to rest from 20 of 20 starts" in run.sentence()


def test_a_slide_to_one_point() -> None:
    run = fixed_points(known(slope=0.9, loudest=5.0), starts(), steps=4000)
    (point,) = run.points
    assert point.value == pytest.approx(0, abs=1e-12)
    assert point.eigenvalue == pytest.approx(0.9, rel=1e-9)
    assert point.half_life == pytest.approx(math.log(0.5) / math.log(0.9), rel=1e-9)
    assert run.ascending_share == pytest.approx(float((starts()[:, -1] < 0).double().mean()))
    assert run.descending_share == pytest.approx(1 - run.ascending_share)
    assert run.steps < 4000
    # 0.9^44 is the first power below 0.01; the bend of tanh is felt by the largest starts alone.
    assert run.steps_to_end is not None
    assert 38 <= run.steps_to_end <= 45


def test_two_points_that_attract_and_one_between_that_does_not() -> None:
    run = fixed_points(known(slope=1.5, loudest=1.0), starts(), steps=2000)
    end = root(1.5, 1.0)
    assert run.ends == pytest.approx((-end, end), abs=1e-9)
    assert [point.value for point in run.points] == pytest.approx([-end, 0, end], abs=1e-9)
    step = 1e-6
    there = (last(end + step, 1.5, 1.0) - last(end - step, 1.5, 1.0)) / (2 * step)
    assert [point.eigenvalue for point in run.points] == pytest.approx([there, 1.5, there], rel=1e-6)
    assert [point.attracts for point in run.points] == [True, False, True]
    above = float((starts()[:, -1] > 0).double().mean())
    assert [point.share for point in run.points] == pytest.approx([1 - above, 0, above])
    assert run.gap is not None
    assert run.gap < 1e-12


@pytest.mark.parametrize("window", [1, 2, 6])
def test_a_cycle_of_two_values(window: int) -> None:
    run = fixed_points(known(slope=-1.5, loudest=1.0), starts(window=window), steps=2000)
    assert (run.rest_share, run.ends, run.steps_to_end, run.gap) == (0.0, (), None, None)
    assert [point.attracts for point in run.points] == [False]
    if window == 1:  # a window of one value shows no cycle
        assert (run.cycles, run.moving_share) == ({}, 1.0)
        assert "still moved after 2,000 steps" in run.sentence()
    else:
        assert (run.cycles, run.moving_share) == ({2: 1.0}, 0.0)
        assert "repeats a cycle of 2 values" in run.sentence()


def test_a_slow_slide_is_not_taken_for_rest() -> None:
    run = fixed_points(known(slope=1 - 1e-5, loudest=1e3), starts(4), steps=300)
    assert (run.rest_share, run.moving_share) == (0.0, 1.0)


def louder(seed: int, dtype: torch.dtype = torch.float64) -> Game:
    """A game with random weights several times as large as they are drawn: those forget within a few steps."""
    game = build(seed=seed, dtype=dtype)
    with torch.no_grad():
        for weight in (*game.generator.lstm.parameters(), game.generator.dense.weight):
            weight.mul_(4)
    return game


@pytest.mark.parametrize("seed", range(1, 5))
def test_the_eigenvalue_is_the_rate_at_which_a_net_settles(seed: int) -> None:
    game, window, steps, small = louder(seed), 6, 12, 1e-4
    run = fixed_points(game, starts(), steps=2000)
    assert (run.rest_share, len(run.points)) == (1, 1)
    assert run.gap is not None
    assert run.gap < 1e-12
    (point,) = run.points
    # What 12 real steps make of a small push to each value of the window: the 12th power of the map, also if it spirals.
    ends = []
    for push in small * torch.cat((torch.eye(window), -torch.eye(window))).double():
        with torch.no_grad():
            (made,) = fed_back(game, point.value + push[None, :, None], steps)
            ends.append(made[0, -window:, 0])
    plus, minus = torch.stack(ends).chunk(2)
    kept = float(torch.linalg.eigvals((plus - minus) / (2 * small)).abs().max())
    assert kept ** (1 / steps) == pytest.approx(point.eigenvalue, rel=1e-4)


def test_a_run_that_never_settles_beside_a_point_that_attracts() -> None:
    game = louder(0)
    run = fixed_points(game, starts(), steps=2000)
    assert (run.rest_share, run.moving_share) == (0.0, 1.0)
    (point,) = run.points
    assert point.attracts
    near = fixed_points(game, torch.full((1, 6, 1), point.value + 1e-6, dtype=torch.float64), steps=4000)
    assert near.ends == pytest.approx((point.value,), abs=1e-9)


def test_many_runs_are_the_runs_one_by_one() -> None:
    game, first = build(dtype=torch.float32), starts(3).float()
    run = fixed_points(game, first, steps=300)
    for start in first:
        with torch.no_grad():
            (made,) = fed_back(game, start[None], 300)
            alone = float(made[0, -1])
        assert min(abs(alone - end) for end in run.ends) <= run.tolerance


def test_what_cannot_be_measured_is_refused() -> None:
    game = build()
    for wrong in (torch.zeros(6, 1), torch.zeros(2, 6, 3), torch.zeros(0, 6, 1)):
        with pytest.raises(ValueError, match="starts have shape"):
            fixed_points(game, wrong, steps=400)
    with pytest.raises(ValueError, match="needs to be 198 or more"):
        fixed_points(game, starts(), steps=197)
    frames = Game.build(hidden=4, encoder=True, seed=0, device=CPU, dtype=torch.float32)
    with pytest.raises(ValueError, match="frames of an encoder"):
        fixed_points(frames, starts(), steps=400)
    with torch.no_grad():
        game.generator.dense.bias.fill_(math.nan)
    with pytest.raises(BadInput, match="smaller learning rate"):
        fixed_points(game, starts(), steps=400)


def test_words_of_a_point() -> None:
    assert FixedPoint(0.25, 0.5, 1.0).words() == "0.2500 (largest eigenvalue 0.5000: halves a distance in 1 steps)"
    assert FixedPoint(0.25, 0.0, 1.0).half_life == 0
    assert FixedPoint(0.25, 1.5, 0.0).half_life == math.inf
