"""The benchmark for GPUs, on the processor: Triton's interpreter stands in for the device."""

import pytest

from benchmarks import lstm_gpu, turns
from benchmarks.cases import INFERENCE, PENALTY, TRAINING, Case
from fastgan.ops.lstm import triton_gpu

pytestmark = pytest.mark.skipif(
    not triton_gpu.interpreted() or triton_gpu.why_not_here() is not None, reason="no interpreter"
)
CASE = Case(2, 2, 1, 4, 2)


@pytest.mark.parametrize("workload", [INFERENCE, TRAINING, PENALTY])
def test_answers_are_checked_and_calls_timed(workload, monkeypatch):
    monkeypatch.setattr(turns, "brief", True)
    monkeypatch.setattr(lstm_gpu, "REPEATS", 1)
    assert lstm_gpu.check(CASE, workload, lstm_gpu.DTYPES["float32"], "cpu") == ""
    row = lstm_gpu.measure(CASE, workload, "float32", "cpu")
    assert row["seconds"].keys() == {"torch, eager", "fastgan, eager"}
    assert row["ratio"]["eager"][0] > 0


def test_a_wrong_answer_is_named(monkeypatch):
    right = lstm_gpu.FusedLSTM.forward
    monkeypatch.setattr(lstm_gpu.FusedLSTM, "forward", lambda self, x: (right(self, x)[0] * 1.001, None))
    assert "output is off by" in lstm_gpu.check(CASE, INFERENCE, lstm_gpu.DTYPES["float32"], "cpu")


def test_without_a_gpu_it_says_so(monkeypatch):
    monkeypatch.setattr("sys.argv", ["lstm_gpu"])
    with pytest.raises(SystemExit, match="nothing to measure: TRITON_INTERPRET=1 is set"):
        lstm_gpu.main()
