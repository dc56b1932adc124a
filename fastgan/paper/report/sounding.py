"""Figure 5, the failures and the peers: what all of it sounds like, in numbers, pictures and sounds."""

from collections.abc import Mapping
from typing import Any

from fastgan.base.document import Gallery, Heading, Piece, Table, Text, Verdict
from fastgan.paper.experiments import CHAINS
from fastgan.paper.failures.provoked import FAILURES
from fastgan.paper.report.words import decibel, percent, small
from fastgan.paper.setup import WINDOW, Setup

Found = Mapping[str, Any]


def sounding(setup: Setup, found: Found) -> list[Piece]:
    """The chapters on what comes out as sound."""
    return [
        *_figure_5(setup, found["sounds"]),
        *_free_run(found["free run"]),
        *_failures(found["failures"]),
        *_peers(setup, found["sounds"], found["peers"]),
    ]


def _figure_5(setup: Setup, found: Found) -> list[Piece]:
    epochs = max(setup.sizes.epochs)
    titles = {
        "short": f"{setup.few} clips, {setup.sizes.short} epochs",
        "many": f"{setup.many} clips, {epochs} epochs",
        "real": "real music, held out" if setup.data else "the built-in corpus, held out",
    }
    faults = [f"{titles[name]}: {found[name]['verdict']}" for name in ("short", "many")]
    return [
        Heading("Figure 5: what it sounds like"),
        Gallery([(title, setup.picture(f"{name}.png"), setup.sound(f"{name}.wav")) for name, title in titles.items()]),
        Text(
            "Both generated sounds are sequences of n = 6 values, each from noise of its own, one after the other, as the paper makes "
            f"them. What the health check says: {'; '.join(faults)}."
        ),
        Text(
            "Of their energy "
            + ", ".join(f"{percent(found[name]['tonal_share'])} ({title})" for name, title in titles.items())
            + " stands out in frequency as notes do; of noise of any colour about 1 % does. More clips and more epochs do not help, here "
            "as there: a network that sees and makes 0.27 ms at a time has no pitch, no beat and no bar to learn. The paper found its "
            "small sample better than its large one."
        ),
    ]


def _free_run(found: Found) -> list[Piece]:
    return [
        Heading("Fed its own output"),
        Text(
            "The network has one output and sees the last six values. So free running is a map of six numbers into six, and all that "
            "it can do is to go where that map goes."
        ),
        Verdict(
            found["attracting"] > 0,
            f"{found['sentence']} {found['attracting']} of {found['points']} fixed points attract.",
        ),
        Text(
            'That is the paper\'s output that is "either ascending order or descending order": the way to the fixed point, from one side '
            "or the other."
        ),
    ]


def _failures(found: Found) -> list[Piece]:
    pieces: list[Piece] = [
        Heading("The failures, each on purpose"),
        Text(
            "What the paper's authors met on their way, provoked with the writer that they used (scipy) and with networks of their sizes, "
            "and what happens with the same input here. `tests/paper/failures/test_provoked.py` holds both."
        ),
    ]
    for failure in FAILURES:
        evidence = found[failure.name]
        pieces += [
            Heading(failure.name.capitalize(), 3),
            Table(
                ["", ""],
                [
                    ["the paper", f'"{failure.quote}"'],
                    ["cause", failure.cause],
                    ["provoked", evidence["failed"]],
                    ["here", evidence["cured"]],
                    ["cure", failure.cure],
                ],
            ),
        ]
    return pieces


def _peers(setup: Setup, ours: Found, found: Found) -> list[Piece]:
    epochs = max(setup.sizes.epochs)
    named: list[tuple[str, str, Found, str]] = [
        ("another", "the music itself: another held-out clip", found["real"], ""),
        *(
            (
                f"markov-{order}-{levels}",
                f"Markov chain of order {order} on {levels} levels",
                found[f"markov-{order}-{levels}"],
                f"{found[f'markov-{order}-{levels}']['bits']:.2f} bits per sample held out; counted in "
                f"{found[f'markov-{order}-{levels}']['seconds']:.1f} s",
            )
            for order, levels in CHAINS
        ),
        (
            "c-rnn-gan",
            f"C-RNN-GAN, n = {WINDOW}",
            found["c-rnn-gan"],
            f"squared error {small(found['c-rnn-gan']['mse'])} in pretraining; trained for {found['c-rnn-gan']['seconds']:.0f} s",
        ),
        (
            "few",
            f"the paper's generator, fitted, fed its own output ({setup.few} clips, {epochs} epochs)",
            ours["few"],
            "",
        ),
        ("many", f"the paper's game, from noise ({setup.many} clips, {epochs} epochs)", ours["many"], ""),
    ]
    rows = [
        [
            title,
            learnt,
            one["verdict"],
            small(one["rms"]),
            decibel(one["band_distance_db"]),
            percent(one["high_share"]),
            "-" if one["autocorrelation"] is None else f"{one['autocorrelation']:.3f}",
            decibel(one["step_ratio_db"]),
            percent(one["tonal_share"]),
        ]
        for _, title, one, learnt in named
    ]
    columns = ["", "what it learnt", "health", "RMS", "spectrum", "above 6 kHz", "lag-1", "steps", "in notes"]
    return [
        Heading("The peers that the paper names"),
        Text(
            "On the same clips: its oldest, a Markov chain (on companded samples instead of notes), and the one that it builds on, "
            "C-RNN-GAN (its recipe, on windows of samples instead of notes). Both are short implementations of our own; `markov.py` and "
            "`crnngan.py` in `fastgan/paper/peers` say what is read from the publications and what is ours. MidiNet makes bars of MIDI "
            "and GANSynth needs days on a GPU and labelled single notes, so they have no place in this table."
        ),
        Table(
            columns,
            rows,
            "Spectrum: distance of the third-octave levels from those of a held-out clip, at equal loudness. Lag-1: correlation of "
            "neighbouring samples. Steps: variance of the differences of neighbouring samples over that of the clip. In notes: "
            "energy of the frequencies with ten times the power of those around them; of noise of any colour about 1 %.",
        ),
        Gallery([(title, setup.picture(f"{name}.png"), setup.sound(f"{name}.wav")) for name, title, _, _ in named]),
        Text(
            "The health check looks for faults and not for music: a chain passes it, since it draws each sample by what followed such "
            "samples and so has the spectrum and the loudness of the music; yet it is noise of that colour, without notes, as the last "
            "column says. A ranking by the others would be none. C-RNN-GAN carries its state from sample to sample and so has no seams, "
            "the paper's game begins anew every six samples, and its fitted generator comes to rest. None of them makes music at the "
            "rate of samples."
        ),
    ]
