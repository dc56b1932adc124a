"""The table of backends: who is chosen, and how a refusal reads."""

import logging

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from fastgan.ops import registry
from fastgan.ops.registry import Backend, Problem, absent, choose, refuse_unknown, surroundings

PROBLEM = Problem(steps=6, batch=3, inputs=1, hidden=128, projection=0, dtype=torch.float32, device="cpu")


def able(name: str) -> Backend:
    return Backend(name, lambda _: None, lambda: None, lambda: name, lambda: name)


TABLE = (absent("fast", "no such chip"), able("middle"), able("slow"))


@pytest.fixture(autouse=True)
def no_variable(monkeypatch):
    monkeypatch.delenv(registry.VARIABLE, raising=False)


def test_auto_takes_the_first_that_can():
    assert choose(TABLE, PROBLEM).name == "middle"
    assert choose(TABLE[1:], PROBLEM, "auto").name == "middle"


def test_a_named_one_is_taken_or_refused():
    assert choose(TABLE, PROBLEM, "slow").name == "slow"
    with pytest.raises(RuntimeError, match=r"^backend='fast' cannot run this: no such chip; use backend='auto'$"):
        choose(TABLE, PROBLEM, "fast")


def test_an_unknown_name_lists_those_there_are():
    with pytest.raises(
        ValueError, match=r"^backend='quick' is not known; the names are 'auto', 'fast', 'middle', 'slow'$"
    ):
        choose(TABLE, PROBLEM, "quick")
    with pytest.raises(ValueError, match="'auto', 'fast', 'middle', 'slow'"):
        refuse_unknown(TABLE, "quick")
    for name in ("auto", "fast", "slow"):
        refuse_unknown(TABLE, name)


def test_when_none_can_every_reason_is_given():
    table = (absent("fast", "no such chip"), absent("slow", "too old"))
    with pytest.raises(RuntimeError, match=r"^no backend can run this: fast: no such chip; slow: too old$"):
        choose(table, PROBLEM)


def test_the_variable_says_what_auto_means(monkeypatch):
    monkeypatch.setenv(registry.VARIABLE, "slow")
    assert choose(TABLE, PROBLEM).name == "slow"
    assert choose(TABLE, PROBLEM, "middle").name == "middle"
    monkeypatch.setenv(registry.VARIABLE, "fast")
    with pytest.raises(
        RuntimeError, match=r"^FASTGAN_BACKEND='fast' cannot run this: no such chip; unset FASTGAN_BACKEND"
    ):
        choose(TABLE, PROBLEM)
    monkeypatch.setenv(registry.VARIABLE, "quick")
    with pytest.raises(ValueError, match="FASTGAN_BACKEND='quick' is not known"):
        choose(TABLE, PROBLEM)
    monkeypatch.setenv(registry.VARIABLE, "")
    assert choose(TABLE, PROBLEM).name == "middle"


def test_a_fallback_is_logged_once_by_name(monkeypatch, caplog):
    monkeypatch.setattr(registry, "_logged", set())
    caplog.set_level(logging.INFO, logger="fastgan.ops.registry")
    for _ in range(3):
        choose(TABLE, PROBLEM)
    assert [record.getMessage() for record in caplog.records] == ["using backend 'middle': fast: no such chip"]


def test_an_absent_backend_never_runs():
    with pytest.raises(AssertionError, match="'fast'"):
        TABLE[0].forward()


def test_surroundings_are_named():
    plain = torch.zeros(2)
    assert surroundings([plain, None, torch.nn.Parameter(plain)], "cpu") is None
    assert surroundings([torch.nn.Buffer(plain)], "cpu") is None
    with torch.autocast("cpu"):
        assert surroundings([plain], "cpu") == "autocast is on"
    with torch.autograd.forward_ad.dual_level():
        assert "forward-mode" in str(surroundings([plain], "cpu"))
    with FlopCounterMode(display=False):
        assert "mode" in str(surroundings([plain], "cpu"))

    class Marked(torch.Tensor):
        pass

    assert surroundings([plain.as_subclass(Marked)], "cpu") == "a tensor of the class Marked"
    seen = []
    torch.vmap(lambda x: seen.append(surroundings([x], "cpu")) or x)(plain)
    assert "torch.func" in str(seen[0])
