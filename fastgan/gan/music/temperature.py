"""At which temperature a trained generator is nearest to the music: the judge climbs down to it, step by step."""

import math
from collections.abc import Callable

STEP = 1.08
"""From one temperature to the next, as a factor."""

FURTHEST = 4
"""Steps from where the search begins, at most: by a third, up or down."""

MOST_TRIED = FURTHEST + 2
"""Temperatures that are tried, at most: the usual one, one the wrong way, and the steps."""


def find_temperature(usual: float, kad: Callable[[float], float | None]) -> float:
    """Go from the usual temperature to where KAD is least: first the cooler way, and the warmer one where that leads up.

    How much noise is best differs by the music and by how much was learnt of it; KAD over the temperature is a bowl
    (docs/log.md), so the first step that leads up ends the search.

    Args:
        usual: temperature to begin with.
        kad: what the judge says of clips made at a temperature, always of the same noise; infinite for degenerate ones; None
            where there is no time for it, which ends the search.
    """
    least = kad(usual)
    if least is None:
        return usual
    for factor in (1 / STEP, STEP):
        found, temperature = usual, usual
        for _ in range(FURTHEST):
            temperature *= factor
            value = kad(temperature)
            if value is None or math.isnan(value) or value >= least:
                break
            least, found = value, temperature
        if found != usual:
            return found
    return usual
