"""Reports as a page and as Markdown."""

import base64
import re
from html.parser import HTMLParser

import pytest

from fastgan.base.document import Gallery, Heading, Picture, Table, Text, Verdict, write_markdown, write_page

DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNg+M/wHwAEAQH/7yMK/gAAAABJRU5ErkJggg=="
)


@pytest.fixture
def pieces(tmp_path):
    for name in ("pictures/dot.png", "pictures/line.svg", "sounds/a.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(DOT)
    return [
        Heading("One & two"),
        Text("Say `x < 1` and **so**, not *so* or <b>."),
        Heading("Smaller", 3),
        Verdict(True, "it holds"),
        Verdict(False, "it does not"),
        Table(["", "a|b"], [["first", "1 | 2"], ["second", "`c`"]], "A caption."),
        Picture(tmp_path / "pictures/line.svg", 'a "line"'),
        Gallery(
            [
                ("with sound", tmp_path / "pictures/dot.png", tmp_path / "sounds/a.wav"),
                ("without", tmp_path / "pictures/dot.png", None),
            ]
        ),
    ]


class Balanced(HTMLParser):
    """Tags that are opened are closed, in their order."""

    def __init__(self, page: str):
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.sources += [value for name, value in attributes if name in ("src", "href")]
        if tag not in ("meta", "link", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_a_page_that_needs_no_other_file(tmp_path, pieces):
    write_page(tmp_path / "report.html", "A title", pieces)
    page = (tmp_path / "report.html").read_text("utf-8")
    sources = Balanced(page).sources
    assert all(source.startswith(("data:", "#section-")) for source in sources)
    assert sum(source.startswith("data:audio/wav;base64,") for source in sources) == 1
    assert sum(source.startswith("data:image/svg+xml;base64,") for source in sources) == 1
    assert base64.b64encode(DOT).decode() in page
    assert '<h2 id="section-1">One &amp; two</h2>' in page
    assert "Say <code>x &lt; 1</code> and <b>so</b>, not *so* or &lt;b&gt;." in page
    assert 'class="verdict good"' in page
    assert 'class="verdict bad"' in page
    assert re.search(r'<th scope="row">second</th><td class="short"><code>c</code></td>', page)
    assert 'alt="a &#34;line&#34;"' in page


def test_markdown_names_its_files_from_where_it_is(tmp_path, pieces):
    write_markdown(tmp_path / "report.md", "A title", pieces)
    text = (tmp_path / "report.md").read_text("utf-8")
    assert text.startswith("# A title\n\n## One & two\n\n")
    assert "|  | a\\|b |\n| --- | --- |\n| first | 1 \\| 2 |\n| second | `c` |\n\nA caption." in text
    assert '![a "line"](pictures/line.svg)' in text
    assert "with sound ([sound](sounds/a.wav)):\n\n![with sound](pictures/dot.png)" in text
    assert "**✓** it holds\n\n**✗** it does not" in text
    for name in re.findall(r"\]\(([^)]+)\)", text):
        assert (tmp_path / name).exists()


def test_a_missing_picture_is_no_report(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_page(tmp_path / "report.html", "A title", [Picture(tmp_path / "no.png", "nothing")])
    assert not (tmp_path / "report.html").exists()
