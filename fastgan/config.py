"""What each command can be told: frozen dataclasses, from whose fields the command lines are made."""

import argparse
import difflib
import math
from collections.abc import Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, NoReturn, TypeVar, get_type_hints

from fastgan.base.errors import BadInput

Config = TypeVar("Config")

RATES = (1_000, 768_000)  # Hz, see fastgan.audio.files
SEEDS = 1 << 63


AUTO = -1  # what the word "auto" stands for, where a number may be left to the machine


def option(help: str, default: Any, *, choices: Sequence[str] = (), resumable: bool = False, auto: bool = False) -> Any:
    """A field of a config: help, default, words it takes, whether a resumed run may change it, whether "auto" may be its number."""
    metadata = {"help": help, "choices": tuple(choices), "resumable": resumable, "auto": auto}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything the trainer can be told. Plain values only: it is saved with every checkpoint."""

    data: str = option("folder of music, nested by genre or flat; the built-in corpus when left out", "")
    out: str = option("folder of the run; runs/PRESET-NUMBER when left out", "", resumable=True)
    preset: str = option(
        "values that the other options start from: made to be heard, or the paper's networks to the parameter",
        "music",
        choices=("music", "paper"),
    )
    genres: str = option("only these, separated by commas; all when left out", "")
    clips: int = option("how many clips, spread over the genres; 0 for all (100 of the built-in corpus)", 0)
    seconds: float = option("length of the built-in corpus' clips, seconds", 30.0)
    rate: int = option("sample rate that all music is brought to, Hz", 22_050)
    window: int = option("n, values in a sequence: samples, or steps of --group frames of the encoder", 6)
    batch: int = option(
        "m, sequences in a step; auto for the smallest that trains at 90 % of this machine's top speed, with a learning rate that "
        "grows with its root unless --lr is given",
        32,
        auto=True,
    )
    hidden: int = option("units in each LSTM layer", 128)
    encoder: str = option(
        "what turns sound into the sequence: nothing, a convolutional auto-encoder of samples, or one of spectral frames, whose "
        "generator makes each frame from those before it and from noise",
        "none",
        choices=("none", "conv", "spectral"),
    )
    latents: int = option("values that stand for a spectral frame", 96)
    group: int = option("spectral frames that the generator makes in one step", 2)
    encoder_epochs: int = option("epochs of the encoder stage (with --encoder conv)", 2)
    fit_epochs: int = option("epochs of the fit stage: the generator learns the next value", 5)
    epochs: int = option("epochs of the game stage: generator against discriminator", 5, resumable=True)
    steps_per_epoch: int = option("optimiser steps in an epoch; 0 for once over all windows", 0)
    held_out: int = option(
        "held-out windows that an epoch is measured on; 0 for all, or for a sixth of those trained on with --steps-per-epoch",
        0,
    )
    lr: float = option("learning rate of Adam", 1e-3)
    mse_weight: float = option("weight of the squared error in the generator's loss of the game", 1.0)
    adversarial_weight: float = option("weight of the discriminator's verdict in the generator's loss of the game", 1.0)
    seed: int = option("chooses clips, split, weights, order and noise", 0)
    save_every: float = option("seconds between checkpoints within an epoch", 60.0, resumable=True)
    sample_seconds: float = option("length of the sound made after each epoch, seconds", 2.0)
    device: str = option("where to compute: auto, cpu, cuda, cuda:1, ...", "auto")
    threads: int = option(
        "threads of the processor; 0 for one where the work is too small to share, else all", 0, resumable=True
    )
    dtype: str = option("type of the weights", "float32", choices=("float32", "float64"))
    precision: str = option(
        "what fit and game compute in: the type of the weights, or bfloat16 with weights and Adam in float32 (for GPUs; "
        "slow on a processor)",
        "full",
        choices=("full", "bfloat16"),
    )
    backend: str = option("implementation of the LSTM", "auto", choices=("auto", "reference", "cpu", "triton", "cuda"))
    minutes: float = option(
        "stop in time to be done after this many minutes, everything saved; each stage takes a few steps however few they are; "
        "0 for no limit",
        0.0,
        resumable=True,
    )
    resume: bool = option("continue the run in --out to the very weights that it would have had", False, resumable=True)
    summary: bool = option("print the networks layer by layer and stop", False, resumable=True)

    def __post_init__(self) -> None:
        check_range(self, "window", 1, 1 << 20)
        if self.batch != AUTO:
            check_range(self, "batch", 1, 1 << 20)
        check_range(self, "hidden", 1, 1 << 14)
        check_range(self, "latents", 1, 512)
        check_range(self, "group", 1, 16)
        check_range(self, "rate", *RATES)
        check_range(self, "clips", 0, 1_000_000)
        check_range(self, "threads", 0, 1024)
        check_range(self, "seconds", 0.1, 600)
        check_range(self, "sample_seconds", 0.1, 600)
        check_range(self, "seed", 0, SEEDS - 1)
        for name in ("encoder_epochs", "fit_epochs", "epochs", "steps_per_epoch", "held_out"):
            check_range(self, name, 0, 1_000_000_000)
        for name in ("lr", "mse_weight", "adversarial_weight"):
            check_range(self, name, 0, 1e6)
        check_range(self, "minutes", 0, 1e6)
        check_range(self, "save_every", 0, 1e6)
        if self.precision == "bfloat16" and (self.dtype != "float32" or self.backend == "cpu"):
            raise BadInput("--precision bfloat16 needs weights in float32 and another backend than cpu")


PRESETS: dict[str, dict[str, Any]] = {
    "music": {
        "window": 128,
        "hidden": 256,
        "batch": 16,
        "encoder": "spectral",
        "encoder_epochs": 4,
        "fit_epochs": 60,
        "epochs": 40,
        "steps_per_epoch": 200,
        "sample_seconds": 10.0,
        "minutes": 20.0,
    },
    "paper": {"window": 6, "hidden": 128, "batch": 32, "encoder": "none", "dtype": "float32", "rate": 22_050},
}
"""What a preset sets; everything else keeps its default, and what is typed wins."""


@dataclass(frozen=True, kw_only=True)
class GenerateConfig:
    """What `fastgan.generate` can be told."""

    seconds: float = option("length of each piece, seconds", 30.0)
    count: int = option("how many pieces", 1)
    seed: int = option("chooses the noise that the pieces grow from", 0)
    out: str = option(
        "a wav file, or a folder when --count is above 1; - for the standard output; beside the run's samples when left out",
        "",
    )
    stream: bool = option("write the file while it is made, so that it can be listened to already", False)
    checkpoint: str = option(
        "which of the run's checkpoints; auto: the best of a run on frames, which is judged by what it sounds like, else the newest; "
        "fit: the best before the game; game: the best of the game, whether the run kept or rejected it",
        "auto",
        choices=("auto", "newest", "best", "fit", "game"),
    )
    how: str = option(
        "of a run on samples: noise: sequences from noise, as in the game; feedback: the next value again and again, as in fit; "
        "carried: the same with the state carried on, which no stage trains, in less than half the time; auto: by the last stage",
        "auto",
        choices=("auto", "noise", "feedback", "carried"),
    )
    temperature: float = option(
        "of a run on frames: how lively, as a factor of the noise that each frame is made from: 1 as usual, less for calmer music",
        1.0,
    )
    style_strength: float = option(
        "of a run on frames: how strongly it is told its style, as a factor: 1 as usual, 0 for the mean of all music",
        1.0,
    )
    genre: str = option("of a run on frames: in the style of this genre; of any when left out", "")
    prime: str = option("of a run on frames: a recording to go on from; the piece begins where it ends", "")
    device: str = option("where to compute: auto, cpu, cuda, ...", "auto")
    backend: str = option("implementation of the LSTM", "auto", choices=("auto", "reference", "cpu", "triton", "cuda"))

    def __post_init__(self) -> None:
        check_range(self, "seconds", 0.001, 86_400)
        check_range(self, "count", 1, 10_000)
        check_range(self, "temperature", 0.1, 3)
        check_range(self, "style_strength", 0, 3)
        check_range(self, "seed", 0, SEEDS - 1)


@dataclass(frozen=True, kw_only=True)
class StudioConfig:
    """What `fastgan.studio` can be told."""

    host: str = option(
        "address to listen on; one that other machines can reach, such as 0.0.0.0, asks whoever comes for the token that is printed",
        "127.0.0.1",
    )
    port: int = option("to listen on; 0 for one that is free", 7860)
    runs: str = option("folder whose runs are offered when none is named", "runs")
    export: str = option("write the page of RUN, with new clips inside, as this one html file, and stop", "")
    clips: int = option("how many clips an exported page holds, its genres in turn", 6)
    seconds: float = option("length of each clip of an exported page, seconds", 20.0)
    seed: int = option("of the first clip of an exported page; the others follow", 1)

    def __post_init__(self) -> None:
        check_range(self, "port", 0, 65_535)
        check_range(self, "clips", 1, 50)
        check_range(self, "seconds", 1, 300)
        check_range(self, "seed", 0, SEEDS - 1 - 50)


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """What `fastgan.demo_corpus` can be told."""

    clips: int = option("how many clips, the ten genres in turn", 100)
    seconds: float = option("length of each, seconds", 30.0)
    rate: int = option("sample rate, Hz", 22_050)
    seed: int = option("chooses the songs", 0)

    def __post_init__(self) -> None:
        check_range(self, "clips", 1, 1_000_000)
        check_range(self, "seconds", 0.1, 600)
        check_range(self, "rate", 8_000, 48_000)
        check_range(self, "seed", 0, SEEDS - 1)


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """What `fastgan.evaluate` can be told."""

    out: str = option(
        "folder for evaluation.json and evaluation.html; evaluation beside the generated sounds when left out", ""
    )
    seconds: float = option("of each piece that is compared; longer sounds are cut, shorter ones left out", 20.0)
    clips: int = option("pieces in a set, at most", 10)
    train_clips: int = option("pieces of the music that may have been learnt from, at most; 0 for all", 100)
    rate: int = option("sample rate that folders are brought to, Hz; a run has its own", 22_050)
    group: str = option(
        "which files of REAL are one recording, kept on one side of the split: file, each is one; name, those whose names differ only in "
        "their last number (track-01, track-02); folder, those of a folder; a run has its own split",
        "file",
        choices=("file", "name", "folder"),
    )
    seed: int = option("chooses the split of a folder, the anchors, and the subsets of FAD", 0)

    def __post_init__(self) -> None:
        check_range(self, "seconds", 3, 600)
        check_range(self, "clips", 2, 1_000)
        check_range(self, "train_clips", 0, 100_000)
        check_range(self, "rate", 16_000, 48_000)
        check_range(self, "seed", 0, SEEDS - 1)


@dataclass(frozen=True, kw_only=True)
class ReproduceConfig:
    """What `fastgan.reproduce` can be told."""

    data: str = option("folder of music, nested by genre or flat; the built-in corpus when left out", "")
    out: str = option("folder of the results; one that was begun goes on", "reproduction", resumable=True)
    scale: str = option(
        "small: epochs of 100 steps, done in minutes; paper: epochs over all windows of 100 clips of 30 s, hours or days on a "
        "processor",
        "small",
        choices=("small", "paper"),
    )
    genres: str = option(
        "only these, separated by commas; when left out, blues as in the paper where there are 100 clips of it, else all",
        "",
    )
    epochs: str = option(
        "that the tables are shown at; the largest is how long fit and game are trained", "3,4,5,6,7,8,40,50"
    )
    steps_per_epoch: int = option("optimiser steps in an epoch, in place of the scale's; 0 for the scale's", 0)
    equal_seconds: float = option("training time of each length of window, seconds; 0 for the scale's", 0.0)
    seed: int = option("chooses clips, split, weights, order and noise", 0)
    device: str = option("where the trainer computes: auto, cpu, cuda, cuda:1, ...", "auto")
    threads: int = option("threads of the trainer, as it takes them", 0, resumable=True)

    def __post_init__(self) -> None:
        check_range(self, "steps_per_epoch", 0, 1_000_000_000)
        check_range(self, "equal_seconds", 0, 1e6)
        check_range(self, "seed", 0, SEEDS - 1)
        check_range(self, "threads", 0, 1024)


def check_range(config: object, name: str, low: float, high: float) -> None:
    """Refuse a value outside [low, high], naming the option as it is typed.

    Raises:
        BadInput: it lies outside, or is NaN.
    """
    value = getattr(config, name)
    if not low <= value <= high or math.isnan(value):
        raise BadInput(f"{_flag(name)} is {value}; it takes {low:,} to {high:,}")


def parser_of(kind: type[Any], prog: str, description: str) -> argparse.ArgumentParser:
    """The command line of a config: one option a field, absent from the result unless it was typed."""
    parser = _Parser(prog=prog, description=description, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    hints = get_type_hints(kind)
    for item in fields(kind):
        text = item.metadata["help"].replace("%", "%%")
        if hints[item.name] is bool:
            parser.add_argument(_flag(item.name), action="store_true", help=text)
            continue
        parser.add_argument(
            _flag(item.name),
            type=_exactly(hints[item.name], item.metadata["auto"]),
            choices=item.metadata["choices"] or None,
            metavar=None if item.metadata["choices"] else {int: "N", float: "X", str: "TEXT"}[hints[item.name]],
            help=f"{text} (default: {item.default})" if item.default != "" else text,
        )
    return parser


def parser_of_nothing(prog: str, description: str) -> argparse.ArgumentParser:
    """The command line of a command that takes no options."""
    return _Parser(prog=prog, description=description, allow_abbrev=False)


def changed_fields(old: dict[str, Any], new: dict[str, Any], kind: type[Any]) -> list[str]:
    """What a resumed run was told otherwise than before, as "--window 8 (the run has 6)"; resumable fields aside."""
    fixed = [item for item in fields(kind) if not item.metadata["resumable"]]
    return [
        f"{_flag(item.name)} {new[item.name]} (the run has {old.get(item.name, _default(item))})"
        for item in fixed
        if item.name in new and new[item.name] != old.get(item.name, _default(item))
    ]


def known_fields(kind: type[Any], values: dict[str, Any]) -> dict[str, Any]:
    """The values that are fields of this kind of config."""
    names = {item.name for item in fields(kind)}
    return {name: value for name, value in values.items() if name in names}


def _default(item: "Field[Any]") -> Any:
    return None if item.default is MISSING else item.default


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _exactly(kind: type, auto: bool) -> Any:
    def read(text: str) -> Any:
        if auto and text == "auto":
            return AUTO
        try:
            value = kind(text.replace("_", "")) if kind is int else kind(text)
            if auto and value == AUTO:
                raise ValueError
            return value
        except (ValueError, OverflowError):
            wanted = {"int": "a whole number", "float": "a number"}[kind.__name__]
            raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}" + " or auto" * auto) from None

    return read


class _Parser(argparse.ArgumentParser):
    """An argument parser that answers an unknown option with the ones that look like it."""

    def error(self, message: str) -> NoReturn:
        if message.startswith("unrecognized arguments: "):
            names = [name for action in self._actions for name in action.option_strings]
            unknown = [word.partition("=")[0] for word in message.split()[2:] if word.startswith("--")]
            near = [match for word in unknown for match in difflib.get_close_matches(word, names, n=2)]
            message += f"; did you mean {' or '.join(near)}?" if near else "; --help lists what there is"
        raise BadInput(message)
