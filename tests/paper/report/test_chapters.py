"""The report's words follow what was found."""

import copy
import json
import time

import numpy as np
import pytest

from fastgan.audio.plots import draw
from fastgan.base.document import Gallery, Picture, Table, Verdict
from fastgan.gan.clock import Clock
from fastgan.paper.experiments import CHAINS, EXPERIMENTS, figures, structure
from fastgan.paper.failures.provoked import FAILURES
from fastgan.paper.report.chapters import report
from fastgan.paper.setup import RATE, SCALES, WINDOWS, Setup

MACHINE = {"processor": "a chip", "cores": "2", "torch": "2", "python": "3"}
EPOCHS = SCALES["small"].epochs


def row(stage, epoch, loss, zeros):
    return {
        "stage": stage,
        "stage_epoch": epoch,
        "loss": loss,
        "val_loss": 0.9 * loss,
        "accuracy": zeros,
        "zero_share": zeros,
        "val_accuracy": zeros / 2,
        "val_zero_share": zeros / 2,
        "windows_per_s": 9_450.0,
        "seconds": 1.0,
        "steps": 100,
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A setup and results as the experiments give them."""
    setup = Setup(tmp_path_factory.mktemp("out"), "", (), 0, SCALES["small"], "cpu", 0, Clock(0.0, time.monotonic()))
    fit = [row("fit", epoch, 1e-4 / epoch, 9e-4) for epoch in range(1, max(EPOCHS) + 1)]
    bar = {
        "train": 2e-5,
        "held_out": 1e-5,
        "train_power": 1e-2,
        "held_out_power": 1e-2,
        "train_zeros": 9e-4,
        "held_out_zeros": 4.5e-4,
        "windows": 1000,
    }
    sound = {
        "verdict": "white noise: a steady hiss",
        "problems": ["white noise"],
        "rms": 0.1,
        "centroid_hz": 1e3,
        "high_hz": 6e3,
        "high_share": 0.1,
        "flatness": 0.1,
        "band_distance_db": 3.0,
        "autocorrelation": 0.9,
        "step_ratio_db": None,
        "tonal_share": 0.1,
    }
    names = [f"markov-{order}-{levels}" for order, levels in CHAINS]
    found = {
        "structure": structure(setup),
        "figures": figures(setup),
        "few": {"rows": fit},
        "many": {"rows": [*fit, row("game", 1, 1.0, 0.0)]},
        "short": {"rows": []},
        **{f"window {window}": {"seconds": 1.0, "windows": 64, "val_loss": 1e-3} for window in WINDOWS},
        "bars": {**{f"many {window}": bar for window in WINDOWS}, "few 6": bar},
        "free run": {"sentence": "It came to rest.", "points": 3, "attracting": 1},
        "failures": {failure.name: {"failed": "so", "cured": "thus", "files": []} for failure in FAILURES},
        "sounds": dict.fromkeys(("short", "many", "few", "real"), sound),
        "peers": {**dict.fromkeys(names, sound | {"bits": 5.0, "seconds": 1.0}), "real": sound}
        | {"c-rnn-gan": sound | {"mse": 1e-3, "seconds": 1.0}},
    }
    for name in ("short", "many", "few", "real", "another", "c-rnn-gan", *names):
        draw(np.zeros(RATE // 10, np.int16), RATE, setup.picture(f"{name}.png"))
        setup.sound(f"{name}.wav").write_bytes(b"")
    return setup, json.loads(json.dumps({name: {"seconds": 2.0, "found": found[name]} for name in EXPERIMENTS}))


def pieces_of(made):
    return report(*made, command="python -m fastgan.reproduce", epochs=5, version="1", machine=MACHINE)


def verdicts(pieces) -> list[bool]:
    return [piece.holds for piece in pieces if isinstance(piece, Verdict)]


def table(pieces, words) -> Table:
    return next(piece for piece in pieces if isinstance(piece, Table) and words in piece.caption)


def test_every_table_and_figure_is_there(made):
    pieces = pieces_of(made)
    captions = " ".join(piece.caption for piece in pieces if isinstance(piece, Table))
    assert all(f"Table {number}" in captions for number in (1, 2, 3, 4, 5))
    figures = " ".join(piece.words for piece in pieces if isinstance(piece, Picture))
    assert all(f"Figure {number}" in figures for number in (1, 2, 3, 4, 6))
    assert [len(piece.items) for piece in pieces if isinstance(piece, Gallery)] == [3, 6]
    assert all(piece.path.exists() for piece in pieces if isinstance(piece, Picture))
    assert verdicts(pieces) == [True, True, True, True]
    rows = table(pieces, "as Keras has them").rows
    assert [line[0] for line in rows] == [str(epoch) for epoch in EPOCHS]
    assert rows[0][1:3] == ["3.333e-05", "9.000e-04"]
    assert table(pieces, "scaled to 9.45 million").rows[0][2] == "1,000, scaled"


@pytest.mark.parametrize(
    ("place", "change"),
    [
        (0, lambda found: found["structure"].update(true=[3, 7, 1])),
        (0, lambda found: found["structure"]["signal"].__setitem__(2, "DOUBLE")),
        (0, lambda found: found["structure"]["layers"][1].__setitem__(2, 131_585)),
        (1, lambda found: found["many"]["rows"][3].update(val_accuracy=1e-3)),
        (2, lambda found: found["many"]["rows"][-2].update(val_loss=1.1e-5)),
        (3, lambda found: found["free run"].update(attracting=0)),
    ],
)
def test_what_does_not_hold_is_said(made, place, change):
    setup, results = made[0], copy.deepcopy(made[1])
    change({name: result["found"] for name, result in results.items()})
    assert verdicts(pieces_of((setup, results))) == [number != place for number in range(4)]
