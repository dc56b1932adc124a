"""Each way in which the paper's sound failed, provoked here: caught by the health check or impossible with the writer."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fastgan.audio.files import read_sound, write_sound
from fastgan.audio.health import examine
from fastgan.gan.game import Game
from fastgan.gan.sample import by_feedback, from_noise, joined
from tests.conftest import RATE, tune

CPU = torch.device("cpu")


def game(seed: int = 0) -> Game:
    return Game.build(hidden=16, encoder=False, seed=seed, device=CPU, dtype=torch.float32)


def test_zero_length_cannot_be_written(tmp_path: Path) -> None:
    # "The wave file we saved showed that the length of the music was 0": a (3, 6) batch was handed to the writer.
    batch = game().generator(torch.randn(3, 6, 1)).detach().numpy()
    for wrong in (batch, batch[..., 0], np.zeros(0, np.float32)):
        with pytest.raises(ValueError, match="shape"):
            write_sound(tmp_path / "a.wav", wrong, RATE)
    assert not (tmp_path / "a.wav").exists()
    assert "empty" in examine(np.zeros(0, np.int16), RATE).problems


def test_silence_is_caught_and_not_made_by_a_cast(tmp_path: Path) -> None:
    # "The music we generated was silent": values in [-1, 1] were cast to int16, and became 0.
    sound = tune(1.0) / 32_768
    assert "silent" in examine(sound.astype(np.int16), RATE).problems
    write_sound(tmp_path / "a.wav", sound, RATE)
    assert examine(read_sound(tmp_path / "a.wav", RATE), RATE).ok


def test_a_generator_that_gives_nothing_is_caught() -> None:
    silent = game()
    with torch.no_grad():
        for weight in silent.generator.parameters():
            weight.mul_(1e-3)
    assert "silent" in examine(joined(from_noise(silent, RATE, window=6, seed=0)), RATE).problems


@pytest.mark.parametrize("wrong", [np.arange(100, dtype=np.int64), np.ones((1, 100)), np.array([0.1, np.nan])])
def test_corrupted_files_cannot_be_written(tmp_path: Path, wrong: np.ndarray) -> None:
    # "All the output .wav files were corrupted and cannot be played": integers of 64 bits, wrong shapes, no numbers.
    with pytest.raises(ValueError, match=r"samples|values"):
        write_sound(tmp_path / "a.wav", wrong, RATE)
    assert not (tmp_path / "a.wav").exists()


def test_doubles_become_a_file_that_plays(tmp_path: Path) -> None:
    import wave

    write_sound(tmp_path / "a.wav", np.linspace(-2, 2, 100), RATE)
    with wave.open(str(tmp_path / "a.wav")) as piece:  # refuses anything but PCM
        assert (piece.getsampwidth(), piece.getnframes()) == (2, 100)


@pytest.mark.parametrize("sign", [1, -1])
def test_ascending_or_descending_only_is_caught(sign: int) -> None:
    # "The output sequence is either ascending order or descending order."
    ramp = (sign * np.linspace(-30_000, 30_000, RATE)).astype(np.int16)
    assert "monotone" in examine(ramp, RATE).problems


def test_the_slide_of_a_net_that_is_fed_its_own_output_is_caught() -> None:
    for seed in range(3):
        sound = joined(by_feedback(game(seed), RATE // 4, start=torch.full((6, 1), 0.5)))
        found = set(examine(sound, RATE).problems)
        assert found & {"monotone", "constant", "silent"}, found


def test_high_pitch_without_pattern_is_caught() -> None:
    # "The audio file's sound was a high pitch sound with no clear pattern."
    random = np.random.default_rng(0)
    hiss = np.diff(random.normal(0, 3000, RATE + 2), n=2).clip(-30_000, 30_000).astype(np.int16)
    whistle = (9000 * np.sin(2 * np.pi * 9000 * np.arange(RATE) / RATE)).astype(np.int16)
    for sound in (hiss, whistle):
        assert set(examine(sound, RATE).problems) & {"high-pitched", "white noise", "one tone"}


def test_music_passes() -> None:
    for seed in range(5):
        assert examine(tune(2.0, seed=seed), RATE).ok
