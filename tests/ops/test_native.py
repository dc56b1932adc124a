"""The native library: absent in words, broken aloud, and the build that makes it."""

import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

import fastgan
from fastgan.ops import lstm, native

ROOT = Path(fastgan.__file__).parents[1]


@pytest.fixture(autouse=True)
def fresh():
    native.library.cache_clear()
    native.cuda_library.cache_clear()
    yield
    native.library.cache_clear()
    native.cuda_library.cache_clear()


def test_absent_is_a_reason(monkeypatch):
    monkeypatch.setattr(native.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(native, "built_for_others", lambda folder, name: [])
    assert native.library() is native.cuda_library() is None
    assert native.why_not() == native.ABSENT
    assert "FASTGAN_NATIVE=cpu" in native.ABSENT
    assert dict(lstm.backends())["cpu"] == native.ABSENT
    assert "the CUDA kernels are not built" in dict(lstm.backends())["cuda"]


def test_built_for_another_python_is_a_fault(monkeypatch, tmp_path):
    (tmp_path / "_native.cpython-27-x86_64-linux-gnu.so").touch()
    (tmp_path / f"_native{native.sysconfig.get_config_var('EXT_SUFFIX')}").touch()
    strangers = native.built_for_others(tmp_path)
    assert strangers == ["_native.cpython-27-x86_64-linux-gnu.so"]
    monkeypatch.setattr(native.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(native, "built_for_others", lambda folder, name: strangers)
    with pytest.raises(RuntimeError, match=r"built for another Python: found _native\.cpython-27"):
        native.library()


def test_a_library_that_does_not_load_is_a_fault(monkeypatch):
    def fail(name):
        raise ImportError("undefined symbol: nothing")

    monkeypatch.setattr(native.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(native.importlib, "import_module", fail)
    with pytest.raises(RuntimeError, match="does not load: undefined symbol: nothing; reinstall"):
        native.library()


def test_another_contract_is_a_fault(monkeypatch):
    monkeypatch.setattr(native.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(native.importlib, "import_module", lambda name: types.SimpleNamespace(CONTRACT=0))
    with pytest.raises(RuntimeError, match=f"built for contract 0, this version needs {native.CONTRACT}"):
        native.library()


def test_it_is_loaded_once():
    assert native.library() is native.library()


@pytest.mark.skipif(native.why_not() is not None, reason=f"{native.why_not()}")
def test_it_names_its_instruction_sets():
    sets = native.library().instruction_sets()
    assert sets[-1] == "portable"
    assert native.library().instruction_set() == sets[0]


def test_every_backend_is_listed():
    listed = lstm.backends()
    assert [name for name, _ in listed] == ["cpu", "cuda", "triton", "reference"]
    assert dict(listed)["reference"] is None


@pytest.mark.skipif(not (ROOT / "setup.py").exists(), reason="an installed package has no setup.py")
@pytest.mark.parametrize(
    ("choice", "says"),
    [("cuda", "nvcc is not in PATH"), ("fast", "the values are auto, off, cpu, cuda"), ("off", None)],
)
def test_the_variable_of_the_build(choice, says):
    environment = {**os.environ, "FASTGAN_NATIVE": choice, "PATH": ""}
    done = subprocess.run(
        [sys.executable, "setup.py", "--name"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode == 0) == (says is None)
    if says is None:
        assert done.stdout.strip().endswith("fastgan")
    else:
        assert says in done.stderr
