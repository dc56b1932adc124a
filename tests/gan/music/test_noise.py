"""The noise that new music is made from."""

import pytest
import torch

from fastgan.gan.music.guide import Course
from fastgan.gan.music.noise import MOST, Noise
from tests.nn.test_styles import known


def course(*beats: tuple[float, float]) -> Course:
    """Pieces with these seconds from beat to beat and these regularities, in steps of 0.1 s."""
    styles, _ = known()
    period, regularity = torch.tensor(beats).T
    return Course(
        styles, torch.zeros(len(beats), dtype=torch.int64), None, period, regularity, torch.zeros(len(beats)), 0.1
    )


def correlation(noise: torch.Tensor, lag: int) -> float:
    """Of all values with those so many steps before."""
    return float((noise[lag:] * noise[:-lag]).mean() / noise.square().mean())


def test_the_more_returns_with_the_beat_the_more_regular_that_is_in_the_music() -> None:
    noise = Noise(course((0.6, 0.0), (0.6, 0.25), (0.8, 0.49)), [1, 2, 3], 50)
    made = torch.cat([noise.next(16) for _ in range(100)], 1)
    for piece, (lag, wanted) in enumerate([(6, 0.0), (6, 0.5), (8, 0.7)]):
        assert correlation(made[piece], lag) == pytest.approx(wanted, abs=0.02)
        assert correlation(made[piece], 2 * lag) == pytest.approx(wanted**2, abs=0.03)
        assert correlation(made[piece], lag - 1) == pytest.approx(0, abs=0.02)


def test_every_value_stays_normal() -> None:
    made = torch.cat([*(Noise(course((0.6, 0.8)), [seed], 400).next(30) for seed in range(20))], 0)
    for step in (0, 5, 6, 29):
        assert float(made[:, step].mean()) == pytest.approx(0, abs=0.05)
        assert float(made[:, step].std()) == pytest.approx(1, abs=0.05)


def test_what_returns_never_stays_as_it_is() -> None:
    """Not even in music that is the same beat after beat."""
    noise = Noise(course((0.5, 1.0)), [1], 200)
    made = torch.cat([noise.next(16) for _ in range(60)], 1)[0]
    assert correlation(made, 5) == pytest.approx(MOST, abs=0.02)


def test_a_piece_does_not_depend_on_those_beside_it() -> None:
    both = Noise(course((0.6, 0.5), (1.3, 0.7)), [1, 2], 4)
    alone = Noise(course((1.3, 0.7)), [2], 4)
    for _ in range(4):
        assert torch.equal(both.next(16)[1], alone.next(16)[0])


def test_a_beat_shorter_than_a_step_returns_with_the_step_before() -> None:
    made = Noise(course((0.02, 0.25)), [1], 100).next(64)[0]
    assert correlation(made, 1) == pytest.approx(0.5, abs=0.05)
