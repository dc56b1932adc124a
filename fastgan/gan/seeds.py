"""Randomness as a function of (seed, purpose, step): there is no state of a generator to save."""

import hashlib

import torch
from torch import Tensor


def noise(shape: tuple[int, ...], seed: int, step: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Standard normal values that depend on (seed, step) alone."""
    generator = torch.Generator(device).manual_seed(derive(seed, step))
    return torch.randn(shape, generator=generator, device=device, dtype=dtype)


def derive(seed: int, *words: int | str) -> int:
    """A seed of its own for each purpose: 63 bits that depend on all the words."""
    text = "/".join(map(str, (seed, *words))).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1
