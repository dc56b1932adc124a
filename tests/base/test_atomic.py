import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fastgan.base.atomic import replacing, write_json
from fastgan.base.errors import BadInput, MachineFailure, explain_os_error, printable


def test_a_failure_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    write_json(target, {"old": 1})
    with pytest.raises(KeyError), replacing(target) as stream:  # noqa: PT012
        stream.write(b"half")
        raise KeyError
    assert json.loads(target.read_text()) == {"old": 1}
    assert os.listdir(tmp_path) == ["a.json"]


def test_readers_never_see_half_a_file(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    writer = subprocess.Popen(
        [sys.executable, "-c", "import sys\nfrom fastgan.base.atomic import write_json\n"
         "for n in range(300): write_json(sys.argv[1], {'n': n, 'pad': 'x' * 20000})", str(target)]
    )  # fmt: skip
    seen = 0
    while writer.poll() is None:
        if target.exists():
            assert set(json.loads(target.read_text())) == {"n", "pad"}
            seen += 1
    assert writer.returncode == 0
    assert seen > 0


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    write_json(tmp_path / "ours", 1)
    (tmp_path / "plain").write_text("1")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_missing_folder_is_the_users_to_mend(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="nowhere"):
        write_json(tmp_path / "nowhere" / "a.json", 1)


def test_a_full_disk_is_the_machines_fault() -> None:
    assert isinstance(explain_os_error(OSError(28, "x"), "writing a"), MachineFailure)
    assert "free some space" in str(explain_os_error(OSError(28, "x"), "writing a"))


def test_any_name_can_be_printed() -> None:
    assert printable(os.fsdecode(b"caf\xe9.wav")) == "caf\\xe9.wav" or "caf" in printable(os.fsdecode(b"caf\xe9.wav"))
    printable(os.fsdecode(b"caf\xe9.wav")).encode("utf-8")
