"""A report as a sequence of plain pieces, to be written as a self-contained page or as Markdown with pictures beside it."""

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from fastgan.base.atomic import replacing

_TYPES = {".png": "image/png", ".svg": "image/svg+xml", ".wav": "audio/wav", ".ogg": "audio/ogg"}


@dataclass(frozen=True)
class Heading:
    """A section (level 2) or a part of one (level 3)."""

    words: str
    level: int = 2


@dataclass(frozen=True)
class Text:
    """A paragraph; `code` between backquotes, **strong words** between pairs of stars."""

    words: str


@dataclass(frozen=True)
class Verdict:
    """A statement that was checked, and whether it holds."""

    holds: bool
    words: str


@dataclass(frozen=True)
class Table:
    """Rows of cells; the first column names the row."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""


@dataclass(frozen=True)
class Picture:
    """An image file, with words for those who do not see it."""

    path: Path
    words: str
    width: int = 700  # in the page, at most


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side, each under its title, with a sound to play where there is one."""

    items: Sequence[tuple[str, Path, Path | None]]


Piece = Heading | Text | Verdict | Table | Picture | Gallery


def write_page(path: Path, title: str, pieces: Sequence[Piece]) -> None:
    """Write a page that needs no other file: pictures and sounds are inside it, and the browser may load nothing else."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"inline": _inline, "data": _data_uri}
    environment.tests["piece"] = lambda piece, kind: type(piece).__name__ == kind
    source = resources.files("fastgan.base").joinpath("page.html.j2").read_text("utf-8")
    page = environment.from_string(source).render(title=title, pieces=pieces)
    with replacing(path) as stream:
        stream.write(page.encode())


def write_markdown(path: Path, title: str, pieces: Sequence[Piece]) -> None:
    """Write Markdown; pictures and sounds are named by their places relative to it."""
    parts = [f"# {title}", *(_markdown(piece, path.parent) for piece in pieces)]
    with replacing(path) as stream:
        stream.write(("\n\n".join(parts) + "\n").encode())


def _markdown(piece: Piece, beside: Path) -> str:
    def place(file: Path) -> str:
        return file.relative_to(beside).as_posix()

    match piece:
        case Heading():
            return "#" * piece.level + " " + piece.words
        case Text():
            return piece.words
        case Verdict():
            return f"**{'✓' if piece.holds else '✗'}** {piece.words}"
        case Table():
            lines = [_line(piece.columns), _line(["---"] * len(piece.columns)), *map(_line, piece.rows)]
            return "\n".join(lines) + (f"\n\n{piece.caption}" if piece.caption else "")
        case Picture():
            return f"![{piece.words}]({place(piece.path)})"
        case Gallery():
            return "\n\n".join(
                f"{title}{f' ([sound]({place(sound)}))' if sound else ''}:\n\n![{title}]({place(picture)})"
                for title, picture, sound in piece.items
            )


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _inline(words: str) -> Markup:
    """Escape a text, then mark up its code and its strong words."""
    safe = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(words, quote=False))
    return Markup(re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", safe))


def _data_uri(path: Path) -> str:
    return f"data:{_TYPES[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"
