"""The dyadic grids that make float64 sums exact, and the hash that places names."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Words = NDArray[np.uint64]

PHI, WEIGHT, THETA = 2.0**-12, 2.0**-2, 2.0**-20
"""Steps of features and rewards, of row weights, and of served weights."""

LIMIT = 2.0**53 * PHI * PHI * WEIGHT
"""The largest sum of weights that is still exact: 2**27 rows of weight 1."""

SPAN = 256.0
"""Served weights are clipped to +-SPAN; with at most 256 slots a score then needs fewer than 53 bits."""


def snap(x: Any, grid: float) -> Any:
    """Return x rounded to the nearest multiple of `grid`, a power of two."""
    return np.round(np.asarray(x, dtype=np.float64) / grid) * grid


def hash64(text: str) -> int:
    """Return 64 bits that depend on the text alone: the same on every machine and in every process."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
