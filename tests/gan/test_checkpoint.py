import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from fastgan.base.errors import BadInput
from fastgan.gan.checkpoint import Checkpoint, annotate, load_checkpoint, save_checkpoint

SAVED = Checkpoint({"a": torch.arange(5.0), "b": torch.ones(2, 3, dtype=torch.float64)}, {"position": {"epoch": 3}})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path, "one", SAVED, known_as=("best",))
    return tmp_path


def test_what_is_saved_is_loaded(folder: Path) -> None:
    back = load_checkpoint(folder)
    assert back.state["position"] == {"epoch": 3}
    assert all(torch.equal(back.tensors[name], SAVED.tensors[name]) for name in SAVED.tensors)


def test_newest_and_best_are_kept_and_no_others(folder: Path) -> None:
    for number in range(4):
        names = ["best"] * (number == 1)
        save_checkpoint(folder, f"later{number}", Checkpoint({"a": torch.tensor(number)}, {}), known_as=names)
    assert sorted(path.name for path in folder.iterdir()) == ["index.json", "later1", "later3"]
    assert int(load_checkpoint(folder, "best").tensors["a"]) == 1
    assert int(load_checkpoint(folder, "newest").tensors["a"]) == 3


def test_what_was_loaded_and_changed_can_be_saved(folder: Path) -> None:
    back = load_checkpoint(folder)
    save_checkpoint(folder, "two", Checkpoint({"a": back.tensors["a"] + 1}, back.state))
    assert torch.equal(load_checkpoint(folder).tensors["a"], SAVED.tensors["a"] + 1)


def test_what_is_found_out_later_is_added_and_all_else_stays(folder: Path) -> None:
    annotate(folder, "best", {"temperature": 1.25})
    back = load_checkpoint(folder, "best")
    assert back.state["temperature"] == 1.25
    assert back.state["position"] == {"epoch": 3}
    assert all(torch.equal(back.tensors[name], SAVED.tensors[name]) for name in SAVED.tensors)
    save_checkpoint(folder, "later", SAVED)
    assert "temperature" not in load_checkpoint(folder).state


HARMS = {
    "truncated": (lambda home: os.truncate(home / "tensors.safetensors", 60), "damaged .60 bytes"),
    "one bit": (lambda home: flip(home / "tensors.safetensors"), "wrong checksum"),
    "gone": (lambda home: (home / "tensors.safetensors").unlink(), "No such file"),
    "empty": (lambda home: (home / "tensors.safetensors").write_bytes(b""), "damaged .0 bytes"),
    "pickle": (lambda home: (home / "tensors.safetensors").write_bytes(pickle.dumps({"a": 1})), "is a pickle"),
    "torch.save": (lambda home: torch.save({"a": 1}, home / "tensors.safetensors"), "is a pickle or torch.save file"),
    "torn json": (lambda home: (home / "state.json").write_text('{"format": 1, "sha'), "state.json is damaged"),
    "no object": (lambda home: (home / "state.json").write_text("[]"), "no object"),
    "version": (lambda home: version(home / "state.json"), "has format 99, this version reads 1"),
    "index": (
        lambda home: (home.parent / "index.json").write_text('{"newest": "../../etc"}'),
        "which is no checkpoint",
    ),
    "no folder": (lambda home: home.rename(home.with_name("elsewhere")), "No such file"),
}


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


def version(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))


@pytest.mark.parametrize("harm", HARMS)
def test_harm_is_named_with_a_cure(folder: Path, harm: str) -> None:
    do, message = HARMS[harm]
    do(folder / "one")
    with pytest.raises(BadInput, match=message):
        load_checkpoint(folder)


def test_a_pickle_is_never_run(folder: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "trapped"),)

    data = pickle.dumps(Trap())
    state = json.loads((folder / "one" / "state.json").read_text())
    (folder / "one" / "tensors.safetensors").write_bytes(data)
    import hashlib

    (folder / "one" / "state.json").write_text(json.dumps(state | {"sha256": hashlib.sha256(data).hexdigest()}))
    with pytest.raises(BadInput):
        load_checkpoint(folder)
    assert not (tmp_path / "trapped").exists()


def test_none_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="train first"):
        load_checkpoint(tmp_path)
    save_checkpoint(tmp_path, "one", SAVED)
    with pytest.raises(BadInput, match="no 'best' checkpoint, only newest"):
        load_checkpoint(tmp_path, "best")


WRITER = """
import sys, torch
from pathlib import Path
from fastgan.gan.checkpoint import Checkpoint, save_checkpoint
n = 0
while True:
    n += 1
    checkpoint = Checkpoint({"a": torch.full((100_000,), float(n))}, {"n": n})
    save_checkpoint(Path(sys.argv[1]), f"c{n}", checkpoint, known_as=["best"] * (n % 3 == 0))
    print(n, flush=True)
"""


def test_a_process_killed_at_any_moment_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    for moment in (0.0, 0.013, 0.05, 0.11):
        process = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        process.stdout.readline()  # the first is written
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
        back = load_checkpoint(tmp_path)
        assert torch.equal(back.tensors["a"], torch.full((100_000,), float(back.state["n"])))
