"""Where random numbers come from: seeds of their own for different calls, and streams that no user's seed meets."""

from __future__ import annotations

import hashlib

import numpy as np


def private_generator(purpose: str, seed: int = 0) -> np.random.Generator:
    """A generator for the package's own draws: keyed by what it is for, so that `default_rng(seed)` is another one."""
    return np.random.default_rng(np.random.SeedSequence([_digest(purpose.encode()), seed]))


def _digest(data: bytes) -> int:
    """63 bits of a hash."""
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little") >> 1
