"""Tables 3 and 5: what is learnt, why the accuracy stands still, and what says more than it does."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastgan.base.document import Heading, Piece, Table, Text, Verdict
from fastgan.paper import reported
from fastgan.paper.report.words import gain_db, small
from fastgan.paper.setup import WINDOW, WINDOWS, Setup

Found = Mapping[str, Any]
Row = Mapping[str, Any]

SAME = 1e-6
"""How far Keras' accuracy may be from the share of zeros."""
_COLUMNS = ("loss", "accuracy", "val_loss", "val_accuracy")


def learning(setup: Setup, found: Found) -> list[Piece]:
    """The chapter on Tables 3 and 5."""
    few, many = _fit_rows(found["few"]["rows"]), _fit_rows(found["many"]["rows"])
    return [
        Heading("Tables 3 and 5: loss and accuracy"),
        *_as_reported(),
        *_as_here(setup, few, many),
        *_accuracy(setup, few, many, found["bars"]),
        *_meaning(setup, few, many, found["bars"]),
        *_windows(found),
        *_speed(setup, many),
    ]


def _fit_rows(rows: Sequence[Row]) -> dict[int, Row]:
    return {row["stage_epoch"]: row for row in rows if row["stage"] == "fit"}


def _as_reported() -> list[Piece]:
    rows = [
        [f"3, {clips} clips (Table 5)", *(f"{value:.4e}" for value in line), ""]
        for clips, line in reported.TABLE_5.items()
    ]
    for epochs, line in reported.TABLE_3.items():
        printed = ", ".join(f"{value:.3f}" for value in line)
        rows.append([f"{epochs}, 100 clips (Table 3)", *(f"{value:.3e}" for value in reported.restored(line)), printed])
    return [
        Heading("What the paper has", 3),
        Table(
            ["epochs", *_COLUMNS, "as printed"],
            rows,
            "Table 3 lost its exponents: 9.007 is no accuracy. Restored (our reading) by what is nearest to Table 5's 100 clips, "
            "which has all four at 3 epochs; a validation loss of 1.002 at 8 epochs then is 1.002e-04 between 9.879e-05 and 9.786e-05.",
        ),
        Text(
            "Read so, the paper's own numbers do not say what its text says of them. The loss rises from 7 to 8 epochs; the validation "
            'loss is lowest at 5 epochs and higher at 50, so it does not "constantly decrease". That it is always below the training '
            "loss is no sign of under-fitting: two sets of clips are not equally hard, as the linear predictor shows below."
        ),
    ]


def _as_here(setup: Setup, few: Mapping[int, Row], many: Mapping[int, Row]) -> list[Piece]:
    rows = [
        [f"{epochs}", *(small(there[epochs].get(name)) for there in (few, many) for name in _COLUMNS)]
        for epochs in setup.sizes.epochs
        if epochs in few and epochs in many
    ]
    columns = [f"{name}, {clips} clips" for clips in (setup.few, setup.many) for name in _COLUMNS]
    return [
        Heading("What comes out here", 3),
        Table(
            ["epochs", *columns],
            rows,
            "The fit stage: next-value prediction by squared error, batch 32, Adam, as Keras has them.",
        ),
    ]


def _accuracy(setup: Setup, few: Mapping[int, Row], many: Mapping[int, Row], bars: Found) -> list[Piece]:
    rows = [row for there in (few, many) for row in there.values()]
    off = max(abs(row[f"{side}accuracy"] - row[f"{side}zero_share"]) for row in rows for side in ("", "val_"))
    shares = [
        [
            f"{clips} clips",
            small(there[max(there)]["val_accuracy"]),
            small(there[max(there)]["val_zero_share"]),
            small(
                max(row["val_accuracy"] for row in there.values()) - min(row["val_accuracy"] for row in there.values())
            ),
            f"{small(line.accuracy)}, {small(line.val_accuracy)}",
        ]
        for clips, there, line in (
            (setup.few, few, reported.TABLE_5[reported.FEW]),
            (setup.many, many, reported.TABLE_5[reported.MANY]),
        )
    ]
    return [
        Heading("Why the accuracy stands still", 3),
        Text(
            "Keras resolves the word `accuracy` by the shape of the output. For one value it is binary accuracy, "
            "`(prediction > 0.5) == target`: a target that is a sample of sound equals 0 or 1 when it is exactly 0 (digital silence), "
            "and 32,767 / 32,768 is as near to 1 as 16 bits come. So it counts the samples that are exactly zero, whatever was learnt; "
            "10 clips and 100 clips have other shares of them, which the paper took for a gigantic increase."
        ),
        Verdict(
            off <= SAME,
            f"In all {len(rows)} epochs, trained on and held out, the accuracy is the share of exact zeros; the largest difference is "
            f"{off:.1e}.",
        ),
        Table(
            [
                "",
                "val_accuracy, last epoch",
                "share of zeros held out",
                "change over all epochs",
                "paper: accuracy, val_accuracy",
            ],
            shares,
            "On the same held-out windows it cannot change; on the training side it moves when an epoch does not see all windows.",
        ),
    ]


