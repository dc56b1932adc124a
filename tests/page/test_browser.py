"""The page in a real browser, in front of a server in a process of its own."""

import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from fastgan.audio.health import examine
from fastgan.generate import main as generate
from tests.conftest import RATE, tune

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

STOPPED = "fastgan.studio: stopped; finished clips are in the folder studio of their run\n"

LONG = "300"  # seconds: a clip that takes long enough to be caught in the making


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    pytest.importorskip("starlette", reason="the page needs starlette: pip install 'fastgan[studio]'")
    pytest.importorskip("uvicorn", reason="the page needs uvicorn: pip install 'fastgan[studio]'")
    driver = pytest.importorskip("playwright.sync_api", reason="no driver: pip install playwright")
    if CHROMIUM is None:
        pytest.skip("there is no chromium here")
    with driver.sync_playwright() as playwright:
        # A container seldom lets a browser of root make its sandbox.
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        )
        yield chromium
        chromium.close()


class Process:
    """A server of the page, as a user starts it."""

    def __init__(self, *told: str):
        command = [sys.executable, "-m", "fastgan.studio", *told, "--port", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.said = ""
        line = self.process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, self.process.communicate()
        self.address = found.group()

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Send a signal; gives the exit code and what was said on standard error."""
        if self.process.poll() is None:
            self.process.send_signal(number)
            self.said = self.process.communicate(timeout=30)[1]
        return self.process.returncode, self.said


@pytest.fixture(scope="module")
def run(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the run, whose clips are of this file alone."""
    folder = tmp_path_factory.mktemp("browser") / "frames"
    shutil.copytree(runs / "frames", folder, ignore=shutil.ignore_patterns("studio"))
    return folder


@pytest.fixture(scope="module")
def server(run: Path, browser: Any) -> Iterator[Process]:
    process = Process(str(run))
    yield process
    assert process.end() == (130, STOPPED)


class Page:
    """A tab in a browser of its own, with what went wrong in it."""

    def __init__(self, browser: Any, address: str, **told: Any):
        self.context = browser.new_context(**told)
        self.tab = self.context.new_page()
        self.tab.set_default_timeout(60_000)
        self.wrong: list[str] = []
        self.asked: list[str] = []
        self.tab.on("console", lambda message: self.wrong.append(message.text) if message.type == "error" else None)
        self.tab.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.tab.on("request", lambda request: self.asked.append(request.url))
        self.tab.goto(address)
        self.clips = self.tab.locator(".clip")

    def open(self) -> "Page":
        """Wait for the button, and open the settings."""
        self.tab.locator("#go").wait_for()
        self.tab.locator("#settings summary").click()
        return self

    def make(self, seconds: str, seed: str = "") -> None:
        """Press the button."""
        self.tab.fill("#seconds", seconds)
        self.tab.fill("#seed", seed)
        self.tab.click("#go")

    def hear(self, words: str) -> None:
        """Wait until the page says so to those who listen."""
        self.tab.locator("#status", has_text=words).wait_for()

    def begun(self) -> None:
        """Wait until some of the clip is made."""
        self.tab.locator("#progress-words", has_text=re.compile(r"^[1-9]\d* %")).wait_for()


@pytest.fixture
def pages(browser: Any, server: Process) -> Iterator[Any]:
    """Open tabs; each was free of errors, and asked nobody but the server."""
    opened: list[Page] = []

    def begin(**told: Any) -> Page:
        opened.append(Page(browser, server.address, **told))
        return opened[-1]

    yield begin
    for page in opened:
        page.context.close()
        expected = [words for words in page.wrong if "status of 400" not in words]  # the browser's own remark
        assert expected == []
        assert [url for url in page.asked if not url.startswith((server.address, "data:"))] == []


def test_a_click_makes_the_very_sound_that_generate_makes(pages: Any, run: Path, tmp_path: Path) -> None:
    page = pages().open()
    page.make("2", "5")
    page.hear("made in")
    with page.tab.expect_response(re.compile(r"/clips/\w+\.wav$")) as fetched:
        page.clips.first.get_by_role("button", name="Play Music by frames, seed 5").click()
    page.tab.locator(".sound.playing").wait_for()
    place = page.tab.locator(".track input").first
    until = time.monotonic() + 20
    while float(place.input_value()) == 0 and time.monotonic() < until:
        time.sleep(0.05)
    assert float(place.input_value()) > 0, "it plays"
    with page.tab.expect_download() as saved:
        page.clips.first.get_by_role("link", name="Download").click()
    samples, rate = soundfile.read(saved.value.path(), dtype="int16")
    assert generate([str(run), "--seconds", "2", "--seed", "5", "--out", str(tmp_path / "a.wav")]) == 0
    np.testing.assert_array_equal(samples, soundfile.read(tmp_path / "a.wav", dtype="int16")[0])
    assert fetched.value.status in (200, 206)
    verdict = examine(samples, rate)
    words = "✓ healthy" if verdict.ok else f"✗ {verdict.verdict}"
    assert words in page.clips.first.inner_text()
    page.clips.first.get_by_text("Make it again").click()
    assert f"fastgan.generate {run} --seconds 2 --seed 5" in page.clips.first.locator("code").inner_text()


def test_dials_are_told_in_words_and_in_the_command(pages: Any) -> None:
    page = pages().open()
    page.tab.fill("#temperature", "0.8")
    page.tab.fill("#style", "1.6")
    labels = [page.tab.locator(f"label[for={name}]").inner_text() for name in ("temperature", "style")]
    assert labels == ["Temperature 0.8 calmer", "Style 1.6 more marked"]
    page.make("2", "6")
    page.hear("made in")
    line = page.clips.first.locator(".line").inner_text()
    assert "temperature 0.8" in line
    assert "style 1.6" in line
    assert "temperature 0.8 · style 1.6" in page.tab.locator("#summary").inner_text()
    page.clips.first.get_by_text("Make it again").click()
    assert "--seed 6 --temperature 0.8 --style-strength 1.6" in page.clips.first.locator("code").inner_text()


def test_two_clicks_in_a_row_are_one_clip(pages: Any) -> None:
    page = pages().open()
    before = page.clips.count()
    page.tab.fill("#seconds", "2")
    page.tab.dblclick("#go")
    page.hear("made in")
    page.tab.reload()
    page.clips.nth(before).wait_for()
    time.sleep(0.5)
    assert page.clips.count() == before + 1


def test_two_browsers_at_once(pages: Any) -> None:
    one, two = pages().open(), pages().open()
    one.make(LONG, "1")
    one.begun()
    two.make("2", "2")
    two.hear("Waiting: 1 clip is made before yours")
    one.tab.click("#cancel")
    one.hear("Cancelled.")
    two.hear("made in")
    assert "seed 2" in two.clips.first.inner_text()


def test_a_tab_that_is_closed_or_loaded_again_loses_nothing(pages: Any) -> None:
    gone, left = pages().open(), pages().open()
    gone.make(LONG, "31")  # so that the other still waits when its tab is there again
    gone.begun()
    gone.context.close()
    left.make("2", "32")
    left.tab.locator("#progress").wait_for()
    left.tab.reload()
    left.tab.locator("#progress").wait_for()
    left.hear("made in")
    left.tab.reload()
    left.clips.nth(1).wait_for()
    assert "seed 32" in left.clips.nth(0).inner_text()
    assert "seed 31" in left.clips.nth(1).inner_text()


def test_a_recording_to_go_on_from_and_a_broken_one(pages: Any, tmp_path: Path) -> None:
    name = "<img src=x onerror=document.title=1>.wav"
    broken, good = tmp_path / "broken.wav", {"name": name, "mimeType": "audio/wav", "buffer": wav(tune(3, seed=4))}
    broken.write_bytes(b"no sound at all")
    page = pages().open()
    page.tab.set_input_files("#recording", broken)
    page.tab.get_by_role("alert").filter(has_text="broken.wav: libsndfile finds no sound in it").wait_for()
    assert page.tab.locator("#recording").get_attribute("aria-invalid") == "true"
    page.tab.set_input_files("#recording", good)
    page.tab.locator("#recording-words", has_text="0:03 of sound").wait_for()
    assert page.tab.get_by_role("alert").inner_text() == ""
    page.make("2", "1")
    page.hear("made in")
    assert page.clips.first.locator("h3").inner_text() == f"After {name}"
    assert page.tab.title() == "fastgan studio"
    page.tab.click("#forget")
    assert "after" not in page.tab.locator("#summary").inner_text()


def test_a_number_out_of_bounds_is_told_at_once(pages: Any) -> None:
    page = pages().open()
    page.make("0")
    page.tab.get_by_role("alert").filter(has_text="The length is 1 to 300 seconds.").wait_for()
    page.make("2", "minus one")
    page.tab.get_by_role("alert").filter(has_text="The seed is a whole number").wait_for()
    page.make("2", "99999999999999999")
    page.hear("made in")
    assert "seed 99999999999999999" in page.clips.first.inner_text(), "not rounded on its way"


def test_by_keyboard_alone(pages: Any) -> None:
    page = pages()
    page.tab.locator("#go").wait_for()
    press, focused = page.tab.keyboard.press, "document.activeElement.id || document.activeElement.className"

    def walk(name: str) -> None:
        for _ in range(40):
            press("Tab")
            if page.tab.evaluate(focused) == name:
                outline = page.tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline != "none", f"{name} does not show that it has the focus"
                return
        raise AssertionError(f"Tab does not reach {name}")

    walk("go")
    press("Tab")
    press("Enter")
    assert page.tab.evaluate("document.getElementById('settings').open")
    walk("seconds")
    press("Control+A")
    page.tab.keyboard.type("2")
    press("Enter")
    page.hear("made in")
    page.tab.evaluate("document.getElementById('go').focus()")
    page.tab.fill("#seconds", LONG)
    page.tab.focus("#go")
    press("Enter")
    page.begun()
    walk("cancel")
    press("Space")
    page.hear("Cancelled.")
    assert page.tab.evaluate(focused) == "go"
    walk("play")
    press("Space")
    page.tab.locator(".sound.playing").wait_for()
    press("Space")
    press("Tab")
    press("End")
    assert float(page.tab.locator(".track input").first.input_value()) == pytest.approx(2, abs=0.15)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_in_light_and_dark(pages: Any, scheme: str) -> None:
    page = pages(viewport={"width": 360, "height": 640}, color_scheme=scheme).open()
    page.make("2", "1234567890123456789")
    page.hear("made in")
    page.clips.first.get_by_text("Make it again").click()
    page.make("0")
    assert page.tab.evaluate("document.documentElement.scrollWidth") <= 360
    small = page.tab.evaluate(
        "[...document.querySelectorAll('button, summary, select, .more a')].filter((one) => one.offsetParent && "
        "one.getBoundingClientRect().height < 40).map((one) => one.textContent)"
    )
    assert small == [], "too small for a thumb"
    for selector in (
        "h1",
        "#about",
        "#summary",
        "#go",
        ".clip .line",
        ".clip code",
        "#error",
        "footer p",
        "label small",
    ):
        ratio = page.tab.evaluate(CONTRAST, selector)
        assert ratio >= 4.5, f"{selector}: contrast {ratio:.2f}"
    paper = page.tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper)[:3])) < 200) == (scheme == "dark")


