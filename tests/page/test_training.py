"""A training run that is started from the page: in a process of its own, shown, stopped, taken into the list."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.page.conftest import SMALL, Server

Start = Callable[..., Server]


def until(server: Server, *states: str) -> dict[str, Any]:
    """Wait for a state of the training."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        told: dict[str, Any] = server.ask("GET", "/api/training").json
        if told["state"] in states:
            return told
        time.sleep(0.1)
    raise AssertionError(told)


def demo(*more: str) -> tuple[str, ...]:
    return (*SMALL[:-2], "--clips", "9", "--seconds", "7", "--genres", "blues,jazz,reggae", *more)


def test_it_is_trained_stopped_and_offered(start: Start, tmp_path: Path) -> None:
    server = start(tmp_path / "runs", minutes=5.0, told=demo("--fit-epochs", "1000"))
    assert server.ask("GET", "/api/state").json["runs"] == []
    assert server.ask("POST", "/api/training").json["state"] == "running"
    assert "already" in server.ask("POST", "/api/training").json["error"]
    end = time.monotonic() + 120
    while (told := server.ask("GET", "/api/training").json)["words"] != "It learns how music goes on.":
        assert time.monotonic() < end, told
        time.sleep(0.1)
    assert (told["state"], told["of"]) == ("running", 300.0)
    assert 0 < told["seconds"] < 120
    server.ask("DELETE", "/api/training")
    told = until(server, "stopped")
    assert told["run"] == "music-001"
    (run,) = server.ask("GET", "/api/state").json["runs"]
    assert (run["name"], run["why_not"], run["genres"]) == ("music-001", "", ["blues", "jazz", "reggae"])
    assert run["about"] == "9 composed clips, a minute: blues, jazz and reggae"


def test_a_training_that_fails_says_why(start: Start, tmp_path: Path) -> None:
    server = start(tmp_path / "runs", told=demo("--genres", "polka"))
    server.ask("POST", "/api/training")
    assert "polka" in until(server, "failed", "done")["words"]


def test_closing_the_server_ends_it(start: Start, tmp_path: Path) -> None:
    server = start(tmp_path / "runs", minutes=5.0, told=demo())
    server.ask("POST", "/api/training")
    time.sleep(1)
    server.studio.close()
    assert server.studio.training.ask()["state"] in ("stopped", "done")
