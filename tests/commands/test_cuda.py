"""The trainer on a GPU: the same promises as on the processor."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from fastgan.gan.checkpoint import load_checkpoint
from fastgan.generate import main as generate
from fastgan.train import main as train
from tests.commands.test_train import SMALL, rows, same, weights

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@pytest.mark.parametrize("extra", [[], ["--encoder", "conv", "--encoder-epochs", "1", "--window", "4"]])
def test_trains_resumes_and_makes_music(music: Callable[..., Path], tmp_path: Path, extra: list[str]) -> None:
    data = ["--data", str(music()), "--device", "cuda", *SMALL, *extra]
    assert train([*data, "--out", str(tmp_path / "whole")]) == 0
    assert train([*data, "--epochs", "1", "--out", str(tmp_path / "parts")]) == 0
    assert train(["--resume", "--epochs", "2", "--out", str(tmp_path / "parts")]) == 0
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    for where in ("cuda", "cpu"):
        assert (
            generate([str(tmp_path / "whole"), "--seconds", "0.2", "--device", where, "--out", str(tmp_path / where)])
            == 0
        )


def test_learns_what_the_processor_learns(music: Callable[..., Path], tmp_path: Path) -> None:
    data = ["--data", str(music()), *SMALL, "--epochs", "0", "--dtype", "float64"]
    for device in ("cpu", "cuda"):
        assert train([*data, "--device", device, "--out", str(tmp_path / device)]) == 0
    here, there = (load_checkpoint(tmp_path / device / "checkpoint").tensors for device in ("cpu", "cuda"))
    for name, value in here.items():
        torch.testing.assert_close(there[name], value, rtol=1e-6, atol=1e-9)
    assert rows(tmp_path / "cpu")[0]["loss"] == pytest.approx(rows(tmp_path / "cuda")[0]["loss"], rel=1e-6)
