"""The routes of the page: clips that `generate` would make, bounds, files, uploads."""

import io
import shlex
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fastgan.audio.health import examine
from fastgan.generate import main as generate
from tests.conftest import RATE, tune
from tests.page.conftest import Server, ticket

Start = Callable[..., Server]


def order(server: Server, number: int, **told: object) -> dict[str, object]:
    """Order a clip and wait for it."""
    body = {"run": server.run("frames"), "seconds": 2, "seed": "5"} | told
    answer = server.ask("PUT", f"/api/jobs/{ticket(number)}", body)
    assert answer.status == 202, answer.body
    return server.wait(ticket(number))


def wav(content: bytes) -> np.ndarray:
    samples, rate = soundfile.read(io.BytesIO(content), dtype="int16")
    assert rate == RATE
    return samples


def recording(seconds: float = 3.0) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, tune(seconds, seed=9), RATE, format="WAV", subtype="PCM_16")
    return stream.getvalue()


def test_a_clip_is_what_its_command_makes(start: Start, tmp_path: Path) -> None:
    server = start()
    own = tmp_path / "my song.wav"
    own.write_bytes(recording())
    run = server.run("frames")
    sent = server.ask("POST", f"/api/recordings?run={run}&name=C:%5Cmusic%5Cmy%20song.wav", own.read_bytes())
    assert sent.status == 201
    assert (sent.json["name"], sent.json["note"], sent.json["seconds"]) == ("my song.wav", "", 3.0)
    orders: list[dict[str, object]] = [
        {},
        {"seconds": 2.5, "seed": "9223372036854775807", "genre": "Jazz", "temperature": 0.85},
        {"recording": sent.json["id"], "temperature": 0.9, "style_strength": 1.6},
        {"seed": "3", "style_strength": 0},
        {"run": server.run("samples"), "seconds": 1},
    ]
    for number, told in enumerate(orders):
        job = order(server, number, **told)
        assert job["state"] == "done", job
        clip = job["clip"]
        words = shlex.split(clip["command"])  # type: ignore[index]
        assert words[:3] == ["python", "-m", "fastgan.generate"]
        words = [str(own) if word == own.name else word for word in words]
        out = tmp_path / f"{number}.wav"
        assert generate([*words[3:], "--out", str(out)]) == 0
        served = server.ask("GET", clip["sound"])  # type: ignore[index]
        assert served.headers["content-type"] == "audio/wav"
        np.testing.assert_array_equal(wav(served.body), soundfile.read(out, dtype="int16")[0])
        verdict = examine(wav(served.body), RATE)
        assert (clip["healthy"], clip["verdict"]) == (verdict.ok, verdict.verdict)  # type: ignore[index]


def test_the_order_decides_and_an_empty_seed_is_drawn(start: Start) -> None:
    server = start()
    one, same, other = (order(server, number, seed=seed)["clip"] for number, seed in enumerate(("1", "1", "2")))
    drawn = [order(server, number, seed="")["clip"] for number in (7, 8)]
    sounds = [server.ask("GET", clip["sound"]).body for clip in (one, same, other)]  # type: ignore[index]
    assert sounds[0] == sounds[1] != sounds[2]
    assert drawn[0]["seed"] != drawn[1]["seed"]  # type: ignore[index]


