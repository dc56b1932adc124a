"""The page itself: one document with its style and script, served in parts or written as one file."""

import base64
import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from fastgan.base.atomic import replacing
from fastgan.version import VERSION

_SCRIPTS = ("show.js", "make.js", "train.js", "start.js")
_ALONE = ("show.js", "alone.js")
"""Of a page without a server."""


@cache
def style() -> str:
    """The page's style sheet."""
    return _read("page.css")


@cache
def script() -> str:
    """The script of the page with a server."""
    return "".join(map(_read, _SCRIPTS))


@cache
def live_page() -> str:
    """The document that the server gives; everything else comes to it through the script."""
    return _render(alone=False, title="fastgan studio", run={}, clips=Markup(""), style=Markup(""), script=Markup(""))


def write_alone(path: Path, run: dict[str, Any], clips: Sequence[dict[str, Any]]) -> None:
    """Write the page of a finished run as one file that needs no other and no server.

    Args:
        path: of the file.
        run: its name and what it was trained on.
        clips: as the script takes them, with sound and picture as data URIs.

    Raises:
        BadInput, MachineFailure: the file cannot be written.
    """
    told = json.dumps(clips).replace("<", "\\u003c")  # no text within can end the element that holds it
    page = _render(
        alone=True,
        title=f"{run['name']}: music by fastgan",
        run=run,
        clips=Markup(told),
        style=Markup(style()),
        script=Markup("".join(map(_read, _ALONE))),
    )
    with replacing(path) as stream:
        stream.write(page.encode())


def data_uri(data: bytes, kind: str) -> str:
    """Bytes as an address that holds them."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _render(**told: Any) -> str:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_read("page.html.j2")).render(version=VERSION, **told)


def _read(name: str) -> str:
    return resources.files("fastgan.page").joinpath("web", name).read_text("utf-8")
