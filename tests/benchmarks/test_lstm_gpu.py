"""The benchmark for GPUs, on the processor: its kernel stands in for the device's, a call for a graph."""

import os
import time

import pytest
import torch

from benchmarks import gpu_contest, lstm_gpu, rows
from benchmarks.cases import INFERENCE, PENALTY, TRAINING, Case
from benchmarks.gpu_cases import BRIEF, PLAN, Contest, together
from benchmarks.gpu_contest import Match
from fastgan.ops.lstm import backends, triton_gpu

NATIVE = pytest.mark.skipif(bool(dict(backends())["cpu"]), reason=str(dict(backends())["cpu"]))
INTERPRETER = pytest.mark.skipif(
    not triton_gpu.interpreted() or triton_gpu.why_not_here() is not None, reason="no interpreter"
)
CASE = Case(2, 2, 1, 4, 2)
CONTEST = Contest(CASE, TRAINING, "float32", 5, 2)


@pytest.mark.parametrize(
    ("case", "workload"),
    [
        *((CASE, workload) for workload in (INFERENCE, TRAINING, PENALTY)),
        (Case(5, 3, 2, 4, packed=True), TRAINING),
        (Case(3, 2, 2, 4, deep=True), TRAINING),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", [pytest.param("cpu", marks=NATIVE), pytest.param("triton", marks=INTERPRETER)])
def test_a_row_has_what_was_timed(name, case, workload):
    row = Match(Contest(case, workload, "float32"), "cpu", (name,)).measure(brief=True)
    assert row["seconds"].keys() == {"torch, eager", f"{name}, eager"}
    seconds = row["seconds"]
    assert row["ratio"] == {f"{name}, eager": [seconds["torch, eager"] / seconds[f"{name}, eager"]] * 3}
    assert (row["auto"], row["failed"], row["left out"]) == (name, {}, {})
    assert row["flags"]["torch runs on cuDNN"] == (workload != PENALTY)


def test_every_gradient_is_compared():
    def answers(case: Case, workload: str) -> set[str]:
        return set(gpu_contest.Player(Contest(case, workload, "float32"), "cpu", "torch").answers())

    weights = {f"gradient of {part}_l0" for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    assert answers(Case(2, 2, 1, 4), INFERENCE) == {"output"}
    assert answers(Case(2, 2, 1, 4), TRAINING) == {"output"} | weights
    assert answers(Case(2, 2, 1, 4, deep=True), TRAINING) == {"output", "gradient of x"} | weights
    assert answers(Case(2, 2, 1, 4), PENALTY) == {"output", "gradient of x"} | weights


@NATIVE
def test_a_wrong_answer_is_named_and_not_timed(monkeypatch):
    right = gpu_contest.FusedLSTM.forward
    monkeypatch.setattr(gpu_contest.FusedLSTM, "forward", lambda self, x: (right(self, x)[0] * 1.001, None))
    row = Match(CONTEST, "cpu", ("cpu",)).measure(brief=True)
    assert "wrong, so not timed: output is off by" in row["failed"]["cpu"]
    assert row["seconds"].keys() == {"torch, eager"}
    assert row["ratio"] == {}


@NATIVE
def test_who_fails_does_not_stop_the_others(monkeypatch):
    def fail(self, x):
        try:
            raise RuntimeError("an illegal\nmemory access")
        finally:
            raise ValueError("invalid capture")

    monkeypatch.setattr(gpu_contest.FusedLSTM, "forward", fail)
    row = Match(CONTEST, "cpu", ("cpu",)).measure(brief=True)
    assert row["failed"] == {"cpu": "ValueError: invalid capture (after RuntimeError: an illegal memory access)"}
    assert row["seconds"].keys() == {"torch, eager"}


def test_without_torch_as_a_measure_an_answer_has_to_be_right(monkeypatch):
    right = gpu_contest.nn.LSTM.forward

    def fail(self, x):
        if x.dtype == torch.float64:
            return right(self, x)
        raise RuntimeError("no such algorithm")

    monkeypatch.setattr(gpu_contest.nn.LSTM, "forward", fail)
    for rounding, fit in ((1e-3, True), (1e-12, False)):
        monkeypatch.setitem(gpu_contest.ROUNDING, "float32", rounding)
        row = Match(CONTEST, "cpu", ("reference",)).measure(brief=True)
        assert row["failed"]["torch"] == "RuntimeError: no such algorithm"
        assert ("reference, eager" in row["seconds"]) == fit
        assert ("reference" in row["failed"]) != fit


def test_who_cannot_take_part_is_named():
    row = Match(CONTEST, "cpu", ("cuda",)).row
    assert row["auto"] is None
    assert set(row["left out"]) == {"cuda"}


@NATIVE
def test_share_of_a_large_product(monkeypatch):
    monkeypatch.setattr(gpu_contest, "MATMUL", 64)
    row = Match(Contest(CASE, TRAINING, "float32", share=0.5), "cpu", ("cpu",)).measure(brief=True)
    speed = CASE.operations(TRAINING) / row["seconds"]["cpu, eager"]
    assert row["matrix rate"] == pytest.approx(2 * 64**3 / row["seconds"]["matmul"])
    assert row["share"]["cpu, eager"] == pytest.approx(speed / row["matrix rate"])


def test_missing_answers_are_seen():
    with pytest.raises(ValueError, match="wanted are"):
        gpu_contest.errors({"a": torch.ones(1)}, {"a": torch.ones(2)})
    assert gpu_contest.errors({"a": torch.tensor([1.5, 4.0])}, {"a": torch.tensor([1.0, -4.0])}) == {"a": 2.0}


def test_time_of_kernels_side_by_side_counts_once():
    assert gpu_contest.covered([(0, 4), (1, 2), (3, 5), (7, 8)]) == 6


def say_and_end(contests, say, code):
    say(0, {"case": str(contests[0])})
    if code < 0:
        time.sleep(60)
    os._exit(code)


@pytest.mark.parametrize(("code", "says"), [(0, ""), (3, "the process ended with 3"), (-1, "no answer within 10 s")])
def test_a_process_that_hangs_or_dies_leaves_what_it_said(code, says):
    found, fault = lstm_gpu.apart(say_and_end, [CONTEST], 10, code)
    assert found == {0: {"case": str(CONTEST)}}
    assert fault == says


@NATIVE
def test_rows_come_from_another_process():
    found, fault = lstm_gpu.apart(lstm_gpu.play, [CONTEST, CONTEST], 60, True, "cpu", ("cpu",))
    assert fault == ""
    assert [row["auto"] for row in found.values()] == ["cpu", "cpu"]
    if not torch.cuda.is_available():
        assert found[1]["failed"].keys() == {"torch, kernels", "cpu, kernels"}


def test_loading_ends_in_time_whatever_fails(monkeypatch):
    seen = []
    monkeypatch.setattr(lstm_gpu, "apart", lambda work, contests, limit: seen.append((work, contests, limit)))
    lstm_gpu.load_all([[CONTEST], [CONTEST]], time.monotonic() + 5)
    assert [(work, contests) for work, contests, _ in seen] == [(lstm_gpu.load, [CONTEST])] * 2
    assert all(0 < limit <= 5 for *_, limit in seen)
    lstm_gpu.load_all([[CONTEST]], time.monotonic() - 1)
    assert len(seen) == 2
    monkeypatch.setattr(lstm_gpu.Match, "player", None)
    lstm_gpu.load([CONTEST], lambda place, row: None)


def test_all_rows_are_written_and_what_failed_fails_the_command(monkeypatch, tmp_path, capsys):
    good = lstm_gpu.nothing(CONTEST, "") | {
        "auto": "cuda",
        "failed": {},
        "seconds": {"torch, eager": 4.0, "cuda, eager": 0.5},
        "ratio": {"cuda, eager": [8.0, 7.5, 8.5], "cuda, graph": [1.5, 1.4, 1.6]},
    }
    other = Contest(CASE, TRAINING, "bfloat16", 3, share=0.35)
    found = {"float32": ({0: good}, ""), "bfloat16": ({}, "no answer within 60 s")}
    monkeypatch.setattr(lstm_gpu, "why_nothing", lambda: None)
    monkeypatch.setattr(lstm_gpu, "facts", lambda: {"machine": {"gpu": "Abacus"}, "versions": {"torch": "9"}})
    monkeypatch.setattr(lstm_gpu, "apart", lambda work, contests, *rest: found[contests[0].numbers])
    monkeypatch.setattr(lstm_gpu, "load_all", lambda units, end: None)
    monkeypatch.setattr(lstm_gpu, "PLAN", (CONTEST, other))
    monkeypatch.setattr(rows, "LSTM_GPU", tmp_path / "rows.jsonl")
    monkeypatch.setattr("sys.argv", ["lstm_gpu", "--record"])
    assert lstm_gpu.main() == 1
    said = capsys.readouterr().out
    assert "1 of 4 aims reached" in said
    assert "1 contests with something that failed" in said
    verdicts = [one.split() for one in said.splitlines() if one.startswith(str(CASE)) and ":" not in one]
    assert [one[3:] for one in verdicts] == [
        ["eager", "8.00", "x", "5.00", "x", "reached"],
        ["graph", "1.50", "x", "2.00", "x", "not", "reached"],
        ["eager", "none", "3.00", "x", "no", "answer"],
        ["share", "none", "35%", "no", "answer"],
    ]
    written = rows.read([tmp_path / "rows.jsonl"])
    assert [one["failed"] for one in written] == [{}, {"all": "no answer within 60 s"}]
    assert all(one["machine"] == {"gpu": "Abacus"} for one in written)
    monkeypatch.setattr(lstm_gpu, "PLAN", (CONTEST,))
    assert lstm_gpu.main() == 0
    monkeypatch.setattr("sys.argv", ["lstm_gpu", "--seconds", "0"])
    assert lstm_gpu.main() == 1
    said = capsys.readouterr().out
    assert "time was over" in said
    assert "0 contests with something that failed, 1 left out for want of time" in said


def test_the_plan_holds_each_contest_once():
    assert len(set(PLAN)) == len(PLAN)
    for plan in (PLAN, BRIEF):
        assert [one for group in together(plan) for one in group] == list(plan)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(monkeypatch):
    monkeypatch.setattr("sys.argv", ["lstm_gpu"])
    monkeypatch.setattr(os, "environ", dict(os.environ))
    with pytest.raises(SystemExit, match="nothing to measure: torch sees no GPU"):
        lstm_gpu.main()
