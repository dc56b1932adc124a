"""The workflow shows every step with its time and its share."""

import math

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from fastgan.base.errors import BadInput
from fastgan.paper.figures.canvas import BLUE, GRID, PIXELS
from fastgan.paper.figures.workflow import draw_workflow
from tests.paper.figures.common import check_files, height, texts

PARTS = [("Corpus", 3.0, "ten genres"), ("Windows", None, "n = 6"), ("Fit", 75.0, "3 epochs"), ("Game", 222.0, "")]


def test_steps_times_and_shares(tmp_path):
    found = check_files(lambda path: draw_workflow(PARTS, path), tmp_path)
    names = ["1. Corpus", "2. Windows", "3. Fit", "4. Game"]
    assert [line for line in found if line in names] == names
    assert {"3 s", "1 min 15 s", "3 min 42 s", "1 %", "25 %", "74 %", "ten genres", "n = 6"} <= set(found)
    assert found.count("not timed") == 1
    assert found[-1].startswith("5 min 0 s in 3 timed steps")


def test_bars_are_as_long_as_the_shares(tmp_path):
    draw_workflow([("a", 1.0, ""), ("b", 3.0, "")], tmp_path / "a.png")
    image = imread(tmp_path / "a.png")[..., :3]
    blue, grey = (np.abs(image - to_rgb(color)).max(axis=2) < 0.02 for color in (BLUE, GRID))
    rows = np.flatnonzero(grey.sum(axis=1) > 100)
    row = rows[len(rows) // 2]
    for box, share in ((slice(20, 150), 0.25), (slice(200, 330), 0.75)):  # inside the edges, units
        inside = slice(PIXELS * box.start, PIXELS * box.stop)
        full, rest = blue[row, inside].sum(), grey[row, inside].sum()
        assert full / (full + rest) == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize("count", [1, 4, 5, 13])
def test_many_steps_go_on_in_further_rows(count, tmp_path):
    parts = [(f"step-{i}", float(i), "what it did") for i in range(count)]
    found = check_files(lambda path: draw_workflow(parts, path), tmp_path)
    assert [line for line in found if "step-" in line] == [f"{i + 1}. step-{i}" for i in range(count)]
    draw_workflow(parts[:1], tmp_path / "one.svg")
    rows, least = math.ceil(count / 4), height(tmp_path / "one.svg")
    assert height(tmp_path / "a.svg") == pytest.approx(least + (rows - 1) * (least - 8), abs=1), "48 around, 40 between"


def test_long_words_stay_inside_their_box(tmp_path):
    parts = [("a name that is long enough for three lines at least, or four", 1.0, "x" * 300), ("b", 1.0, "y " * 400)]
    found = check_files(lambda path: draw_workflow(parts, path), tmp_path)
    assert sum(line.endswith("…") for line in found) == 3
    assert max(len(line) for line in found[:-1]) < 40


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0, "0 s"),
        (0.02, "< 0.1 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 0 s"),
        (3599.6, "1 h 0 min"),
        (7500.0, "2 h 5 min"),
    ],
)
def test_times_are_written_for_people(seconds, shown, tmp_path):
    draw_workflow([("a", seconds, "")], tmp_path / "a.svg")
    assert shown in texts(tmp_path / "a.svg")


def test_no_time_at_all(tmp_path):
    draw_workflow([("a", None, ""), ("b", 0.0, "")], tmp_path / "a.svg")
    assert {"not timed", "0 %"} <= set(texts(tmp_path / "a.svg"))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "at least one step, got none"),
        ([(" ", 1.0, "")], "has no name"),
        ([("a", -1.0, "")], "'a' took -1.0 seconds"),
        ([("a", float("nan"), "")], "'a' took nan seconds"),
        ([("a", float("inf"), "")], "'a' took inf seconds"),
    ],
)
def test_broken_steps_are_refused(parts, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        draw_workflow(parts, tmp_path / "a.svg")
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written(tmp_path):
    with pytest.raises(ValueError, match=r"\.svg or \.png"):
        draw_workflow(PARTS, tmp_path / "a.webp")
    with pytest.raises(BadInput):
        draw_workflow(PARTS, tmp_path / "missing" / "a.png")