def test_history_outlives_the_server_and_files_can_be_read_in_parts(start: Start, runs: Path) -> None:
    first = start()
    clip = order(first, 1)["clip"]
    second = start(only=runs / "frames")
    told = second.ask("GET", "/api/state").json
    assert told["clips"][0]["id"] == clip["id"]  # type: ignore[index]
    assert [run["name"] for run in told["runs"]] == ["frames"]
    assert told["training"] is None
    assert second.ask("POST", "/api/training").status == 404
    whole = second.ask("GET", clip["sound"]).body  # type: ignore[index]
    part = second.ask("GET", clip["sound"], Range="bytes=44-143")  # type: ignore[index]
    assert (part.status, part.body) == (206, whole[44:144])
    saved = second.ask("GET", clip["sound"] + "?download")  # type: ignore[index]
    assert saved.headers["content-disposition"].startswith("attachment; filename=")
    picture = second.ask("GET", clip["picture"])  # type: ignore[index]
    assert picture.body.startswith(b"\x89PNG")
    (runs / "frames" / "studio" / f"{clip['id']}.json").write_text("{}")  # type: ignore[index]
    assert "is damaged" in " ".join(start().ask("GET", "/api/state").json["notes"])
    (runs / "frames" / "studio" / f"{clip['id']}.json").unlink()  # type: ignore[index]


@pytest.mark.parametrize(
    ("told", "complaint"),
    [
        ({"seconds": 0.9}, "seconds is 0.9; it takes 1 to 300"),
        ({"seconds": 301}, "it takes 1 to 300"),
        ({"seconds": float("nan")}, "it takes 1 to 300"),
        ({"seconds": "20"}, "it takes 1 to 300"),
        ({"seconds": True}, "it takes 1 to 300"),
        ({"temperature": 9}, "temperature is 9; it takes 0.3 to 3"),
        ({"temperature": 0}, "temperature is 0; it takes 0.3 to 3"),
        ({"style_strength": 3.5}, "style_strength is 3.5; it takes 0 to 3"),
        ({"seed": "-1"}, "the seed is a whole number"),
        ({"seed": "9223372036854775808"}, "the seed is a whole number"),
        ({"seed": 5}, "seed is not a short text"),
        ({"genre": "polka"}, "no genre 'polka' here; there are blues, jazz"),
        ({"genre": "x" * 1001}, "genre is not a short text"),
        ({"recording": "0" * 32}, "choose it again"),
        ({"run": "../../etc"}, "this run is not there any more"),
        ({"run": ["a"]}, "run is not a short text"),
    ],
)
def test_orders_out_of_bounds_are_refused_in_words(start: Start, told: dict[str, object], complaint: str) -> None:
    server = start()
    body = {"run": server.run("frames"), "seconds": 2, "seed": "5"} | told
    answer = server.ask("PUT", f"/api/jobs/{ticket(1)}", body)
    assert (answer.status, server.studio.jobs.ask(ticket(1))) == (400, None)
    assert complaint in answer.json["error"]


def test_what_is_no_order_is_refused(start: Start) -> None:
    server = start()
    path = f"/api/jobs/{ticket(1)}"
    assert server.ask("PUT", path, "{}").status == 415
    assert server.ask("PUT", path, "{", Content_Type="application/json").status == 400
    assert server.ask("PUT", path, "[]", Content_Type="application/json").status == 400
    assert server.ask("PUT", path, "[" * 9_000, Content_Type="application/json").status == 400
    assert server.ask("PUT", path, " " * 10_001, Content_Type="application/json").status == 413
    assert server.ask("PUT", "/api/jobs/..%2Fa", {}).status == 404
    assert server.ask("GET", path).status == 404
    for dial in ({"temperature": 0.9}, {"style_strength": 0}):
        samples = {"run": server.run("samples"), "seconds": 1} | dial
        assert "learnt samples" in server.ask("PUT", path, samples).json["error"]


def test_nothing_but_known_clips_is_read_from_the_disk(start: Start, runs: Path) -> None:
    server = start()
    clip = order(server, 1)["clip"]
    for path in (
        "/clips/../../config.json",
        "/clips/..%2f..%2fconfig.json",
        "/clips/%2e%2e/config.json",
        f"/clips/{clip['id']}.json",  # type: ignore[index]
        f"/clips/{'0' * 16}.wav",
        "/page.py",
        "//etc/passwd",
    ):
        assert server.ask("GET", path).status == 404, path
    state = server.ask("GET", "/api/state").body.decode()
    assert str(runs) not in state.replace(f"fastgan.generate {runs}", ""), "places are named in commands alone"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "song.wav: the file is empty (0 bytes)"),
        (b"this is no sound at all", "song.wav: libsndfile finds no sound in it"),
        (recording()[:44], "song.wav: "),
    ],
    ids=["empty", "text", "only a header"],
)
def test_a_broken_upload_is_refused_with_its_reason(start: Start, content: bytes, complaint: str) -> None:
    server = start()
    answer = server.ask("POST", f"/api/recordings?run={server.run('frames')}&name=song.wav", content)
    assert answer.status == 400
    assert answer.json["error"].startswith(complaint)