CONTRAST = """(selector) => {
  const part = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = (color) => color.match(/[\\d.]+/g).slice(0, 3).map(Number).map(part)
    .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
  const one = document.querySelector(selector);
  let ground = one;
  while (getComputedStyle(ground).backgroundColor === "rgba(0, 0, 0, 0)") ground = ground.parentElement;
  const pair = [getComputedStyle(one).color, getComputedStyle(ground).backgroundColor].map(light).sort((a, b) => b - a);
  return (pair[0] + 0.05) / (pair[1] + 0.05);
}"""
"""Of WCAG 2.1 (W3C Recommendation, 2018): relative luminance of text and of what lies behind it."""


def test_everything_has_a_name_for_those_who_listen(pages: Any) -> None:
    page = pages().open()
    page.make("2")
    page.hear("made in")
    nameless = page.tab.evaluate(
        "[...document.querySelectorAll('input, select, button, progress, [role=img]')].filter((one) => !(one.ariaLabel || "
        "(one.labels && one.labels.length) || one.textContent.trim())).map((one) => one.outerHTML)"
    )
    assert nameless == []
    assert page.tab.locator("[aria-live=polite]").count() == 1
    assert page.tab.locator("html").get_attribute("lang") == "en"
    assert page.tab.locator("h1:visible").count() == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_server_that_is_stopped_in_the_middle(browser: Any, run: Path, number: int) -> None:
    before = set((run / "studio").glob("*"))
    process = Process(str(run))
    try:
        page = Page(browser, process.address).open()
        page.make(LONG)
        page.begun()
        began = time.monotonic()
        assert process.end(number) == (130, STOPPED)
        assert time.monotonic() - began < 15
    finally:
        process.end(signal.SIGKILL)
    page.tab.get_by_role("alert").filter(has_text="the server does not answer").wait_for()
    assert set((run / "studio").glob("*")) == before, "nothing half-made is left"
    page.context.close()


