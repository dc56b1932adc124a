"""A shuffled order that is computed instead of stored: item i of the order, for any i, in any sequence.

A Feistel network over the next power of four is a bijection for any round function; values that fall outside the wanted
range are sent through it again until they fall inside (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002).
So nine million windows are visited once each, in an order that a resumed run finds again, with no table in memory.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_ROUNDS = 6


def shuffled(positions: NDArray[np.int64], total: int, key: int) -> NDArray[np.int64]:
    """Look up places of a random order of 0 .. total - 1.

    Args:
        positions: int64 [n], which places of the order are wanted, each in [0, total).
        total: how many items the order has, 1 to 2**62.
        key: chooses the order; equal keys give equal orders.

    Returns:
        int64 [n]; all positions together give every item exactly once.

    Raises:
        ValueError: a position lies outside the order.
    """
    positions = np.ascontiguousarray(positions, np.int64)
    if not 1 <= total <= 1 << 62:
        raise ValueError(f"total is {total}; an order has 1 to 2**62 items")
    if positions.size and (positions.min() < 0 or positions.max() >= total):
        raise ValueError(f"positions reach {positions.min()} .. {positions.max()}; the order has 0 .. {total - 1}")
    out = np.empty_like(positions)
    _shuffled(positions, total, np.uint64(key % (1 << 64)), _half_bits(total), out)
    return out


def _half_bits(total: int) -> int:
    return max(1, ((total - 1).bit_length() + 1) // 2)


@njit(cache=True)
def _mix(value: np.uint64) -> np.uint64:
    """Scramble 64 bits (the finaliser of SplitMix64: Steele, Lea and Flood, 2014)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@njit(cache=True, nogil=True)
def _shuffled(positions, total, key, half_bits, out):  # type: ignore[no-untyped-def]
    half, mask = np.uint64(half_bits), (np.uint64(1) << np.uint64(half_bits)) - np.uint64(1)
    for n in range(positions.size):
        value = np.uint64(positions[n])
        while True:
            left, right = value >> half, value & mask
            for turn in range(_ROUNDS):
                left, right = right, left ^ (_mix(right + key + np.uint64(turn) * np.uint64(0x9E3779B97F4A7C15)) & mask)
            value = (left << half) | right
            if value < np.uint64(total):
                break
        out[n] = np.int64(value)


def shuffled_numpy(positions: NDArray[np.int64], total: int, key: int) -> NDArray[np.int64]:
    """Do what `shuffled` does in plain Python integers: the definition that it is tested against."""
    half = _half_bits(total)
    mask, word = (1 << half) - 1, (1 << 64) - 1

    def mix(value: int) -> int:
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & word
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB & word
        return value ^ (value >> 31)

    def turn_around(value: int) -> int:
        left, right = value >> half, value & mask
        for turn in range(_ROUNDS):
            left, right = right, left ^ (mix((right + key + turn * 0x9E3779B97F4A7C15) & word) & mask)
        return (left << half) | right

    out = []
    for value in map(int, positions):
        value = turn_around(value)
        while value >= total:
            value = turn_around(value)
        out.append(value)
    return np.array(out, np.int64)