def test_uploads_are_bounded_and_leave_no_file(start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from fastgan.page import recordings
    from fastgan.page import server as routes

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    server = start()
    path = f"/api/recordings?run={server.run('frames')}&name=../../song.wav"
    cut = recording()[:-5_000]
    kept = server.ask("POST", path, cut)
    assert kept.status == 201
    assert (kept.json["name"], "damaged" in kept.json["note"]) == ("song.wav", True)
    monkeypatch.setattr(recordings, "MOST_S", 2.0)
    assert "longer than" in server.ask("POST", path, recording()).json["error"]
    monkeypatch.setattr(routes, "MOST_BYTES", 1_000)
    assert server.ask("POST", path, recording()).status == 413
    parts = (recording()[at : at + 100] for at in range(0, 3_000, 100))  # sent in chunks, without a length
    assert server.ask("POST", path, parts).status == 413
    assert server.ask("POST", "/api/recordings?run=nowhere&name=a.wav", b"").status == 400
    assert list(tmp_path.iterdir()) == []


def test_a_full_queue_is_busy_and_a_cancelled_clip_leaves_nothing(start: Start, runs: Path) -> None:
    server = start()
    before = set((runs / "frames" / "studio").glob("*"))
    long = {"run": server.run("frames"), "seconds": 300, "seed": "1"}
    for number in range(5):
        assert server.ask("PUT", f"/api/jobs/{ticket(number)}", long).status == 202
        if number == 0:
            server.wait(ticket(0), "running")
    assert server.ask("PUT", f"/api/jobs/{ticket(4)}", long).status == 202, "the same order again"
    assert server.ask("GET", f"/api/jobs/{ticket(4)}").json["before"] == 4
    busy = server.ask("PUT", f"/api/jobs/{ticket(9)}", long)
    assert busy.status == 503
    assert "busy" in busy.json["error"]
    until = time.monotonic() + 30
    while server.ask("GET", f"/api/jobs/{ticket(0)}").json["share"] == 0 and time.monotonic() < until:
        time.sleep(0.02)
    for number in range(5):
        assert server.ask("DELETE", f"/api/jobs/{ticket(number)}").status == 204
    assert all(server.wait(ticket(number))["state"] == "cancelled" for number in range(5))
    assert order(server, 10)["state"] == "done", "the next one runs"
    left = set((runs / "frames" / "studio").glob("*")) - before
    assert sorted(path.suffix for path in left) == [".json", ".png", ".wav"]


def test_two_browsers_at_once_each_get_their_own(start: Start) -> None:
    server = start()
    found: dict[int, object] = {}

    def browse(number: int) -> None:
        found[number] = order(server, number, seed=str(number))["clip"]["seed"]  # type: ignore[index]

    threads = [threading.Thread(target=browse, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == {number: str(number) for number in range(4)}


def test_a_run_without_a_checkpoint_is_named_with_the_reason(start: Start, tmp_path: Path) -> None:
    for name, text in {"young": '{"format": 1}', "odd": "{"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(text)
    (told, other) = sorted(start(tmp_path).ask("GET", "/api/state").json["runs"], key=lambda run: run["name"])
    assert "damaged" in told["why_not"]
    assert "damaged" in other["why_not"]
    assert start(tmp_path / "nowhere").ask("GET", "/api/state").json["runs"] == []
