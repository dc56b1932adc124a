"""How a trained generator is best played: the judge climbs down to where it is nearest to the music, one dial after the other."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from fastgan.gan.music.sample import Taste


class Dial(NamedTuple):
    """One thing that is tried of a taste."""

    name: str
    factor: float  # from one try to the next; its inverse the other way
    furthest: int  # steps from where the search begins, at most


DIALS = (Dial("temperature", 1 / 1.08, 4), Dial("style_strength", 1.3, 3))
"""What is tried, in this order: a run of few minutes has time for the first alone, and gains more by it (docs/log.md)."""

MOST_TRIED = 1 + sum(dial.furthest + 1 for dial in DIALS)
"""Tastes that are tried, at most: the usual one and, of each dial, one the wrong way and the steps."""


def find_taste(usual: Taste, kad: Callable[[Taste], float | None]) -> Taste:
    """Go from the usual taste to where KAD is least: each dial one way, or the other way where the first step leads up.

    How much noise is best, and how strongly a piece is to be told its style, differs by the music and by how much was learnt of
    it; KAD over either is a bowl (docs/log.md), so a step that leads up ends the search of a dial.

    Args:
        usual: to begin with.
        kad: what the judge says of clips made in a taste, always of the same noise; infinite for degenerate ones; None where
            there is no time for it, which ends the search.
    """
    found, least = usual, kad(usual)
    if least is None:
        return usual
    for name, factor, furthest in DIALS:
        before = found
        for way in (factor, 1 / factor):
            for _ in range(furthest):
                tried = replace(found, **{name: getattr(found, name) * way})
                value = kad(tried)
                if value is None:
                    return found
                if math.isnan(value) or value >= least:
                    break
                least, found = value, tried
            if found is not before:
                break
    return found
