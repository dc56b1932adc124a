"""The report: for each table and figure of the paper its value, ours, and why they differ."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastgan.base.document import Heading, Picture, Piece, Table, Text, Verdict
from fastgan.paper import reported
from fastgan.paper.figures.workflow import draw_workflow
from fastgan.paper.report.learning import learning
from fastgan.paper.report.sounding import sounding
from fastgan.paper.report.words import shape_of
from fastgan.paper.setup import WINDOWS, Setup

Results = Mapping[str, Any]
"""By experiment: seconds, and what was found."""


def report(
    setup: Setup, results: Results, *, command: str, epochs: int, version: str, machine: Mapping[str, str]
) -> list[Piece]:
    """The whole report, in the order of the paper.

    Args:
        setup: what the experiments ran on.
        results: what `fastgan.paper.experiments.EXPERIMENTS` gave.
        command: that makes this report.
        epochs: of the game, when the trainer is not told how many.
        version: of this package.
        machine: what `fastgan.ops.machine.describe` says of it.
    """
    found = {name: result["found"] for name, result in results.items()}
    return [
        *_opening(setup, command, version, machine),
        *_structure(found["structure"], epochs),
        *learning(setup, found),
        *_figures(setup),
        *sounding(setup, found),
        *_workflow(setup, results),
    ]


def _opening(setup: Setup, command: str, version: str, machine: Mapping[str, str]) -> list[Piece]:
    music = (
        f"{setup.many} clips of {source_of(setup)}"
        if setup.data
        else f"{setup.many} songs of {setup.sizes.seconds:g} s of the built-in corpus"
    )
    genres = f", {', '.join(setup.wanted)} only" if setup.wanted else ""
    steps = f"{setup.sizes.steps:,} steps of 32 windows" if setup.sizes.steps else "all windows"
    names = [name for name in machine if name in ("processor", "cores") or name.startswith("cuda")]
    where = ", ".join(
        [*(f"{name}: {machine[name]}" for name in names), f"torch {machine['torch']}", f"Python {machine['python']}"]
    )
    return [
        Text(
            'Each experiment of Dai, Xin and Zheng, "Generating Music with Generative Adversarial Networks and Long Short-Term '
            'Memory", repeated with this package. Where the paper is silent, our reading is marked as ours.'
        ),
        Table(
            ["", ""],
            [
                ["command", f"`{command}`"],
                ["music", music + genres],
                [
                    "an epoch",
                    f"{steps}; the paper's are all windows of its clips (9.45 million of 100 clips, our reading)",
                ],
                ["version", version],
                ["machine", where],
            ],
        ),
    ]


def source_of(setup: Setup) -> str:
    """The folder's name, without the path to it: a report is passed on."""
    return f"the folder {Path(setup.data).name}"


def _structure(found: Mapping[str, Any], epochs: int) -> list[Piece]:
    """Tables 1, 2 and 4."""
    first = [
        [
            name,
            shape_of(value) if isinstance(value, tuple) else str(value),
            shape_of(ours) if isinstance(ours, list) else str(ours),
        ]
        for name, value, ours in (
            ("epochs", reported.STRUCTURE["epochs"], epochs),
            *((name, reported.STRUCTURE[name], found[name]) for name in ("valid label", "fake label", "true", "fake")),
        )
    ]
    signal = [
        [name, f"{value:,}" if isinstance(value, int) else value, f"{ours:,}" if isinstance(ours, int) else ours]
        for (name, value), ours in zip(reported.SIGNAL.items(), found["signal"], strict=True)
    ]
    layers = [
        [name, f"{kind}, {shape_of(shape)}, {size:,}", f"{name}, {shape_of(ours)}, {count:,}"]
        for (kind, shape, size), (name, ours, count) in zip(reported.LAYERS, found["layers"], strict=True)
    ]
    total, trainable = found["parameters"]["total"], found["parameters"]["trainable"]
    layers += [
        [name, f"{reported.PARAMETERS[name]:,}", f"{ours:,}"]
        for name, ours in (("total", total), ("trainable", trainable), ("non-trainable", total - trainable))
    ]
    same = all(row[1] == row[2] for row in first) and found["signal"] == [22_050, 44_100, "PCM_16"]
    same &= [[*shape, size] for _, shape, size in reported.LAYERS] == [
        [*shape, size] for _, shape, size in found["layers"]
    ]
    columns = ["", "paper", "here"]
    return [
        Heading("Tables 1, 2 and 4: what the networks are"),
        Verdict(same, "Shapes, signal, layers and parameters are those of the paper."),
        Table(
            columns,
            first,
            "Table 1, with m = 3 sequences of n = 6 values. A label is what the discriminator has to say.",
        ),
        Table(
            columns,
            signal,
            "Table 2, read back from a file that was written here. The paper's text says 44.1 kHz; GTZAN has 22,050 Hz.",
        ),
        Table(
            columns,
            layers,
            "Table 4: type, output shape, parameters; no size of a batch is fixed. One bias vector per layer, as in Keras; "
            "PyTorch keeps two, and would come to 199,297.",
        ),
    ]


def _figures(setup: Setup) -> list[Piece]:
    """Figures 1 to 4."""

    def picture(name: str, words: str) -> Picture:
        return Picture(setup.picture(f"{name}.svg"), words)

    return [
        Heading("Figures 1 to 4: the networks, drawn from the modules"),
        Text(
            "Every shape and number in them was read from the modules while they ran, so they cannot differ from what is trained. "
            "The paper's Figure 1 has an encoder that its Table 4 has not; both are here."
        ),
        picture("figure-1", "Figure 1: the game as the preset `paper` plays it"),
        picture("figure-1-encoder", "Figure 1 with the encoder (`--encoder conv`), whose decoder is there to train it"),
        picture("figure-2", "Figure 2: the generator"),
        picture("figure-3", "Figure 3: the discriminator"),
        picture("figure-4", "Figure 4: an LSTM cell of the generator's first layer"),
    ]


def _workflow(setup: Setup, results: Results) -> list[Piece]:
    """Figure 6."""
    details = {
        "structure": "shapes, signal and layers against the tables",
        "figures": "drawn from the modules",
        "few": f"{setup.few} clips, {max(setup.sizes.epochs)} epochs of fit",
        "many": f"{setup.many} clips, {max(setup.sizes.epochs)} epochs of fit, then of the game",
        "short": f"{setup.few} clips, {setup.sizes.short} epochs of both",
        **{f"window {n}": f"n = {n}, for {setup.sizes.equal_seconds:g} s" for n in WINDOWS},
        "bars": "linear predictors on the same windows",
        "free run": "the generator fed its own output",
        "failures": "each provoked, each cured",
        "sounds": "Figure 5",
        "peers": "Markov chains, C-RNN-GAN",
    }
    path = setup.picture("figure-6.svg")
    parts = [(name, _spent(result), details[name]) for name, result in results.items()]
    draw_workflow(parts, path)
    return [
        Heading("Figure 6: the workflow, as run"),
        Picture(path, "Figure 6: the experiments in their order, with the time that each took"),
        Text(
            f"All of it took {sum(seconds for _, seconds, _ in parts) / 60:.1f} minutes here. The paper's own loop was: more clips, then "
            "Colab's GPU, then more epochs, then another rate of the file. None of the four reaches what was wrong."
        ),
    ]


def _spent(result: Mapping[str, Any]) -> float:
    """Seconds of an experiment; of a run's rows, should it have been stopped and taken up again."""
    rows = result["found"].get("rows", [])
    return max(result["seconds"], sum(row["seconds"] for row in rows))
