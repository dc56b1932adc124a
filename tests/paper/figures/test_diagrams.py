"""The diagrams of game and networks hold the numbers of the modules that they were given."""

import pytest
import torch

from fastgan.base.errors import BadInput
from fastgan.gan.game import Game
from fastgan.nn.encoder import AutoEncoder
from fastgan.paper.figures.diagrams import draw_gan, draw_network
from fastgan.paper.figures.layers import count
from tests.paper.figures.common import check_files, texts


def game(hidden=128, encoder=False, dtype=torch.float32):
    return Game.build(hidden=hidden, encoder=encoder, seed=0, device=torch.device("cpu"), dtype=dtype)


def words(draw, tmp_path):
    draw(tmp_path / "a.svg")
    return texts(tmp_path / "a.svg")


def test_the_papers_game(tmp_path):
    networks = game()
    found = check_files(lambda path: draw_gan(networks, path, window=6), tmp_path)
    assert found.count("198,273 parameters") == 2
    assert found.count("[B, 6, 1]") == 3, "noise, generated, real"
    assert found.count("[B, 6]") == found.count("[B]") == 1
    assert {"Generator", "Discriminator", "MSE", "noise", "sound", "generated", "real"} <= set(found)
    assert sum("binary cross-entropy" in line for line in found) == 2
    assert not {"Encoder", "Decoder"} & set(found)


def test_a_game_of_latent_frames_shows_its_encoder(tmp_path):
    networks = game(hidden=17, encoder=True, dtype=torch.float64)
    found = check_files(lambda path: draw_gan(networks, path, window=9), tmp_path)
    assert found.count("[B, 9, 16]") == 3
    assert found.count("[B, 576]") == 2, "sound and what is rebuilt of it"
    assert found.count("MSE") == 2
    for part in (networks.generator, networks.discriminator, networks.encoder.encoder, networks.encoder.decoder):
        assert f"{count(part):,} parameters" in found
    assert {"Encoder", "Decoder", "rebuilt", "3 max-poolings"} <= set(found)


def test_another_encoder_gives_other_numbers(tmp_path):
    networks = game(hidden=8, encoder=True)
    networks.encoder = AutoEncoder(channels=4)
    found = words(lambda path: draw_gan(networks, path, window=2), tmp_path)
    assert f"{count(networks.encoder.encoder):,} parameters" in found


def test_the_papers_generator(tmp_path):
    generator = game().generator
    found = check_files(lambda path: draw_network(generator, path, window=6, title="Figure 2"), tmp_path)
    assert found[0] == "Figure 2"
    assert {"66,560 parameters", "131,584 parameters", "129 parameters", "1 unit"} <= set(found)
    assert "198,273 parameters in all, 198,273 of them trainable" in found
    assert {"weight_ih [512, 1]", "weight_ih [512, 128]", "weight_hh [512, 128]", "weight [1, 128]"} <= set(found)
    assert found.count("[B, 6, 128]") == 2
    assert found[-1].endswith("[B, 128] to [B, 1]"), "the paper's Table 4: (None, 1)"
    assert found.count("x") == found.count("y") == 6
    assert found.count("h") == 12


def test_the_discriminator_judges_by_the_last_step(tmp_path):
    discriminator = game(hidden=20).discriminator
    found = check_files(lambda path: draw_network(discriminator, path, window=6), tmp_path)
    assert {"[B, 6, 20]", "[B, 6, 20], of the last step [B, 20]", "[B, 1], logit, above 0 for real"} <= set(found)
    assert f"{count(discriminator):,} parameters in all" in " ".join(found)
    assert found.count("x") == 6
    assert found.count("y") == 1


@pytest.mark.parametrize(("window", "cells"), [(1, 1), (3, 3), (7, 5), (300, 5)])
def test_few_cells_stand_for_many_steps(window, cells, tmp_path):
    found = check_files(lambda path: draw_network(game(hidden=8).generator, path, window=window), tmp_path)
    assert found.count("x") == cells
    assert found.count("…") == (4 if window > 6 else 0)
    assert ("n" in found) == (window > 6)
    assert f"[B, {window}, 8]" in found


def test_frozen_weights_are_not_trainable(tmp_path):
    generator = game(hidden=8).generator
    generator.dense.requires_grad_(False)
    found = words(lambda path: draw_network(generator, path, window=6), tmp_path)
    total = count(generator)
    assert f"{total:,} parameters in all, {total - 9:,} of them trainable" in found


def test_broken_arguments(tmp_path):
    networks = game(hidden=8)
    with pytest.raises(ValueError, match="window is 0"):
        draw_gan(networks, tmp_path / "a.svg", window=0)
    with pytest.raises(ValueError, match="window is -1"):
        draw_network(networks.generator, tmp_path / "a.svg", window=-1)
    with pytest.raises(TypeError, match="got FusedLSTM"):
        draw_network(networks.generator.lstm, tmp_path / "a.svg", window=6)
    with pytest.raises(ValueError, match=r"\.svg or \.png"):
        draw_gan(networks, tmp_path / "a.jpg", window=6)
    with pytest.raises(BadInput):
        draw_gan(networks, tmp_path / "missing" / "a.svg", window=6)
    assert not list(tmp_path.iterdir())
