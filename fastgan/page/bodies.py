"""What a request brings, taken in within bounds of size and time, and checked value by value."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from fastgan.base.errors import BadInput

_ORDER_BYTES = 10_000
_ARRIVAL_S = 120.0


async def order_told(request: Request) -> dict[str, Any]:
    """The JSON object of a request.

    Raises:
        HTTPException: it is no JSON by its type, which no page from elsewhere can send unasked, or too large.
        BadInput: it cannot be read.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415, "an order is application/json")
    parts: list[bytes] = []
    await receive(request, parts.append, _ORDER_BYTES)
    try:
        told = json.loads(b"".join(parts))
    except (ValueError, RecursionError) as error:
        raise BadInput("the order is no JSON") from error
    if not isinstance(told, dict):
        raise BadInput("the order is no JSON object")
    return told


async def receive(request: Request, write: Callable[[bytes], object], most: int) -> None:
    """Take in a body part by part.

    Args:
        request: whose body it is.
        write: takes each part.
        most: bytes.

    Raises:
        HTTPException: it is larger, or takes too long to arrive.
    """
    words = f"that is more than {most / 1e6:.3g} MB; send less"
    length, count = request.headers.get("content-length", "0"), 0
    if not length.isdigit() or int(length) > most:
        raise HTTPException(413, words)
    try:
        async with asyncio.timeout(_ARRIVAL_S):
            async for part in request.stream():
                count += len(part)
                if count > most:  # no length was told, or a wrong one
                    raise HTTPException(413, words)
                write(part)
    except TimeoutError:
        raise HTTPException(408, f"the upload took longer than {_ARRIVAL_S:.0f} s") from None


def text(told: dict[str, Any], name: str) -> str:
    """A short text of an order, empty when it is not there."""
    value = told.get(name, "")
    if not isinstance(value, str) or len(value) > 1_000:
        raise BadInput(f"{name} is not a short text")
    return value


def number(told: dict[str, Any], name: str, low: float, high: float) -> float:
    """A number of an order, within bounds."""
    value = told.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:  # NaN included
        raise BadInput(f"{name} is {value!r}; it takes {low:g} to {high:g}")
    return float(value)
