"""How `fastgan.studio` begins: what it refuses in words, what it prints."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from fastgan import page
from fastgan.info import main as info
from fastgan.studio import main as studio


def test_without_its_packages_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(page, "find_spec", lambda name: None)
    assert studio([]) == 2
    words = "the page needs starlette and uvicorn; pip install 'fastgan[studio]'\n"
    assert capsys.readouterr().err == "fastgan.studio: " + words
    assert info([]) == 0
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(
    ("told", "complaint"),
    [
        (["nowhere"], "no run in nowhere (no config.json)"),
        (["--export", "page.html"], "--export is about one run; name it"),
        (["--port", "70000"], "--port is 70000; it takes 0 to 65,535"),
        (["--clips", "0", "--export", "page.html"], "--clips is 0; it takes 1 to 50"),
        (["--prot", "80"], "did you mean --port"),
    ],
)
def test_what_cannot_be_is_said(
    told: list[str], complaint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert studio(told) == 2
    assert complaint in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_and_an_address_that_is_not_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    if reason := page.why_not():
        pytest.skip(reason)
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert studio(["--port", port]) == 2
        assert "take another, or 0 for a free port" in capsys.readouterr().err
    assert studio(["--host", "192.0.2.1", "--port", "0"]) == 2
    assert "--host 192.0.2.1" in capsys.readouterr().err


def test_open_to_other_machines_it_prints_an_address_with_a_token(tmp_path: Path) -> None:
    if reason := page.why_not():
        pytest.skip(reason)
    command = [sys.executable, "-m", "fastgan.studio", "--host", "0.0.0.0", "--port", "0"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_environment()
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r":(\d+)/\?token=([\w-]{40,})", line)
    assert found, line
    address = f"http://127.0.0.1:{found[1]}/"
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(address)
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with opener.open(f"{address}?token={found[2]}") as answer:
        assert (answer.url, b"<title>fastgan studio</title>" in answer.read()) == (address, True)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=30)[1]
    assert (process.returncode, said.count("\n"), "stopped" in said) == (130, 1, True)


def _environment() -> dict[str, str]:
    """This process' own, with the package that is tested wherever it runs."""
    root = str(Path(page.__file__).parents[2])
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}
