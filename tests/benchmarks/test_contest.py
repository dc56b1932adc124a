import pytest
import torch

from benchmarks import contest, turns
from benchmarks.cases import INFERENCE, PENALTY, TRAINING, Case
from fastgan.ops.lstm import backends

SMALL = Case(3, 2, 1, 5, 2, states=True, deep=True)
NATIVE = pytest.mark.skipif(bool(dict(backends())["cpu"]), reason=str(dict(backends())["cpu"]))


def test_operations_are_the_products():
    case = Case(6, 3, 5, 17, 2, directions=2)
    row = 2 * 2 * 4 * 17 * ((5 + 17) + (34 + 17))
    assert case.operations(INFERENCE) == 18 * row
    assert case.operations(TRAINING) == 3 * 18 * row
    assert case.operations(INFERENCE, rows=7) == 7 * row


def test_training_gives_every_gradient_and_inference_none():
    player = contest.Player(SMALL, torch.float32, ours=False)
    assert player.answers(INFERENCE).keys() == {"output", "h_n", "c_n"}
    weights = {f"gradient of {name}" for name, _ in player.module.named_parameters()}
    inputs = {f"gradient of {name}" for name in ("x", "h_0", "c_0")}
    assert player.answers(TRAINING).keys() == {"output", "h_n", "c_n"} | weights | inputs
    assert all(tensor.grad is None for tensor in player.weights)


def test_the_penalty_is_differentiated_by_the_weights():
    case = Case(3, 2, 1, 5)
    found = contest.Player(case, torch.float64, ours=False).answers(PENALTY)["gradient of weight_hh_l0"]
    player = contest.Player(case, torch.float64, ours=False)
    weight, step = dict(player.module.named_parameters())["weight_hh_l0"], 1e-6
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            weight[3, 1] += sign * step
        x = player.leaves["x"].requires_grad_()
        (slope,) = torch.autograd.grad(player.module(x)[0].sum(), x)
        values.append((slope.norm(dim=(0, 2)) - 1).square().mean().item())
        with torch.no_grad():
            weight[3, 1] -= sign * step
    assert found[3, 1].item() == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-5)


def test_errors_are_relative_to_the_largest_value_of_all_draws():
    truth = [{"a": torch.tensor([1.0, -4.0])}, {"a": torch.tensor([0.0, 2.0])}]
    found = [{"a": torch.tensor([1.0, -4.0])}, {"a": torch.tensor([0.5, 2.0])}]
    assert contest.errors(found, truth) == {"a": 0.125}
    assert contest.within({"a": 0.125}, {"a": 0.0625}, 0.0) == ""
    assert "a is off by 1.25e-01, may be by 1.00e-01" in contest.within({"a": 0.125}, {"a": 0.05}, 0.0)


def test_an_answer_that_is_not_a_number_or_missing_is_seen():
    truth = [{"a": torch.ones(2)}, {"a": torch.ones(2)}]
    broken = [{"a": torch.tensor([1.0, torch.nan])}, {"a": torch.ones(2)}]
    assert contest.within(contest.errors(broken, truth), {"a": 1.0}, 0.0)
    with pytest.raises(AssertionError, match="wanted are a"):
        contest.errors([{}, {}], truth)
    with pytest.raises(AssertionError, match=r"a: \(1,\), not \(2,\)"):
        contest.errors([{"a": torch.ones(1)}] * 2, truth)


@NATIVE
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_wrong_answer_is_not_timed(monkeypatch, dtype):
    case = Case(3, 2, 1, 5, dtype=dtype)
    contest.check(case, TRAINING)
    honest = contest.Player.answers

    def off(self, workload):
        found = honest(self, workload)
        if type(self.module).__name__ == "FusedLSTM":
            found["gradient of weight_hh_l0"] *= 1 + 64 * torch.finfo(found["output"].dtype).eps
        return found

    monkeypatch.setattr(contest.Player, "answers", off)
    with pytest.raises(AssertionError, match="gradient of weight_hh_l0 is off by"):
        contest.compete(case, TRAINING, 1)


@NATIVE
@pytest.mark.parametrize("packed", [False, True])
def test_a_row_has_what_the_report_reads(monkeypatch, packed):
    monkeypatch.setattr(turns, "brief", True)
    case = Case(4, 3, 2, 5, packed=packed)
    row, call = contest.compete(case, TRAINING, 1)
    call()
    assert (row["case"], row["workload"], row["threads"], row["turns"]) == (str(case), TRAINING, 1, 1)
    assert row["spread"] == {name: [seconds] * 2 for name, seconds in row["seconds"].items()}
    assert row["ratio"] == [row["seconds"]["torch"] / row["seconds"]["fastgan"]] * 3
    speed = row["operations"] / row["seconds"]["fastgan"]
    peak = 2 * contest.MATMUL**3 / row["seconds"]["matmul"]
    assert row["share"]["fastgan"] == pytest.approx(speed / peak)
    assert ("torch, padded" in row["seconds"]) == packed


def test_turns_alternate_and_ratios_are_taken_turn_by_turn():
    order = []
    times = turns.take_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, turns=3, seconds=0.0)
    assert order == ["a", "b"] * 5  # a round that is not counted, one to learn how long a call is, three turns
    assert [len(values) for values in times.values()] == [3, 3]
    slow, fast = [2.0, 9.0, 8.0, 1.0, 6.0], [1.0, 3.0, 1.0, 1.0, 2.0]  # 2, 3, 8, 1, 3
    assert turns.ratio({"slow": slow, "fast": fast}, "slow", "fast") == (3.0, 2.0, 3.0)
