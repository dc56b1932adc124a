"""What was measured, as a table and as a page."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastgan.base.document import Heading, Piece, Table, Text, Verdict
from fastgan.measure.compare import Measured

TITLES = {
    "voiced_share": "voiced",
    "polyphony": "polyphony",
    "pitch_class_entropy": "pitch classes, bit",
    "onsets_per_s": "onsets/s",
    "flux_db": "flux, dB",
    "centroid_hz": "centroid, Hz",
    "silent_share": "silent",
    "tempo_strength": "tempo",
}

_INFINITE = (
    "FAD extrapolated to infinitely many patches of the same clips, and the standard error of that line's end; what few clips "
    "add stays, and the chance of which clips they are is not in the error; takes {} patches of 3 s in a set"
)


def columns_of(found: Sequence[Measured]) -> list[str]:
    """The heads of the table."""
    return [
        "",
        "clips",
        "KAD",
        "position",
        "FAD",
        "FAD inf (error)",
        "diversity",
        "new",
        *(TITLES[name] for name in found[0].panel),
        "in bands",
        "health",
    ]


def row_of(one: Measured, found: Sequence[Measured]) -> list[str]:
    """A line of the table; a dash where there is no value."""
    line = one.fad_infinity
    counted = "-" if one.inside is None else f"{one.inside} of {len(one.panel)}"
    return [
        one.name,
        f"{one.clips}",
        *(_number(value) for value in (one.kad, one.position, one.fad)),
        "-" if line is None else f"{_number(line.value)} ({_number(line.error)})",
        *(_number(value) for value in (one.diversity, one.memorisation)),
        *(_number(one.panel[name]) for name in found[0].panel),
        counted,
        "vetoed" if one.vetoed else "healthy",
    ]


def pieces_of(found: Sequence[Measured], generated: Sequence[Measured], told: Mapping[str, Any]) -> list[Piece]:
    """The page.

    Args:
        found: the sets.
        generated: those that all is about.
        told: what they were measured with: "train_clips", "seconds", "rate", "split", "fewest_patches", "absent", "bands".
    """
    bands = [
        [TITLES[name], "-" if ends is None else f"{_number(ends[0])} to {_number(ends[1])}"]
        for name, ends in told["bands"].items()
    ]
    pieces: list[Piece] = [
        *(
            Verdict(
                not one.vetoed, f"{one.name}: {one.verdict}" + ("; its distances say nothing" if one.vetoed else "")
            )
            for one in generated
        ),
        Text(
            f"Sets of up to {generated[0].clips} pieces of {told['seconds']:g} s at {told['rate']:,} Hz, all at one loudness, measured "
            f"against {told['train_clips']} pieces of the music that may have been learnt from. The music "
            f"has {told['split']}."
        ),
        Table(columns_of(found), [row_of(one, found) for one in found]),
        *(Text(f"Left out: {reason}") for reason in told["absent"]),
        Heading("What the columns say"),
        Table(
            ["", ""],
            [
                [
                    "KAD",
                    "kernel audio distance (x 100) of musicnn's embeddings from those of the music; 0 for the same distribution",
                ],
                ["position", "of the KAD between held-out music (0) and noise with the music's mean spectrum (1)"],
                ["FAD", "Frechet distance of the same; far too large for few clips, so compare sets of equal size"],
                ["FAD inf (error)", _INFINITE.format(told["fewest_patches"] or "some")],
                ["diversity", "mean distance between two pieces, over that of held-out music"],
                [
                    "new",
                    "median distance to the nearest piece of the music, over that of held-out music; near 0 is a copy",
                ],
                ["in bands", "how many of the panel's means lie where 90 % of sets of real pieces do"],
            ],
        ),
        Heading("Bands of real music"),
        Table(["", "5 to 95 %"], bands),
        Heading("Verdicts"),
        Table(["", ""], [[one.name, one.verdict] for one in found]),
    ]
    return pieces


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.2f}"
