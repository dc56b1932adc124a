"""A sheet keeps text as text, gives the same bytes, and leaves matplotlib's settings as they were."""

import subprocess
import sys
import threading

import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread

from fastgan.base.errors import BadInput
from fastgan.paper.figures.canvas import PIXELS, WIDTH, Canvas, width, wrap
from tests.paper.figures.common import check_files, texts


def drawn(path, words="some words"):
    sheet = Canvas(100)
    sheet.box(10, 10, 100, 40)
    sheet.arrow((110, 30), (200, 30), (200, 80), dashed=True)
    sheet.words(60, 34, words)
    sheet.formula(300, 50, "c_t = f_t c_{t-1} + tanh(x)")
    sheet.save(path)


def test_files(tmp_path):
    found = check_files(drawn, tmp_path)
    assert found == ["some words", "c", "t", "=", "f", "t", "c", "t-1", "+", "tanh", "(", "x", ")"]


@pytest.mark.parametrize("words", ["$\\frac{", "<b>&amp;", "a\nb\tc", "\udcff\x00 中"])
def test_any_words_are_written_as_they_are(words, tmp_path):
    drawn(tmp_path / "a.svg", words)
    shown = " ".join("".join("\ufffd" if mark in "\udcff\x00中" else mark for mark in words).split())
    assert texts(tmp_path / "a.svg")[0] == shown
    drawn(tmp_path / "a.png", words)


def test_an_arrow_ends_at_its_last_point_and_starts_at_its_first(tmp_path):
    sheet = Canvas(100)
    sheet.arrow((100, 50), (300, 50))
    sheet.save(tmp_path / "a.png")
    dark = imread(tmp_path / "a.png")[..., 0] < 0.5
    columns, rows = np.flatnonzero(dark.any(axis=0)) / PIXELS, np.flatnonzero(dark.any(axis=1)) / PIXELS
    assert columns[0] == pytest.approx(100, abs=1)
    assert columns[-1] == pytest.approx(300, abs=1.5)
    assert rows.mean() == pytest.approx(50, abs=1)
    assert dark[:, PIXELS * 293].sum() > dark[:, PIXELS * 200].sum(), "the head is broader than the line"


def test_settings_stay_as_they_were(tmp_path):
    before = dict(matplotlib.rcParams)
    drawn(tmp_path / "a.svg")
    with pytest.raises(BadInput):
        drawn(tmp_path / "missing" / "a.svg")
    assert dict(matplotlib.rcParams) == before


def test_settings_of_the_user_do_not_change_the_text(tmp_path):
    drawn(tmp_path / "a.svg")
    with matplotlib.rc_context({"svg.fonttype": "path", "font.sans-serif": ["DejaVu Serif"], "svg.hashsalt": None}):
        drawn(tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_threads_draw_what_one_would(tmp_path):
    names = [f"{i}.{kind}" for i in range(2) for kind in ("svg", "png")]
    threads = [threading.Thread(target=drawn, args=(tmp_path / name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in names:
        drawn(tmp_path / f"alone_{name}")
        assert (tmp_path / name).read_bytes() == (tmp_path / f"alone_{name}").read_bytes()


def test_pyplot_is_never_loaded(tmp_path):
    code = (
        "import sys; from fastgan.paper.figures.canvas import Canvas\n"
        f"for name in ('a.svg', 'a.png'): Canvas(50).save({str(tmp_path)!r} + '/' + name)\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["a.pdf", "a", "svg"])
def test_another_ending_is_refused(name, tmp_path):
    with pytest.raises(ValueError, match=r"written as \.svg or \.png, got '" + name):
        drawn(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("points", [[(1, 1)], [(1, 1), (1, 1)], [(1, 1), (2, 1), (2, 1)]])
def test_an_arrow_without_a_direction_is_refused(points):
    with pytest.raises(ValueError, match="points that differ"):
        Canvas(50).arrow(*points)


def test_wrapped_lines_fit_and_hold_all_words():
    words = "one two three four five six seven eight nine ten"
    lines = wrap(words, 80, 12, most=20)
    assert len(lines) > 3
    assert " ".join(lines) == words
    assert max(width(line, 12) for line in lines) <= 80
    cut = wrap(words, 80, 12, most=2)
    assert len(cut) == 2
    assert cut[0] == lines[0]
    assert cut[1].endswith("…")
    assert width(cut[1], 12) <= 80
    (long,) = wrap("x" * 500, 80, 12)
    assert 60 < width(long, 12) <= 80
    assert long.endswith("…")
    assert wrap("", 80, 12) == []


def test_width_of_text_is_that_of_its_marks():
    assert width("ab", 10) == pytest.approx(width("a", 10) + width("b", 10), rel=0.02)
    assert width("a ", 20) > width("a", 20) == pytest.approx(2 * width("a", 10), rel=0.02)
    assert width("abc", 12, bold=True) > width("abc", 12)
    assert width("", 12) == 0
    assert width("m" * 200, 12) > WIDTH
