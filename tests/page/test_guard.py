"""Who is let in, and what every answer tells the browser."""

import socket
from collections.abc import Callable

import pytest

from tests.page.conftest import Server, ticket

Start = Callable[..., Server]


def test_every_answer_forbids_what_comes_from_elsewhere(start: Start) -> None:
    server = start()
    for path in ("/", "/page.css", "/page.js", "/api/state", "/nowhere"):
        headers = server.ask("GET", path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "unsafe" not in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in headers
    for path in ("/", "/page.css", "/page.js"):
        text = server.ask("GET", path).body.decode().replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text
        assert "https:" not in text


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:{port}", 200),
        ("LOCALHOST", 200),
        ("127.0.0.1:8000", 200),  # a forwarded port
        ("[::1]:{port}", 200),
        ("evil.example:{port}", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.", 403),
        ("192.168.0.7", 403),
        ("", 403),
        ("[", 403),
    ],
)
def test_other_names_for_this_machine_are_refused(start: Start, host: str, status: int) -> None:
    server = start()
    assert server.ask("GET", "/api/state", Host=host.format(port=server.port)).status == status


def test_a_request_without_a_host_is_refused(start: Start) -> None:
    with socket.create_connection(("127.0.0.1", start().port)) as line:
        line.sendall(b"GET /api/state HTTP/1.0\r\n\r\n")
        assert b" 403 " in line.makefile("rb").readline()


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_what_another_page_sends_is_refused(start: Start, headers: dict[str, str]) -> None:
    server = start()
    for method, path in (
        ("PUT", f"/api/jobs/{ticket(1)}"),
        ("DELETE", f"/api/jobs/{ticket(1)}"),
        ("POST", "/api/recordings"),
        ("POST", "/api/training"),
    ):
        answer = server.ask(method, path, {}, **headers)
        assert (answer.status, answer.json) == (403, {"error": "this request comes from another page"})
    assert server.ask("GET", "/api/training").json["state"] == "idle"


def test_the_page_itself_is_let_in(start: Start) -> None:
    server = start()
    own = {"Origin": f"http://127.0.0.1:{server.port}", "Sec_Fetch_Site": "same-origin"}
    body = {"run": server.run("frames"), "seconds": 1, "seed": "1"}
    assert server.ask("PUT", f"/api/jobs/{ticket(1)}", body, **own).status == 202


def test_another_machine_needs_the_token(start: Start) -> None:
    server = start(host="0.0.0.0", token="secret-token")
    for path in (
        "/",
        "/page.js",
        "/api/state",
        "/?token=",
        "/?token=wrong",
        "/?token=secret-tokem",
        "/api/state?token=secret-token",
    ):
        assert server.ask("GET", path, Host="192.168.0.7:7860").status == 401, path
    wrong = f"fastgan-{server.port}=wrong"
    assert server.ask("GET", "/", Cookie=wrong).status == 401
    assert server.ask("GET", "/", Cookie='a="\\').status == 401
    answer = server.ask("GET", "/?token=secret-token", Host="192.168.0.7:7860")
    assert (answer.status, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    sent = cookie.partition(";")[0]
    assert server.ask("GET", "/api/state", Host="192.168.0.7:7860", Cookie=sent).status == 200
    assert server.ask("GET", "/api/state", Host=socket.gethostname(), Cookie=sent).status == 200
    assert server.ask("GET", "/api/state", Host="evil.example", Cookie=sent).status == 403
    assert server.ask("PUT", f"/api/jobs/{ticket(1)}", {}, Cookie=sent, Origin="http://evil.example").status == 403


def test_addresses_of_this_machine_alone() -> None:
    guard = pytest.importorskip("fastgan.page.guard", reason="the page needs starlette: pip install 'fastgan[studio]'")
    assert all(map(guard.is_local, ("127.0.0.1", "127.3.2.1", "::1", "localhost", "LocalHost")))
    assert not any(map(guard.is_local, ("0.0.0.0", "::", "192.168.0.7", "", "example.com", "127.0.0.1.example.com")))
