"""Does the preset `music` make music, and does its game pay? Trained with several seeds and compared with what it learnt from.

Every run takes the same steps, about what two cores do in twenty minutes, so that a busy machine changes the time and not the
answer. Ten pieces of 20 s by the checkpoint that the trainer chose, ten by the best of fit alone and, where the trainer rejected the
game, ten by that, are measured as `evaluate` does, beside its anchors; with --paper the preset `paper` too, as long
as the first run took. One set of ten is off by more than most games are worth, so --sets makes several of each, in pairs from the
same beginnings, and gives the mean of what the game changes with its standard error. What is there already is not made again, so it
may be stopped at any moment.

    python -m benchmarks.music FOLDER [--seeds 0,1,2] [--sets 1] [--out OUT] [--paper]
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fastgan.measure.words import TITLES

STEPS = "--minutes 0 --encoder-epochs 4 --fit-epochs 12 --epochs 5".split()  # of 200 steps each
PIECES = "--count 10 --seconds 20".split()
GAME, FIT, PAPER = "generated", "generated, fit alone", "generated, preset paper"
REJECTED = "generated, rejected game"
ORDER = (
    "real, learnt from",
    "real, held out",
    "reconstruction",
    GAME,
    FIT,
    REJECTED,
    PAPER,
    "reversed",
    "shuffled",
    "shaped noise",
)
COLUMNS = ("kad", "position", "diversity", "memorisation")

Set = dict[str, Any]
Say = Callable[[str], None]


def command(verb: str, *told: str | Path) -> None:
    """Run one of the package's commands in a process of its own."""
    subprocess.run([sys.executable, "-m", f"fastgan.{verb}", *map(str, told)], check=True)


def train(run: Path, *told: str | Path) -> None:
    """Train a run, or go on with it."""
    if (run / "config.json").exists():
        command("train", "--resume", "--out", run)
    else:
        command("train", *told, "--out", run)


def measured(run: Path, told: dict[str, list[str]], number: int = 1) -> list[Set]:
    """Make ten pieces with a run in each of some ways, and compare them with its music.

    Args:
        run: trained.
        told: what `generate` is told, by what the pieces are called.
        number: chooses beginnings and noise, the same for all.

    Returns:
        All sets, the pieces under their names.
    """
    apart = f", {number}" if number > 1 else ""
    folders = {name: run.with_name(f"{run.name}, {name}{apart}") for name in told}
    first, *others = folders.values()
    found = first / "evaluation" / "evaluation.json"
    if not found.exists():
        for name, folder in folders.items():
            command("generate", run, *PIECES, "--seed", str(number), *told[name], "--out", folder)
        command("evaluate", run, first, *others, "--train-clips", "0")
    sets: list[Set] = json.loads(found.read_text())["sets"]
    made = [one["name"] for one in sets if one["name"].startswith("generated")]
    names = dict(zip(made, told, strict=True))  # sets are in the order of the command
    return [one | {"name": names.get(one["name"], one["name"])} for one in sets]


def sets_of(run: Path, count: int) -> Iterator[Set]:
    """Everything that is measured of one seed; the music and its anchors once. The choice is fit where the game was rejected."""
    for number in range(1, count + 1):
        game = GAME if kept(run) else REJECTED
        found = measured(run, {FIT: ["--checkpoint", "fit"], game: ["--checkpoint", "game"]}, number)
        yield from (one for one in found if number == 1 or one["name"] in (FIT, game))
        if game == REJECTED:
            yield from (one | {"name": GAME} for one in found if one["name"] == FIT)


def minutes_of(run: Path) -> float:
    """How long a run took."""
    return sum(json.loads(line)["seconds"] for line in (run / "log.jsonl").read_text().splitlines()) / 60


def kept(run: Path) -> bool:
    """Whether the game was better than fit, and was kept."""
    return bool(json.loads((run / "music.json").read_text())["stage"] == "game")


def values_of(one: Set) -> dict[str, float]:
    """What is compared of a set, by its title."""
    columns = {"KAD": one["kad"], "diversity": one["diversity"], "new": one["memorisation"]}
    columns |= {TITLES[name]: value for name, value in one["panel"].items()} | {"in bands": one["inside"]}
    return {title: value for title, value in columns.items() if value is not None}