def test_an_exported_page_needs_nothing(browser: Any, run: Path, tmp_path: Path) -> None:
    from fastgan.studio import main

    out = tmp_path / "page.html"
    assert main([str(run), "--export", str(out), "--clips", "3", "--seconds", "2"]) == 0
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    os.replace(out, moved / "page.html")
    page = Page(browser, (moved / "page.html").as_uri(), offline=True, viewport={"width": 360, "height": 640})
    assert page.clips.count() == 3
    assert [page.clips.nth(at).locator("h3").inner_text() for at in range(3)] == ["Blues", "Jazz", "Blues"]
    assert page.tab.evaluate("document.documentElement.scrollWidth") <= 360
    page.clips.first.locator(".play").click()
    page.tab.locator(".sound.playing").wait_for()
    with page.tab.expect_download() as saved:
        page.clips.first.get_by_role("link", name="Download").click()
    sound, rate = soundfile.read(saved.value.path())
    assert (len(sound), rate) == (2 * RATE, RATE)
    assert np.sqrt(np.square(sound).mean()) > 0.01
    assert page.wrong == []
    assert [url for url in page.asked if not url.startswith(("file:", "data:", "blob:"))] == []
    page.context.close()


def wav(samples: np.ndarray) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, samples, RATE, format="WAV", subtype="PCM_16")
    return stream.getvalue()
