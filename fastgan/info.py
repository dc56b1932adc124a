"""`python -m fastgan.info`: versions, devices, and which implementations of the LSTM can run here."""

import sys
from collections.abc import Sequence

from fastgan.audio.store import cache_folder
from fastgan.base.command import finish
from fastgan.base.errors import printable
from fastgan.config import parser_of_nothing
from fastgan.ops import native
from fastgan.ops.lstm import backends
from fastgan.ops.machine import describe
from fastgan.page import why_not
from fastgan.version import VERSION


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code."""

    def body() -> int:
        parser_of_nothing("python -m fastgan.info", "Print versions, devices and what can run here.").parse_args(argv)
        return info()

    return finish("fastgan.info", body)


def info() -> int:
    """Print a line per fact."""
    facts = {
        "fastgan": VERSION,
        **describe(),
        "native library": native.why_not() or "loaded",
        "studio": why_not() or "can run here",
        "cache": printable(cache_folder()),
    }
    for name, value in facts.items():
        print(f"{name:<16}{value}")
    print("\nimplementations of the LSTM, fastest first")
    for name, reason in backends():
        print(f"  {name:<14}{'can run here' if reason is None else 'cannot: ' + reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
