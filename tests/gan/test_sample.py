import numpy as np
import pytest
import torch

from fastgan.base.errors import BadInput
from fastgan.gan.game import Game
from fastgan.gan.sample import by_feedback, fed_back, from_noise, joined, rebuilt

CPU = torch.device("cpu")


def build(*, encoder: bool = False, hidden: int = 12) -> Game:
    return Game.build(hidden=hidden, encoder=encoder, seed=0, device=CPU, dtype=torch.float64)


@pytest.mark.parametrize("window", [1, 2, 6, 9])
def test_feedback_is_the_next_value_again_and_again(window: int) -> None:
    game, start = build(), torch.randn(window, 1, dtype=torch.float64)
    with torch.no_grad():
        (ours,) = fed_back(game, start[None], 25)
        values = list(start)
        for _ in range(25):
            values.append(game.generator.next_value(torch.stack(values[-window:])[None])[0])
    torch.testing.assert_close(ours[0], torch.stack(values[window:]), atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("length", [1, 5, 6, 7, 100, 60_001])
@pytest.mark.parametrize("encoder", [False, True])
def test_any_length_and_a_longer_one_begins_the_same(length: int, encoder: bool) -> None:
    game = build(encoder=encoder, hidden=3)
    made = joined(from_noise(game, length, window=6, seed=1))
    assert made.dtype == np.int16
    assert made.shape == (length,)
    if not encoder:  # a decoder looks a little ahead
        np.testing.assert_array_equal(joined(from_noise(game, length + 50_000, window=6, seed=1))[:length], made)
    if length == 100:
        assert not np.array_equal(joined(from_noise(game, length, window=6, seed=2)), made)


@pytest.mark.parametrize("encoder", [False, True])
def test_feedback_gives_any_length(encoder: bool) -> None:
    game = build(encoder=encoder)
    start = torch.rand(6, 16 if encoder else 1, dtype=torch.float64)
    for length in (1, 63, 64, 65, 700):
        assert joined(by_feedback(game, length, start=start)).shape == (length,)


def test_sequences_come_from_noise_one_after_the_other() -> None:
    game = build()
    made = joined(from_noise(game, 18, window=6, seed=1))
    alone = game.generator(
        torch.randn(49_152 // 6, 6, 1, generator=torch.Generator().manual_seed(_seed(1)), dtype=torch.float64)[:3]
    )
    np.testing.assert_array_equal(made, np.rint(alone.detach().numpy().reshape(-1) * 32_768).astype(np.int16))


def _seed(seed: int) -> int:
    from fastgan.gan.seeds import derive

    return derive(seed, 0)


def test_weights_that_diverged_are_named_and_loud_ones_saturate() -> None:
    game = build()
    with torch.no_grad():
        game.generator.dense.bias.fill_(5.0)
    assert joined(from_noise(game, 10, window=6, seed=0)).max() == 32_767
    with torch.no_grad():
        game.generator.dense.bias.fill_(float("nan"))
    with pytest.raises(BadInput, match="smaller learning rate"):
        joined(from_noise(game, 10, window=6, seed=0))


@pytest.mark.parametrize("encoder", [False, True])
def test_the_first_block_comes_before_the_rest_is_made(encoder: bool) -> None:
    game, forever = build(encoder=encoder), 10**12
    for carried in (False, True):
        start = torch.rand(6, 16 if encoder else 1, dtype=torch.float64)
        first = next(by_feedback(game, forever, start=start, carried=carried))
        few = joined(by_feedback(game, len(first), start=start, carried=carried))
        ahead = 8 * game.frame if encoder else 0  # of a decoder
        np.testing.assert_array_equal(first[: len(first) - ahead], few[: len(few) - ahead])
    assert 0 < len(next(from_noise(game, forever, window=6, seed=0))) <= 65_536


def test_carried_is_one_pass_over_all_that_came_before() -> None:
    game, start = build(), torch.randn(3, 5, 1, dtype=torch.float64)
    (ours,) = fed_back(game, start, 30, carried=True)
    with torch.no_grad():
        again = game.generator(torch.cat((start, ours[:, :-1]), dim=1))[:, 4:]
    torch.testing.assert_close(ours, again, atol=1e-12, rtol=1e-12)


def test_progress_is_told_and_may_stop_the_work() -> None:
    told: list[float] = []
    joined(from_noise(build(), 200_000, window=6, seed=0, tick=told.append))
    assert told == sorted(told)
    assert told[-1] == 1

    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        joined(by_feedback(build(), 5000, start=torch.zeros(6, 1, dtype=torch.float64), tick=stop))


def test_rebuilding_keeps_the_length() -> None:
    samples = (3000 * np.sin(np.arange(1000) * 0.05)).astype(np.int16)
    assert rebuilt(build(encoder=True), samples).shape == samples.shape
    np.testing.assert_array_equal(rebuilt(build(), samples), samples)  # no encoder: nothing is lost
