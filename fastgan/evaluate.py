"""`python -m fastgan.evaluate REAL GENERATED...`: how near generated sound is to real music, beside anchors that say what that means."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from fastgan.base.atomic import write_json
from fastgan.base.command import finish
from fastgan.base.document import write_page
from fastgan.base.errors import BadInput, explain_os_error, printable
from fastgan.config import EvaluateConfig, parser_of
from fastgan.gan.progress import Screen
from fastgan.measure.anchors import anchors, level
from fastgan.measure.compare import Comparison, Ears, Measured, with_positions
from fastgan.measure.musicnn import Musicnn
from fastgan.measure.notes import Transcriber
from fastgan.measure.reconstruction import reconstruction
from fastgan.measure.sets import choose, evenly, read_generated, read_real
from fastgan.measure.words import columns_of, pieces_of, row_of

TRAIN, HELD_OUT, GENERATED, SHAPED = "real, learnt from", "real, held out", "generated", "shaped noise"
RECONSTRUCTION = "reconstruction"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code."""

    def body() -> int:
        parser = parser_of(EvaluateConfig, "python -m fastgan.evaluate", "Compare generated sound with real music.")
        parser.add_argument(
            "real", metavar="REAL", help="folder of music, or of a run: its music, split as it was", type=Path
        )
        parser.add_argument(
            "generated",
            metavar="GENERATED",
            help="folder of sounds, or of a run: what generate made with it; several are compared side by side",
            type=Path,
            nargs="+",
        )
        told = vars(parser.parse_args(argv))
        return evaluate(told.pop("real"), told.pop("generated"), EvaluateConfig(**told))

    return finish("fastgan.evaluate", body)


def evaluate(real: Path, generated: Sequence[Path], config: EvaluateConfig) -> int:
    """Measure sets of sounds and the anchors, print the table, write JSON and a page."""
    screen, ears = Screen(), _ears()
    for reason in ears.absent:
        screen.say(f"left out: {reason}")
    with screen.bar("reading the music", 1) as bar:
        music = read_real(
            real,
            config.rate,
            config.seconds,
            seed=config.seed,
            group=config.group,
            progress=lambda done, total, _: bar.update(done / total),
        )
    sounds = {name: read_generated(place, music.rate, config.seconds) for name, place in _named(generated).items()}
    fewest = min(config.clips, *map(len, sounds.values()))  # bands are of means over as many, distances grow with fewer
    made = {name: choose(clips, fewest) for name, clips in sounds.items()}
    held_out = choose(music.held_out, config.clips)
    with screen.bar("listening to the music", 1) as bar:
        train = choose(music.train, config.train_clips or len(music.train))
        comparison = Comparison(train, held_out, music.rate, ears, count=fewest, seed=config.seed, tick=bar.update)
    screen.say(f"the music: {music.split}")
    sets = {HELD_OUT: held_out, **made}
    runs = (reconstruction(place, held_out, music.rate) for place in (*generated, real))  # the sounds may lie elsewhere
    rebuilt = next((clips for clips in runs if clips is not None), None)
    if rebuilt is not None:
        sets[RECONSTRUCTION] = [level(clip) for clip in rebuilt]
    sets |= anchors(held_out, music.rate, config.seed)
    found: list[Measured] = []
    with screen.bar("listening to the sounds", 1) as bar:
        apart = evenly(len(train), min(config.clips, len(train) // 2))
        if len(apart) > 1:
            found.append(comparison.measure_train(TRAIN, apart))
        for number, (name, clips) in enumerate(sets.items(), start=1):
            found.append(comparison.measure(name, clips))
            bar.update(number / len(sets))
    found = with_positions(found, HELD_OUT, SHAPED)
    _print(screen, found)
    folder = Path(config.out) if config.out else (generated[0] / "evaluation")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_os_error(error, f"making the folder {printable(folder)}") from error
    bands = {name: None if band is None else [band.low, band.high] for name, band in comparison.bands.items()}
    told = {
        "train_clips": len(train),
        "seconds": config.seconds,
        "rate": music.rate,
        "split": music.split,
        "fewest_patches": comparison.reference.fewest if comparison.reference else None,
        "absent": ears.absent,
        "bands": bands,
    }
    write_json(folder / "evaluation.json", told | {"sets": [asdict(one) for one in found]})
    judged = [one for one in found if one.name in made]
    write_page(folder / "evaluation.html", "Generated sound beside real music", pieces_of(found, judged, told))
    screen.say(f"done: {printable(folder / 'evaluation.html')}, and evaluation.json beside it")
    return 0


def _named(generated: Sequence[Path]) -> dict[str, Path]:
    """Sets of sounds by what they are called: by their folders, where there are several."""
    if len(generated) == 1:
        return {GENERATED: generated[0]}
    names = [place.resolve().name for place in generated]
    if len(set(names)) < len(names):
        names = [str(place) for place in generated]
    return {f"{GENERATED}: {printable(name)}": place for name, place in zip(names, generated, strict=True)}


def _ears() -> Ears:
    """Who can listen here; the reasons why others cannot."""
    absent: list[str] = []
    try:
        musicnn = Musicnn.load()
    except BadInput as error:
        musicnn = None
        absent.append(f"KAD, FAD, diversity, memorisation: {error}")
    try:
        notes = Transcriber.load()
    except BadInput as error:
        notes = None
        absent.append(f"voiced share, polyphony, pitch classes, onsets: {error}")
    return Ears(musicnn, notes, tuple(absent))


def _print(screen: Screen, found: Sequence[Measured]) -> None:
    """The table, as wide as its words."""
    rows = [columns_of(found), *(row_of(one, found) for one in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *cells in rows:
        numbers = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        screen.say("  ".join([name.ljust(widths[0]), *numbers]))
    for one in found:
        if one.vetoed:
            screen.say(f"{one.name}: {one.verdict}")


if __name__ == "__main__":
    sys.exit(main())
