"""`python -m fastgan.demo_corpus OUT`: the built-in corpus as a tree of wavs, shaped like GTZAN."""

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fastgan.audio.demo import synthesise
from fastgan.audio.demo.catalogue import catalogue
from fastgan.audio.files import write_sound
from fastgan.base.command import finish
from fastgan.base.errors import BadInput, explain_os_error, printable
from fastgan.config import DemoConfig, parser_of
from fastgan.gan.progress import Screen


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code."""

    def body() -> int:
        parser = parser_of(
            DemoConfig, "python -m fastgan.demo_corpus", "Write the built-in corpus as OUT/GENRE/GENRE.00000.wav."
        )
        parser.add_argument("out", metavar="OUT", help="a new or empty folder", type=Path)
        told = vars(parser.parse_args(argv))
        return write_corpus(told.pop("out"), DemoConfig(**told))

    return finish("fastgan.demo_corpus", body)


def write_corpus(out: Path, config: DemoConfig) -> int:
    """Compose and write all clips, two at a time and more where there are cores."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput(f"{printable(out)} is there already and not an empty folder; give another one")
    songs = catalogue(config.clips)
    try:
        for genre in sorted({genre for _, genre, _ in songs}):
            (out / genre).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_os_error(error, f"making folders in {printable(out)}") from error

    def write(song: tuple[str, str, int]) -> None:
        name, genre, index = song
        samples = synthesise(genre, seed=config.seed, index=index, seconds=config.seconds, rate=config.rate)
        write_sound(out / name, samples, config.rate)

    screen = Screen()
    with screen.bar("composing", len(songs), unit="clips") as bar, ThreadPoolExecutor() as pool:
        try:
            for done, _ in enumerate(pool.map(write, songs), start=1):
                bar.update(done)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    screen.say(f"{len(songs)} clips of {config.seconds:g} s in {printable(out)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
