import pytest
import torch

from fastgan.base.errors import BadInput
from fastgan.ops import machine
from fastgan.ops.machine import PACKAGES, check_backend, choose_device, describe, use_threads


def test_facts_are_plain_strings() -> None:
    facts = describe()
    assert facts.keys() >= {"processor", "cores", "system", "python", *PACKAGES}
    assert all(isinstance(value, str) and value for value in facts.values())
    assert facts["torch"] == torch.__version__


def test_devices() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    for name in ("toaster", "meta", "cuda:77"):
        with pytest.raises(BadInput, match="use "):
            choose_device(name)


def test_backends_are_checked_by_name_and_by_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("auto", "reference"):
        check_backend(name)
    with pytest.raises(BadInput, match="--backend cuda cannot run here"):
        check_backend("cuda")
    monkeypatch.setenv("FASTGAN_BACKEND", "cuda")
    with pytest.raises(BadInput, match="FASTGAN_BACKEND=cuda cannot run here"):
        check_backend("auto")
    check_backend("reference")  # what is typed wins
    monkeypatch.setenv("FASTGAN_BACKEND", "abacus")
    with pytest.raises(BadInput, match="FASTGAN_BACKEND=abacus is not known; there are auto, "):
        check_backend("auto")


def test_small_work_gets_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    try:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        monkeypatch.setattr(machine, "_ALL_THREADS", 3)
        use_threads(0, rows=32, hidden=128)
        assert torch.get_num_threads() == 1
        use_threads(0, rows=4096, hidden=128)
        assert torch.get_num_threads() == 3
        use_threads(2, rows=32, hidden=128)
        assert torch.get_num_threads() == 2
        monkeypatch.setenv("OMP_NUM_THREADS", "2")
        use_threads(0, rows=32, hidden=128)  # who sets it knows why
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
