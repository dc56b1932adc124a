"""A tiny run on frames, one on samples, and the page's server in front of them."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fastgan.gan.music import finale, stages, tuning
from fastgan.train import main as train
from tests.conftest import write_songs

SMALL = (
    "--hidden 16 --latents 12 --window 6 --batch 3 --encoder-epochs 1 --fit-epochs 1 --epochs 0 --steps-per-epoch 3 "
    "--sample-seconds 1 --minutes 0"
).split()


@pytest.fixture(scope="session")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight tunes in two genres."""
    return write_songs(tmp_path_factory.mktemp("songs"))


@pytest.fixture(scope="session")
def runs(songs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run on frames (`frames`) and one on samples (`samples`), which have learnt next to nothing."""
    home = tmp_path_factory.mktemp("studio") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASTGAN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        patch.setattr(stages, "JUDGED", 4)
        patch.setattr(stages, "JUDGED_S", 3.2)
        patch.setattr(stages, "PUPIL", 2)
        patch.setattr(finale, "MUSIC_S", 3.0)
        patch.setattr(tuning, "CHOSEN_BY", 4)
        patch.setattr(tuning, "JUDGED", 4)
        patch.setattr(tuning, "TOGETHER", 2)
        data = ["--data", str(songs), "--out"]
        samples = "--preset paper --hidden 4 --fit-epochs 1 --epochs 1 --steps-per-epoch 2 --sample-seconds 0.1".split()
        assert train([*data, str(home / "samples"), *samples]) == 0
        assert train([*data, str(home / "frames"), *SMALL]) == 0
    return home


@dataclass
class Answer:
    """What a server said."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    """A server of the page in this process, and plain requests to it."""

    studio: Any
    port: int

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send a request; names of headers are written with underscores."""
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, dict):
            body, told = json.dumps(body), {"Content-Type": "application/json"} | told
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, told)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def run(self, name: str) -> str:
        """The id of a run."""
        return next(run["id"] for run in self.ask("GET", "/api/state").json["runs"] if run["name"] == name)

    def wait(self, ticket: str, *states: str) -> dict[str, Any]:
        """Ask for a job until it is in one of the states, finished ones when left out."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            job: dict[str, Any] = self.ask("GET", f"/api/jobs/{ticket}").json
            if job["state"] in (states or ("done", "failed", "cancelled")):
                return job
            time.sleep(0.02)
        raise AssertionError(f"the job is still {job}")


@pytest.fixture
def start(runs: Path) -> Iterator[Callable[..., Server]]:
    """Start a server for a folder of runs, or for one run; it ends with the test."""
    pytest.importorskip("starlette", reason="the page needs starlette: pip install 'fastgan[studio]'")
    uvicorn = pytest.importorskip("uvicorn", reason="the page needs uvicorn: pip install 'fastgan[studio]'")
    from fastgan.page.runs import Runs
    from fastgan.page.server import Studio
    from fastgan.page.training import Training

    ends = []

    def begin(
        folder: Path = runs,
        *,
        only: Path | None = None,
        host: str = "127.0.0.1",
        token: str | None = None,
        **training: Any,
    ) -> Server:
        studio = Studio(Runs(only, folder), None if only else Training(folder, **training))
        app = studio.app(host=host, token=token)
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off", ws="none"))
        thread = threading.Thread(target=server.run)
        thread.start()

        def end() -> None:
            server.should_exit = True
            thread.join(20)
            studio.close()
            assert not thread.is_alive()

        ends.append(end)
        while not server.started:
            time.sleep(0.01)
        return Server(studio, server.servers[0].sockets[0].getsockname()[1])

    yield begin
    for end in ends:
        end()


def ticket(number: int) -> str:
    """The name of a job."""
    return f"{number:032x}"
