"""Rows of a source in blocks, by the hash of the subject's key, and what the source itself says of each: so that only blocks that changed are read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

FEW = 16  # rows of a block, about: where one row in a hundred has changed, 85 % of the blocks have not
MOST_BLOCKS = 1 << 16  # what a source groups by, and sends, in one answer


@dataclass(frozen=True, slots=True)
class Digest:
    """What a source says of a block: how many rows it has, and one number that follows from all of them in any order; None where there is none."""

    rows: int
    value: str | None


@dataclass(frozen=True, slots=True)
class Division:
    """How many blocks there are, which of them are read (None: all), and what the hashes are seeded with, so that no row can be made to have another's."""

    parts: int
    seed: bytes
    only: frozenset[int] | None = None

    @property
    def chosen(self) -> bytes:
        """The blocks that are read, one bit each, the first in the lowest bit of the first byte."""
        bits = bytearray(self.parts // 8 + 1)
        for number in self.only or ():
            bits[number // 8] |= 1 << number % 8
        return bytes(bits)

    def seeds(self, count: int) -> list[int]:
        """Return that many numbers of 64 bits with a sign."""
        return [int.from_bytes(self.seed[8 * n : 8 * n + 8], "big", signed=True) for n in range(count)]


class Blocks(Protocol):
    """An open source that divides its rows. Whatever goes wrong is a SourceReadError, but for UndividedError."""

    async def count(self) -> int:
        """Return how many rows there are."""
        ...

    async def digests(self, division: Division) -> Mapping[int, Digest]:
        """Return the digests of all blocks with rows, in the snapshot that `batches` reads; raise UndividedError where the source computes none."""
        ...

    def divide(self, division: Division) -> None:
        """From now on `Source.batches` gives only rows of the chosen blocks, and each row's block."""
        ...


class Divided(ABC):
    """What a statement that reads rows of blocks says, whatever the source's SQL is."""

    _division: Division | None = None

    @abstractmethod
    def _number(self, division: Division) -> str:
        """Return the expression of a row's block."""

    @abstractmethod
    def _chosen(self, division: Division) -> str:
        """Return the condition that a row's block is one of those that are read."""

    def divide(self, division: Division) -> None:
        """See `Blocks.divide`."""
        self._division = division

    @property
    def columns(self) -> list[str]:
        """What is read beside the product's columns: the block's number, once rows are divided."""
        return [] if self._division is None else [self._number(self._division)]

    @property
    def conditions(self) -> list[str]:
        """What rows are read by, once blocks are chosen."""
        return [] if self._division is None or self._division.only is None else [self._chosen(self._division)]


def parts_for(rows: int) -> int:
    """Return how many blocks so many rows are divided into."""
    return max(1, min(MOST_BLOCKS, rows // FEW))


def seed_of(sector_key: bytes) -> bytes:
    """Return the seed of a department: sources hear it, and it tells nothing of the key."""
    return HKDF(algorithm=SHA256(), length=24, salt=None, info=b"commonweal block seeds").derive(sector_key)


def changed(held: Mapping[int, bytes | None], found: Mapping[int, bytes | None]) -> frozenset[int]:
    """Return the blocks that came, went, or are not known to be the same."""
    return frozenset(n for n in _all(held, found) if held.get(n) is None or held.get(n) != found.get(n))


def agreed(one: Mapping[int, bytes | None], other: Mapping[int, bytes | None]) -> dict[int, bytes | None]:
    """Return all blocks of both, with the seal only where both have the same one."""
    return {n: one.get(n) if one.get(n) == other.get(n) else None for n in _all(one, other)}


def _all(one: Iterable[int], other: Iterable[int]) -> set[int]:
    return {*one, *other}
