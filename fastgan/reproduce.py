"""`python -m fastgan.reproduce`: the paper's experiments, run here, with each table and figure beside what the paper has."""

import json
import os
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from fastgan.base.atomic import write_json
from fastgan.base.command import Interrupted, finish
from fastgan.base.document import write_markdown, write_page
from fastgan.base.errors import BadInput, explain_os_error, printable
from fastgan.config import ReproduceConfig, TrainConfig, changed_fields, known_fields, parser_of
from fastgan.gan.clock import Clock
from fastgan.gan.progress import Screen, duration
from fastgan.ops.machine import choose_device, describe, use_threads
from fastgan.paper.experiments import EXPERIMENTS
from fastgan.paper.report.chapters import report
from fastgan.paper.setup import BATCH, HIDDEN, SCALES, Setup
from fastgan.version import VERSION

TITLE = "Generating Music with GANs and LSTM: the paper, reproduced"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code."""

    def body() -> int:
        words = "Run the paper's experiments and explain what comes out."
        return reproduce(
            ReproduceConfig(**vars(parser_of(ReproduceConfig, "python -m fastgan.reproduce", words).parse_args(argv)))
        )

    return finish("fastgan.reproduce", body)


def reproduce(config: ReproduceConfig) -> int:
    """Run what is not done yet, then write the report."""
    screen, clock, folder = Screen(), Clock(0.0, time.monotonic()), Path(config.out)
    command = shlex.join(["python", "-m", "fastgan.reproduce", *_words(config)])
    choose_device(config.device)
    use_threads(config.threads, BATCH, HIDDEN)
    setup = _setup(config, clock, screen)
    _begin(folder, config)
    try:
        with clock.listening():
            for number, name in enumerate(EXPERIMENTS, start=1):
                if not _result(folder, name).exists():
                    screen.say(f"\n{number}/{len(EXPERIMENTS)}: {EXPERIMENTS[name][0]}")
                    _run(setup, name, screen)
    except Interrupted:
        raise Interrupted(f"stopped, all that is done is saved; go on with: {command}") from None
    results = {name: _read(_result(folder, name)) for name in EXPERIMENTS}
    pieces = report(setup, results, command=command, epochs=TrainConfig().epochs, version=VERSION, machine=describe())
    write_page(folder / "report.html", TITLE, pieces)
    write_markdown(folder / "report.md", TITLE, pieces)
    screen.say(f"\ndone: {printable(folder / 'report.html')}, and report.md beside it")
    return 0


def _run(setup: Setup, name: str, screen: Screen) -> None:
    """Run an experiment and keep what it found."""
    began = time.monotonic()
    found = EXPERIMENTS[name][1](setup)
    seconds = time.monotonic() - began
    write_json(_result(setup.folder, name), {"seconds": seconds, "found": found})
    screen.say(f"  done in {duration(seconds)}")
    setup.clock.check()


def _begin(folder: Path, config: ReproduceConfig) -> None:
    """Keep the settings in the folder, or see that those there are the same.

    Raises:
        BadInput: they are not, or the folder holds something else or cannot be made.
    """
    path, now = folder / "settings.json", _settings(config)
    if path.exists():
        differing = changed_fields(known_fields(ReproduceConfig, _read(path)), now, ReproduceConfig)
        if differing:
            raise BadInput(
                f"{printable(folder)} was begun with other settings: {', '.join(differing)}; repeat those, or choose another --out"
            )
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{printable(folder)} holds something else; choose another --out")
    try:
        (folder / "results").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_os_error(error, f"making the folder {printable(folder)}") from error
    write_json(path, now)


def _settings(config: ReproduceConfig) -> dict[str, Any]:
    """What a folder was begun with: it may go on from another place."""
    return asdict(config) | ({"data": os.path.abspath(config.data)} if config.data else {})


def _words(config: ReproduceConfig) -> list[str]:
    """What has to be typed for a config."""
    standard = asdict(ReproduceConfig())
    told = {name: value for name, value in asdict(config).items() if value != standard[name]}
    return [word for name, value in told.items() for word in (f"--{name.replace('_', '-')}", f"{value}")]


def _result(folder: Path, name: str) -> Path:
    return folder / "results" / f"{name.replace(' ', '-')}.json"


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except ValueError as error:
        raise BadInput(f"{printable(path)} is damaged ({error}); remove it, and what it held is made anew") from error
    return found


def _setup(config: ReproduceConfig, clock: Clock, screen: Screen) -> Setup:
    sizes = replace(SCALES[config.scale], epochs=tuple(sorted({_epoch(word) for word in config.epochs.split(",")})))
    if config.steps_per_epoch:
        sizes = replace(sizes, steps=config.steps_per_epoch)
    if config.equal_seconds:
        sizes = replace(sizes, equal_seconds=config.equal_seconds)
    genres = tuple(name.strip() for name in config.genres.split(",") if name.strip())
    data, tenths = _settings(config)["data"], set[int]()

    def show(done: int, total: int, name: str) -> None:
        if 10 * done // total not in tenths:
            tenths.add(10 * done // total)
            screen.say(f"  music: {done:,} of {total:,} clips")

    return Setup(Path(config.out), data, genres, config.seed, sizes, config.device, config.threads, clock, show)


def _epoch(word: str) -> int:
    if not word.strip().isdecimal() or not 1 <= int(word) <= 1_000_000:
        raise BadInput(f"--epochs has {word!r}; it takes numbers from 1 on, separated by commas, as 3,4,50")
    return int(word)


if __name__ == "__main__":
    sys.exit(main())
