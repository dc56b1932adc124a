from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks import epoch, epoch_contest, keras_peer, paper, turns
from benchmarks.paper import FIT, GAME
from benchmarks.peers import Answer, Compiled, Plain, Windows
from fastgan.ops.lstm import backends

BATCH, HIDDEN, WINDOW = 4, 8, 6
HELD_OUT = 2 * 49  # windows: two clips of 300 samples, and one that fit has no value after
NO_KERAS, NO_COMPILER = keras_peer.why_not(), Compiled.why_not()
NATIVE = pytest.mark.skipif(bool(dict(backends())["cpu"]), reason=str(dict(backends())["cpu"]))
KERAS = pytest.mark.skipif(NO_KERAS is not None, reason=str(NO_KERAS))

workloads = pytest.mark.parametrize("workload", [FIT, GAME])


@pytest.fixture
def sound(tmp_path):
    return epoch.make_sound(tmp_path, clips=14, length=300)


@pytest.fixture
def weights():
    return epoch.make_weights(HIDDEN)


def answers(one):
    return np.concatenate([value.ravel() for part in (one.losses, one.weights) for value in part.values()])


@workloads
def test_ours_and_plain_torch_train_the_same_networks(workload, sound, weights):
    batches = epoch.make_batches(workload, BATCH)
    ours = epoch.Ours(workload, BATCH, weights, sound, dtype=torch.float64).answer(batches)
    plain = Plain(workload, BATCH, weights, dtype=torch.float64).answer(batches)
    assert ours.losses.keys() == plain.losses.keys()
    assert sorted(ours.weights) == sorted(plain.weights)
    for name, value in plain.weights.items():
        np.testing.assert_allclose(ours.weights[name], value, rtol=0, atol=1e-12, err_msg=name)
        assert not np.array_equal(value, weights[name]), f"{name} has not moved"
    for name, value in plain.losses.items():
        np.testing.assert_allclose(ours.losses[name], value, rtol=1e-12, err_msg=name)


def test_ours_and_plain_torch_measure_the_same_windows(sound, weights):
    ours, plain = (
        kind(FIT, BATCH, weights, sound, dtype=torch.float64).evaluate(HELD_OUT) for kind in (epoch.Ours, Plain)
    )
    assert plain["loss"] == pytest.approx(ours["loss"], rel=1e-12)
    assert plain["accuracy"] == ours["accuracy"]


@workloads
@pytest.mark.parametrize("kind", [epoch.Ours, Plain])
def test_training_goes_on_through_more_than_an_epoch(workload, kind, sound, weights):
    contender = kind(workload, 100, weights, sound)
    contender.train(4)
    contender.train(5)  # an epoch has 12 clips of 49 or 50 windows, 5 whole batches
    assert all(torch.isfinite(value) for value in contender.sums.values())
    assert contender.evaluate(HELD_OUT).keys() >= ({"loss"} if workload == FIT else {"d_loss", "g_loss"})


def test_windows_are_those_of_the_trainer(sound, weights):
    stage = epoch.Ours(FIT, BATCH, weights, sound).stage
    samples = torch.from_numpy(np.array(sound.corpus.samples))
    windows = Windows(samples, sound.held_out, WINDOW + 1, WINDOW)
    plan = stage.held_out.plan
    assert windows.starts.tolist() == plan.starts(np.arange(len(plan))).tolist()
    assert windows[3].tolist() == samples[windows.starts[3] :][: WINDOW + 1].tolist()


def test_an_epoch_has_the_papers_size_and_work():
    assert paper.TRAIN + paper.HELD_OUT == paper.CLIPS * paper.LENGTH // epoch.WINDOW
    assert paper.TRAIN == 6 * paper.HELD_OUT
    assert paper.operations() == 2 * 512 * (6 * 1 + 5 * 128 + 6 * 128 + 5 * 128)
    assert paper.per_epoch(32, 1e-3, 1e-6) == pytest.approx(9_450_000 / 32 * 1e-3 + 1.575)


def off_by(answer, name, factor):
    """An answer whose weights have gone a little further than they should."""
    start = epoch.make_weights()
    gone = {
        key: start[key] + (value - start[key]) * (factor if name in key else 1) for key, value in answer.weights.items()
    }
    return replace(answer, weights=gone)


@workloads
def test_a_wrong_answer_is_seen(workload):
    wanted = epoch.bar(workload, 3)
    assert wanted.wrong(wanted.own) == ""
    name = next(iter(wanted.own.losses))
    for wrong in (
        off_by(wanted.own, "generator", 1.0001),
        off_by(wanted.own, "dense.bias", 0.0),
        off_by(wanted.own, "lstm.bias_l1", 1.01),
        off_by(wanted.own, "lstm.weight_ih_l0", np.nan),
    ):
        assert "generator is off by" in wanted.wrong(wrong)
    for factor in (1 + 1e-5, np.nan):
        losses = {key: value * (factor if key == name else 1) for key, value in wanted.own.losses.items()}
        assert f"{name} is off by" in wanted.wrong(replace(wanted.own, losses=losses))
    with pytest.raises(AssertionError, match="losses are"):
        wanted.wrong(replace(wanted.own, losses={}))
    with pytest.raises(AssertionError, match="weights are"):
        wanted.wrong(Answer(wanted.own.losses, {}))