def _meaning(setup: Setup, few: Mapping[int, Row], many: Mapping[int, Row], bars: Found) -> list[Piece]:
    rows = []
    for clips, there, bar in ((setup.few, few, bars[f"few {WINDOW}"]), (setup.many, many, bars[f"many {WINDOW}"])):
        last = there[max(there)]
        best = min(there.values(), key=lambda row: row["val_loss"])
        for name, train, held_out in (
            (f"{clips} clips, mean of the music", bar["train_power"], bar["held_out_power"]),
            (f"{clips} clips, linear predictor of order {WINDOW}", bar["train"], bar["held_out"]),
            (f"{clips} clips, network after {last['stage_epoch']} epochs", last["loss"], last["val_loss"]),
            (f"{clips} clips, network at its best, epoch {best['stage_epoch']}", best["loss"], best["val_loss"]),
        ):
            rows.append([name, small(train), small(held_out), gain_db(bar["held_out_power"], held_out)])
    bar, last = bars[f"many {WINDOW}"], many[max(many)]
    harder, few_harder = (bars[name]["held_out"] / bars[name]["train"] for name in (f"many {WINDOW}", f"few {WINDOW}"))
    beaten = last["val_loss"] < bar["held_out"]
    return [
        Heading("What says more", 3),
        Text(
            "The error alone says little either: neighbouring samples are alike, so any smooth guess is near. Two bars tell more: what "
            "the mean of the music would get, and what the best linear combination of the same six values gets, fitted in closed form "
            "in a second."
        ),
        Table(["", "trained on", "held out", "below the music"], rows, "Mean squared errors."),
        Verdict(
            beaten,
            f"The network on {setup.many} clips is {'better' if beaten else 'not better'} than the linear predictor on held-out "
            f"clips: {small(last['val_loss'])} beside {small(bar['held_out'])}.",
        ),
        Text(
            f"A validation loss below the loss is no sign of under-fitting, for two reasons. The loss that Keras prints is the mean over "
            "the epoch, while the network still learns; the validation loss is measured at its end. And two sets of clips are not equally "
            f"hard: for the linear predictor, which has six numbers and cannot over-fit, the held-out clips here are {harder:.2f} times as "
            f"hard as the others, and {few_harder:.2f} times with {setup.few} clips. Over {max(many)} epochs on {setup.many} clips the "
            f"held-out loss moved from {small(many[min(many)]['val_loss'])} to {small(last['val_loss'])} and was lowest at epoch "
            f"{min(many.values(), key=lambda row: row['val_loss'])['stage_epoch']}."
        ),
    ]


def _windows(found: Found) -> list[Piece]:
    rows = []
    for window in WINDOWS:
        row, bar = found[f"window {window}"], found["bars"][f"many {window}"]
        rows.append(
            [
                f"{window}",
                f"{row['seconds']:.0f} s",
                f"{row['windows']:,}",
                small(row["val_loss"]),
                gain_db(bar["held_out_power"], row["val_loss"]),
                small(bar["held_out"]),
                gain_db(bar["held_out_power"], bar["held_out"]),
            ]
        )
    linear = min(WINDOWS, key=lambda n: _left(found["bars"][f"many {n}"], "held_out"))
    network = min(WINDOWS, key=lambda n: _left(found["bars"][f"many {n}"], found[f"window {n}"]["val_loss"]))
    return [
        Heading("Longer windows at equal time", 3),
        Text(
            "Six samples at 22,050 Hz are 0.27 ms, an eighth of a cycle of the A above middle C. Longer windows see more, and each costs "
            "as many times more for one value to learn from. Of the linear predictors, which are fitted in closed form, that of order "
            f"{linear} leaves least of the music here; of the networks, which all had the same time, that with n = {network}."
        ),
        Table(
            [
                "n",
                "time",
                "windows trained on",
                "network, held out",
                "below the music",
                "linear, held out",
                "below the music",
            ],
            rows,
            "Fit stage, batch 32, stopped when the time was over; each measured on windows of its own length.",
        ),
    ]


def _left(bar: Row, error: str | float) -> float:
    """How much of the power of the held-out music an error leaves; by its name in the bar, or as a number."""
    return float(bar[error] if isinstance(error, str) else error) / float(bar["held_out_power"])


def _speed(setup: Setup, many: Mapping[int, Row]) -> list[Piece]:
    rates = sorted(row["windows_per_s"] for row in many.values())
    rate = rates[len(rates) // 2]
    low, high = reported.SECONDS_PER_EPOCH
    seconds = reported.WINDOWS / rate
    return [
        Heading("Seconds per epoch", 3),
        Table(
            ["", "paper", "here"],
            [
                ["seconds per epoch of 100 clips", f"{low:,} to {high:,}, Colab's GPU", f"{seconds:,.0f}, scaled"],
                [
                    "windows per second",
                    f"{reported.WINDOWS / high:,.0f} to {reported.WINDOWS / low:,.0f}, our reading",
                    f"{rate:,.0f}, measured",
                ],
            ],
            f"Training alone, median of {len(rates)} epochs at batch 32 with the trainer's own choice of threads, scaled to 9.45 million "
            "windows. `benchmarks/RESULTS.md` has other batches and the race against Keras and PyTorch.",
        ),
    ]
