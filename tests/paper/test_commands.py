"""Other commands in processes of their own: how they end, and that one that was stopped goes on."""

import threading
import time

import pytest

from fastgan.base.command import Interrupted
from fastgan.base.errors import BadInput, MachineFailure
from fastgan.gan.clock import Clock
from fastgan.paper import commands
from fastgan.paper.commands import generate, train, train_command

TINY = {
    "clips": 7,
    "seconds": 0.5,
    "steps-per-epoch": 3,
    "sample-seconds": 0.1,
    "fit-epochs": 1,
    "epochs": 1,
    "hidden": 4,
}


@pytest.fixture
def clock():
    return Clock(0.0, time.monotonic())


def run(script: str, clock: Clock) -> None:
    commands._run(["python", "-c", script], clock)


def test_how_a_command_ends(clock, capfd):
    run("print('said')", clock)
    assert capfd.readouterr().out == "said\n"
    with pytest.raises(BadInput, match=r"python -c .* ended with 2; what it said stands above"):
        run("import sys; sys.exit(2)", clock)
    with pytest.raises(MachineFailure, match="ended with 1"):
        run("raise KeyError", clock)
    with pytest.raises(Interrupted):
        run("import sys; sys.exit(130)", clock)


def test_a_request_to_end_is_passed_on_once(clock, tmp_path):
    script = (
        "import pathlib, signal, sys, time\n"
        f"said = pathlib.Path({str(tmp_path / 'said')!r})\n"
        "signal.signal(signal.SIGINT, lambda *_: said.write_text(said.read_text() + 'asked ') and None)\n"
        "said.write_text('')\n"
        "time.sleep(0.1)\n"
        "while not said.read_text(): time.sleep(0.05)\n"
        "time.sleep(1)\n"  # a second request would come in this time
        "sys.exit(130)"
    )

    def ask() -> None:
        while not (tmp_path / "said").exists():
            time.sleep(0.02)
        clock.asked = True

    asking = threading.Thread(target=ask)
    asking.start()
    with pytest.raises(Interrupted):
        run(script, clock)
    asking.join()
    assert (tmp_path / "said").read_text() == "asked "


def test_a_command_that_does_not_end_is_not_left_behind(clock, monkeypatch, tmp_path):
    monkeypatch.setattr(commands, "_wait", lambda process, clock: (_ for _ in ()).throw(KeyboardInterrupt))
    ended = []
    monkeypatch.setattr(commands.subprocess.Popen, "kill", lambda self: (ended.append(self), self.terminate()))
    with pytest.raises(KeyboardInterrupt):
        run("import time; time.sleep(60)", clock)
    assert ended[0].returncode is not None


def test_a_run_goes_on_and_makes_sound(clock, tmp_path, monkeypatch):
    assert train_command(tmp_path / "run", {"clips": 7})[:6] == [
        "python",
        "-m",
        "fastgan.train",
        "--preset",
        "paper",
        "--clips",
    ]
    rows = train(tmp_path / "run", TINY, clock)
    assert [row["stage"] for row in rows] == ["fit", "game"]
    assert train(tmp_path / "run", TINY, clock) == rows  # with nothing left to do
    generate(tmp_path / "run", tmp_path / "a.wav", {"seconds": 0.2}, clock)
    assert (tmp_path / "a.wav").stat().st_size > 44
    with pytest.raises(BadInput, match=r"fastgan\.train .* ended with 2"):
        train(tmp_path / "run", TINY | {"hidden": 5}, clock)