def test_keras_epsilon_is_another_answer():
    assert "generator is off by" in epoch.bar(FIT, 3, keras=True, rounded=True).wrong(epoch.bar(FIT, 3).own)


def test_another_noise_is_seen(monkeypatch, sound):
    honest = epoch.play
    monkeypatch.setattr(epoch, "play", lambda *given, **rest: honest(*given[:3], given[3].flip(2), **rest))
    with pytest.raises(AssertionError, match=r"fastgan, game, batch 3: .* is off by"):
        epoch_contest.check({"fastgan": epoch.Ours(GAME, 3, epoch.make_weights(), sound)}, GAME, 3)


def test_a_peer_that_trains_something_else_is_left_out(sound):
    found = {"plain": Plain(FIT, 3, epoch.make_weights(), lr=1.1e-3)}
    assert "generator is off by" in epoch_contest.check(found, FIT, 3)["plain"]


@NATIVE
@workloads
def test_a_row_is_scaled_and_says_who_is_left_out(monkeypatch, workload, tmp_path):
    monkeypatch.setattr(turns, "brief", True)
    monkeypatch.setattr(keras_peer, "why_not", lambda: "no Keras")
    monkeypatch.setitem(epoch_contest.STEPS[workload], 3, 2)
    monkeypatch.setattr(epoch.Ours, "whole", lambda self, steps: steps)
    row = epoch_contest.compete(workload, 3, epoch.make_sound(tmp_path, clips=14, length=3000), 1, tmp_path)
    assert row["left out"] == {"compiled": "compiling takes longer than all else with --brief", "keras": "no Keras"}
    assert row["scaled"] is True
    for name in ("fastgan", "plain"):
        step, window = row["seconds"][name] / 2, row["seconds"][f"{name}, evaluation"] / epoch_contest.EVALUATED
        assert row["epoch_seconds"][name] == pytest.approx(paper.per_epoch(3, step, window))
    ratio = row["epoch_seconds"]["plain"] / row["epoch_seconds"]["fastgan"]
    assert row["epoch_faster"] == {"plain": pytest.approx([ratio] * 3)}
    assert "left out: no Keras" in epoch_contest.describe(row)


@pytest.mark.skipif(NO_COMPILER is not None, reason=str(NO_COMPILER))
def test_the_compiled_peer_is_compiled(monkeypatch, sound):
    weights = epoch.make_weights()
    assert epoch_contest.check({"compiled": Compiled(FIT, 3, weights, sound)}, FIT, 3) == {}
    peer = Compiled(FIT, 3, weights)
    peer.prediction_loss = Plain(FIT, 3, weights).prediction_loss  # the optimiser alone would be compiled
    with pytest.raises(AssertionError, match="graphs were compiled"):
        peer.answer(epoch.make_batches(FIT, 3))


@KERAS
@workloads
def test_keras_trains_the_same_networks(workload, tmp_path, sound):
    with keras_peer.Keras(tmp_path, workload, 3, epoch.make_weights(), sound, 1) as keras:
        assert keras.versions.keys() == {"keras", "tensorflow"}
        assert epoch_contest.check({"keras": keras}, workload, 3) == {}
        assert keras.train(2) > 0
        assert keras.time_evaluation(HELD_OUT) != 0
        assert all(np.isfinite(value) for value in keras.evaluate(HELD_OUT).values())


@KERAS
def test_keras_measures_the_same_windows(tmp_path, sound, weights):
    wanted = Plain(FIT, BATCH, weights, sound, dtype=torch.float64).evaluate(HELD_OUT)
    with keras_peer.Keras(tmp_path, FIT, BATCH, weights, sound, 1) as keras:
        found = keras.evaluate(HELD_OUT)
    assert found["loss"] == pytest.approx(wanted["loss"], rel=1e-6)
    assert found["accuracy"] == pytest.approx(wanted["accuracy"], abs=1e-6)


@KERAS
def test_what_went_wrong_in_keras_process_is_told(tmp_path, sound, weights):
    keras = keras_peer.Keras(tmp_path, FIT, BATCH, weights, sound, 1)
    with keras, pytest.raises(RuntimeError, match=r"(?s)when asked to answer:.*No such file"):
        keras.ask("answer", batches=str(tmp_path / "nothing.npz"), weights="")


def test_why_keras_is_left_out(monkeypatch):
    monkeypatch.delenv(keras_peer.VARIABLE, raising=False)
    assert keras_peer.why_not() == f"{keras_peer.VARIABLE} names no interpreter that has Keras and TensorFlow"
    monkeypatch.setenv(keras_peer.VARIABLE, "/no/such/python")
    assert "not an interpreter" in keras_peer.why_not()


def test_a_contender_that_reports_its_own_seconds_is_believed():
    seconds = iter([9.0, 1.0, 2.0, 4.0])
    times = turns.take_turns({"apart": turns.Reported(lambda: next(seconds))}, turns=2, seconds=0.0, fewest=2)
    assert times == {"apart": [2.0, 4.0]}
