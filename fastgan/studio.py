"""`python -m fastgan.studio [RUN]`: a page on this machine, on which music is made with one button."""

import secrets
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from fastgan.base.command import Interrupted, finish
from fastgan.base.errors import BadInput, printable
from fastgan.config import StudioConfig, parser_of
from fastgan.gan.progress import Screen
from fastgan.gan.run import read_config
from fastgan.page import why_not
from fastgan.page.export import export
from fastgan.page.runs import Runs


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code."""

    def body() -> int:
        parser = parser_of(StudioConfig, "python -m fastgan.studio", "Make music on a page, with one button.")
        parser.add_argument("run", metavar="RUN", help="folder of a run; those in --runs when left out", nargs="?")
        told = vars(parser.parse_args(argv))
        return studio(told.pop("run", None), StudioConfig(**told))

    return finish("fastgan.studio", body)


def studio(run: str | None, config: StudioConfig) -> int:
    """Serve the page, or write it as a file."""
    screen = Screen()
    if run is not None:
        read_config(Path(run))
    runs = Runs(Path(run) if run is not None else None, Path(config.runs))
    if config.export:
        return _export(runs, config, screen)
    reason = why_not()
    if reason:
        raise BadInput(reason)
    return _serve(runs, config, screen)


def _export(runs: Runs, config: StudioConfig, screen: Screen) -> int:
    if runs.only is None:
        raise BadInput("--export is about one run; name it: python -m fastgan.studio RUN --export page.html")
    offer = runs.get(runs.all()[0].id)
    with screen.bar(f"{config.clips} clips", 1) as bar:
        export(
            offer, Path(config.export), clips=config.clips, seconds=config.seconds, seed=config.seed, tick=bar.update
        )
    screen.say(f"done: {printable(config.export)}, one file that needs no other")
    return 0


def _serve(runs: Runs, config: StudioConfig, screen: Screen) -> int:
    from fastgan.page.guard import is_local  # what these rest on need not be installed
    from fastgan.page.server import Studio
    from fastgan.page.serving import serve
    from fastgan.page.training import Training

    token = None if is_local(config.host) else secrets.token_urlsafe(32)
    page = Studio(runs, Training(runs.parent) if runs.only is None else None)

    def started(port: int) -> None:
        host = socket.gethostname() if config.host in ("0.0.0.0", "::") else config.host  # no one can open those two
        host = f"[{host}]" if ":" in host else host
        screen.say(f"studio: http://{host}:{port}/{f'?token={token}' if token else ''}  (Ctrl-C ends it)")
        sys.stdout.flush()

    before = signal.signal(signal.SIGTERM, _stop)
    try:
        serve(page, host=config.host, port=config.port, token=token, started=started)
    except KeyboardInterrupt:
        pass  # everything is closed by now
    finally:
        signal.signal(signal.SIGTERM, before)
    raise Interrupted("stopped; finished clips are in the folder studio of their run")


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
