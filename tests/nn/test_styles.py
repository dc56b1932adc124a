"""Styles of pieces."""

import pytest
import torch

from fastgan.nn.styles import Styles


def known(genres: int = 1, pieces: int = 6, seconds: int = 50) -> tuple[Styles, list[torch.Tensor]]:
    """Styles of pieces whose mean frames lie in two directions of six."""
    random = torch.Generator().manual_seed(0)
    shapes = torch.randn(2, 6, generator=random)
    means = [torch.randn(seconds, 2, generator=random) @ shapes + 3 for _ in range(pieces)]
    styles = Styles(6, 2, genres)
    styles.fit(
        means,
        [n % genres for n in range(pieces)],
        [0.5 + 0.01 * n for n in range(pieces)],
        [0.1 * n for n in range(pieces)],
    )
    return styles, means


def test_components_of_the_music_have_a_spread_of_one() -> None:
    styles, means = known()
    made = styles(torch.cat(means), torch.zeros(300, dtype=torch.int64))
    assert torch.allclose(torch.cov(made.T, correction=0), torch.eye(2), atol=1e-3)
    assert styles.fitted
    assert not Styles(6, 2).fitted


def test_drawn_seconds_are_those_of_the_music() -> None:
    styles, means = known()
    rows = styles.draw(50, torch.Generator().manual_seed(1))
    wanted = styles(torch.cat(means), torch.zeros(300, dtype=torch.int64))[rows]
    assert torch.allclose(styles.along(rows, torch.zeros(1))[:, 0], wanted, atol=1e-5)
    assert torch.equal(rows, styles.draw(50, torch.Generator().manual_seed(1)))
    assert not torch.equal(rows, styles.draw(50, torch.Generator().manual_seed(2)))
    assert len(styles.draw(700, torch.Generator().manual_seed(1))) == 700  # more than there are


@pytest.mark.parametrize("count", [2, 5, 10, 33])
@pytest.mark.parametrize("seed", range(5))
def test_drawn_seconds_are_spread_over_all_of_it(count: int, seed: int) -> None:
    styles, _ = known()
    rows = styles.draw(count, torch.Generator().manual_seed(seed)).sort().values
    gaps = torch.cat((rows[1:] - rows[:-1], rows[:1] + 300 - rows[-1:]))
    assert gaps.max() <= 2.7 * 300 / count + 1  # the golden section leaves none beyond 2.62 times the mean
    assert gaps.min() >= 0.35 * 300 / count - 1
    assert torch.equal(
        styles.draw(count - 1, torch.Generator().manual_seed(seed)),
        styles.draw(count, torch.Generator().manual_seed(seed))[:-1],
    )


def test_styles_go_where_the_piece_went_and_turn_around_at_its_ends() -> None:
    styles, means = known(seconds=4)
    piece = styles(means[2], torch.zeros(4, dtype=torch.int64))
    path = styles.along(torch.tensor([2 * 4 + 1]), torch.arange(9, dtype=torch.float64))[0]
    assert torch.allclose(path, piece[[1, 2, 3, 2, 1, 0, 1, 2, 3]], atol=1e-5)
    between = styles.along(torch.tensor([2 * 4 + 1]), torch.tensor([0.25, 2.5], dtype=torch.float64))[0]
    assert torch.allclose(
        between, torch.stack((0.75 * piece[1] + 0.25 * piece[2], 0.5 * (piece[3] + piece[2]))), atol=1e-5
    )


def test_a_piece_of_one_second_stays_where_it_is() -> None:
    styles, _ = known(seconds=1)
    path = styles.along(torch.tensor([3]), torch.arange(5, dtype=torch.float64))[0]
    assert torch.equal(path, path[:1].expand(5, -1))


def test_every_piece_keeps_its_share_when_there_is_too_much(monkeypatch) -> None:
    monkeypatch.setattr("fastgan.nn.styles.ROWS", 60)
    styles, _ = known(seconds=50)
    assert int(styles.rows) == 60
    assert styles.first[:60:10].tolist() == [0, 10, 20, 30, 40, 50]
    assert styles.last[:60:10].tolist() == [9, 19, 29, 39, 49, 59]
    assert torch.allclose(styles.period[:60:10], torch.tensor([0.5, 0.51, 0.52, 0.53, 0.54, 0.55]))


def test_genres_are_told_apart() -> None:
    styles, _ = known(genres=3)
    assert styles.size == 5
    rows = styles.draw(20, torch.Generator().manual_seed(0), genre=1)
    drawn = styles.along(rows, torch.zeros(1))[:, 0]
    assert torch.equal(drawn[:, 2:], torch.tensor([[0.0, 1.0, 0.0]]).expand(20, -1))
    noisy = styles.spoil(drawn, torch.ones_like(drawn))
    assert torch.equal(noisy[:, 2:], drawn[:, 2:])
    assert not torch.equal(noisy[:, :2], drawn[:, :2])
    strong = styles.strengthen(drawn, 1.5)
    assert torch.equal(strong[:, 2:], drawn[:, 2:])
    assert torch.equal(strong[:, :2], 1.5 * drawn[:, :2])


def test_a_new_mean_takes_the_genre_of_the_nearest_music() -> None:
    styles, means = known(genres=3)
    for piece in (0, 1, 2, 5):
        wanted = styles(means[piece][:1], torch.tensor([piece % 3]))[0]
        assert torch.allclose(styles.near(means[piece][0]), wanted)
    assert styles.near(means[0][0], genre=2)[2:].tolist() == [0, 0, 1]
