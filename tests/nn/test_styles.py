"""Styles of pieces."""

import torch

from fastgan.nn.styles import ROWS, Styles


def known(genres: int = 1, rows: int = 300) -> tuple[Styles, torch.Tensor, torch.Tensor]:
    """Styles of mean frames that lie in two directions of six."""
    random = torch.Generator().manual_seed(0)
    means = torch.randn(rows, 2, generator=random) @ torch.randn(2, 6, generator=random) + 3
    owners = torch.arange(rows) % genres
    styles = Styles(6, 2, genres)
    styles.fit(means, owners)
    return styles, means, owners


def test_components_of_the_music_have_a_spread_of_one() -> None:
    styles, means, owners = known()
    made = styles(means, owners)
    assert made.shape == (300, 2)
    assert torch.allclose(torch.cov(made.T, correction=0), torch.eye(2), atol=1e-3)
    assert styles.fitted
    assert not Styles(6, 2).fitted


def test_drawn_styles_are_those_of_the_music_and_differ() -> None:
    styles, means, owners = known(rows=ROWS)
    drawn = styles.draw(50, torch.Generator().manual_seed(1))
    nearest = torch.cdist(drawn, styles(means, owners)).min(1)
    assert float(nearest.values.max()) < 1e-3
    assert len(nearest.indices.unique()) == 50
    assert torch.equal(drawn, styles.draw(50, torch.Generator().manual_seed(1)))
    assert not torch.equal(drawn, styles.draw(50, torch.Generator().manual_seed(2)))


def test_genres_are_told_apart() -> None:
    styles, _, _ = known(genres=3)
    assert styles.size == 5
    drawn = styles.draw(20, torch.Generator().manual_seed(0), genre=1)
    assert torch.equal(drawn[:, 2:], torch.tensor([[0.0, 1.0, 0.0]]).expand(20, -1))
    noisy = styles.spoil(drawn, torch.ones_like(drawn))
    assert torch.equal(noisy[:, 2:], drawn[:, 2:])
    assert not torch.equal(noisy[:, :2], drawn[:, :2])


def test_a_new_mean_takes_the_genre_of_the_nearest_music() -> None:
    styles, means, owners = known(genres=3)
    for row in (0, 1, 2, 50):
        assert torch.allclose(styles.near(means[row]), styles(means[row : row + 1], owners[row : row + 1])[0])
    assert styles.near(means[0], genre=2)[2:].tolist() == [0, 0, 1]


def test_more_may_be_drawn_than_there_are() -> None:
    styles, _, _ = known(genres=2)
    assert styles.draw(ROWS + 5, torch.Generator().manual_seed(0), genre=0).shape == (ROWS + 5, 4)
