"""The benchmark of feedback on a GPU, with a GPU that is made up."""

import pytest
import torch

from benchmarks import generate_gpu, turns
from benchmarks.report import gpu
from fastgan.nn.generator import Generator
from fastgan.ops.lstm.stepwise import Stepwise

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def stepwise(monkeypatch):
    """A run is one by definition, a turn short."""
    monkeypatch.setattr(turns, "brief", True)
    monkeypatch.setattr(generate_gpu, "OnGpu", Stepwise)
    monkeypatch.setattr(Generator, "kind_of_run", lambda *_: Stepwise)
    monkeypatch.setattr(Generator, "free_run", lambda self, clips, windows: Stepwise(self.net(), clips, windows))


@pytest.mark.parametrize("carried", [False, True])
def test_a_row_and_what_is_written_of_it(carried):
    row = generate_gpu.measure(3, carried, CPU, part=20, few=10)
    assert row["real_time"] == pytest.approx(90 / row["seconds"]["fastgan"])
    whole = row | {"machine": {"gpu": "a GPU"}, "versions": {}, "commit": "abc", "clean": True, "date": "2026-01-01"}
    told = "\n".join(gpu.fed_back([whole]))
    assert "a GPU" in told
    assert "3 at once" in told


def test_another_answer_is_not_timed(monkeypatch):
    honest = generate_gpu.plain_feedback
    monkeypatch.setattr(generate_gpu, "plain_feedback", lambda *args: honest(*args) + 5)
    with pytest.raises(AssertionError):
        generate_gpu.measure(2, False, CPU, part=20, few=10)


def test_nothing_is_recorded_yet():
    assert gpu.NOT_FED_BACK in gpu.fed_back([])
