"""What the tests of pictures share."""

import html
import re
from pathlib import Path

from matplotlib.image import imread

from fastgan.paper.figures.canvas import PIXELS, WIDTH


def texts(path: Path) -> list[str]:
    """All text of an SVG in the order of drawing; formulas come in parts."""
    return [html.unescape(words) for words in re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text("utf-8"))]


def height(path: Path) -> int:
    """Of an SVG, units."""
    found = re.search(r'viewBox="0 0 (\S+) (\S+)"', path.read_text("utf-8"))
    assert float(found[1]) == WIDTH
    return round(float(found[2]))


def check_files(draw, tmp_path: Path) -> list[str]:
    """Draw both kinds twice: same bytes, same size, nothing at the edges, text as text. Gives the text of the SVG."""
    for name in ("a.svg", "b.svg", "a.png", "b.png"):
        draw(tmp_path / name)
    for kind in ("svg", "png"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a.svg", "b.png", "b.svg"]
    image = imread(tmp_path / "a.png")[..., :3]
    assert image.shape == (PIXELS * height(tmp_path / "a.svg"), PIXELS * WIDTH, 3)
    for edge in (image[:8], image[-8:], image[:, :8], image[:, -8:]):
        assert (edge == 1).all(), "all of it lies on the sheet"
    assert image.min() < 0.3
    return texts(tmp_path / "a.svg")
