"""Latent frames of all the music."""

from pathlib import Path

import numpy as np
import torch

from fastgan.gan.music import latents as module
from fastgan.gan.music.excerpts import Excerpts
from fastgan.gan.music.latents import Latents, encode
from tests.gan.music.common import FRAMES, RATE, corpus_of, music_of, small_game, tunes


def ignore(share: float) -> None:
    """Nobody watches."""


def chord(hz: float) -> np.ndarray:
    """Twelve seconds of a trembling sound that is unlike those of other pitches."""
    time = np.arange(12 * RATE) / RATE
    return (8000 * np.sin(2 * np.pi * hz * time) * (1.2 + np.sin(5 * time))).astype(np.int16)


def test_frames_are_those_of_the_encoder_however_a_piece_is_cut(tmp_path: Path, monkeypatch) -> None:
    music, game = music_of(corpus_of(tmp_path, tunes())), small_game()
    game.encoder.fit_components(FRAMES.magnitudes(music.sound(p, 0, p.frames)) for p in music.pieces)
    for weight in game.encoder.parameters():
        torch.nn.init.normal_(weight, std=0.05)
    piece = music.pieces[2]
    whole = game.encoder.encode(FRAMES.magnitudes(music.sound(piece, 0, piece.frames))[None])[0]
    monkeypatch.setattr(module, "_AT_ONCE", 13)
    assert torch.allclose(encode(music, piece, game.encoder)[0], whole, atol=1e-4)
    kept = Latents(music, game.encoder, game.genres, ignore)
    taken = kept.excerpts(np.array([piece.first + 4]), 9)[0]
    assert torch.allclose(taken, whole[4:13], atol=2e-3 * whole.abs().max().item())  # half precision


def test_a_style_is_that_of_its_own_piece(tmp_path: Path) -> None:
    music, game = (
        music_of(corpus_of(tmp_path, {f"{'ab'[n % 2]}/{n}": chord(200 * 2**n) for n in range(4)})),
        small_game(),
    )
    game.encoder.fit_components(FRAMES.magnitudes(music.sound(p, 0, p.frames)) for p in music.pieces)
    kept = Latents(music, game.encoder, game.genres, ignore)
    game.styles.fit(kept.means, kept.genres, kept.periods, kept.regularities)
    excerpts = Excerpts(music, length=8, batch=1, seed=0)
    genre = [game.genres.index(piece.clip.genre) for piece in music.pieces]
    means = [encode(music, piece, game.encoder)[0].mean(0) for piece in music.pieces]
    own = game.styles(torch.stack(means), torch.tensor(genre))
    for number, piece in enumerate(music.pieces):
        for start in (piece.first, piece.first + piece.frames - 8):
            style = kept.styles(game.styles, excerpts, np.array([start]))[0]
            assert style[-2:].argmax() == genre[number]
            assert (own - style).norm(dim=1).argmin() == number