def pairs(game: list[list[Set]], fit: list[list[Set]], who: str) -> str:
    """What some sets of each seed change against fit alone, in Markdown, in pairs; `who` says what they are."""
    lines = [f"| | fit alone | {who} | difference (standard error) | by seed |", "|" + "---|" * 5]
    ours, theirs = ([[values_of(one) for one in sets] for sets in every] for every in (game, fit))
    for title in (title for title in theirs[0][0] if all(title in one for sets in ours + theirs for one in sets)):
        one, other = ([[values[title] for values in sets] for sets in every] for every in (ours, theirs))
        apart = [[a - b for a, b in zip(*both, strict=True)] for both in zip(one, other, strict=True)]
        every = [value for values in apart for value in values]
        error = statistics.stdev(every) / len(every) ** 0.5 if len(every) > 1 else float("nan")
        means = [statistics.mean(value for values in sets for value in values) for sets in (other, one, apart)]
        cells = [*(f"{mean:.3g}" for mean in means[:2]), f"{means[2]:+.2g} ({error:.2g})"]
        lines.append(f"| {title} | {' | '.join(cells)} | {', '.join(f'{statistics.mean(v):+.2g}' for v in apart)} |")
    return "\n".join(lines)


def table(found: dict[str, list[Set]]) -> str:
    """Means over the seeds in Markdown, with the least and the most in brackets."""
    panel = list(next(iter(found.values()))[0]["panel"])
    heads = ["set", *("KAD", "position", "diversity", "new"), *(TITLES[name] for name in panel), "in bands", "vetoed"]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for name in (name for name in ORDER if name in found):
        every = found[name]
        cells = [_spread([one[column] for one in every]) for column in COLUMNS]
        cells += [_spread([one["panel"][column] for one in every]) for column in panel]
        cells += [_spread([one["inside"] for one in every]), f"{sum(one['vetoed'] for one in every)} of {len(every)}"]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return "\n".join(lines)


def _spread(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    mean, low, high = (f"{value:.3g}" for value in (statistics.mean(known), min(known), max(known)))
    return mean if low == high else f"{mean} ({low} to {high})"


def main(told: list[str] | None = None, say: Say = print) -> None:
    """Train, make pieces, compare, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.music", description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path, help="folder of music in one style")
    parser.add_argument("--seeds", default="0,1,2", help="separated by commas")
    parser.add_argument(
        "--sets", type=int, default=1, help="of ten pieces, of each seed by fit alone and by the trainer's choice"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/music"), help="folder of the runs")
    parser.add_argument("--paper", action="store_true", help="compare the preset paper, too")
    asked = parser.parse_args(told)
    if asked.sets < 1:
        parser.error(f"--sets is {asked.sets}; give 1 or more")
    asked.out.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[Set]] = defaultdict(list)
    seeds: list[dict[str, list[Set]]] = []
    for seed in asked.seeds.split(","):
        run = asked.out / f"{asked.data.name}-{seed}"
        if not (run / "music.json").exists():
            train(run, "--data", asked.data, "--seed", seed, *STEPS)
        of_seed = defaultdict(list)
        for one in sets_of(run, asked.sets):
            found[one["name"]].append(one)
            of_seed[one["name"]].append(one)
        seeds.append(of_seed)
        say(f"seed {seed}: {minutes_of(run):.1f} minutes, the game is {'kept' if kept(run) else 'rejected'}")
    if asked.paper:
        first = asked.out / f"{asked.data.name}-{asked.seeds.split(',')[0]}"
        run = asked.out / f"{asked.data.name}-paper"
        if not run.exists():
            train(run, "--preset", "paper", "--data", asked.data, "--minutes", f"{minutes_of(first):.1f}")
        found[PAPER] = [one for one in measured(run, {PAPER: []}) if one["name"] == PAPER]
    say(f"\n{asked.data.name}\n\n{table(found)}")
    fit = [seed[FIT] for seed in seeds]
    chosen, played = [seed[GAME] for seed in seeds], [seed[REJECTED] or seed[GAME] for seed in seeds]
    say("\nWhat the game changes\n")
    say(pairs(chosen, fit, "the trainer's choice, which may be fit"))
    say("\n" + pairs(played, fit, "the game, rejected or not"))


if __name__ == "__main__":
    main()
