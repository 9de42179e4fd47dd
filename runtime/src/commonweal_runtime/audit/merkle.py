"""Merkle trees of RFC 6962 (RFC 9162, section 2.1) over the entries of one seal, and what an entry is.

An entry is 41 bytes: `U` (use) or `E` (consent event), the row's number in eight bytes, big-endian, and the SHA-256 of the row's bytes. A seal keeps
its entries, so a row can be named when it is gone. A leaf is hashed with the prefix 0, a node with 1: neither can be taken for the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

USE, EVENT = "use", "event"
ENTRY_BYTES = 41
_HASH_BYTES = 32
_LETTERS = {b"U": USE, b"E": EVENT}


@dataclass(frozen=True, slots=True)
class Entry:
    """One row under a seal."""

    kind: str
    number: int
    digest: bytes

    @staticmethod
    def of(kind: str, number: int, row: bytes) -> Entry:
        """Return the entry of a row's bytes."""
        return Entry(kind, number, hashlib.sha256(row).digest())

    @property
    def raw(self) -> bytes:
        """The 41 bytes that the tree is built over."""
        return (b"U" if self.kind == USE else b"E") + self.number.to_bytes(8, "big", signed=True) + self.digest


def entries_of(blob: bytes) -> Iterator[Entry]:
    """Yield the entries of a seal; ValueError if the bytes are no entries."""
    if len(blob) % ENTRY_BYTES:
        raise ValueError(f"{len(blob)} bytes are no whole number of entries of {ENTRY_BYTES} bytes.")
    for at in range(0, len(blob), ENTRY_BYTES):
        kind = _LETTERS.get(blob[at : at + 1])
        if kind is None:
            raise ValueError(f"The entry at byte {at} begins with neither U nor E.")
        yield Entry(kind, int.from_bytes(blob[at + 1 : at + 9], "big", signed=True), blob[at + 9 : at + ENTRY_BYTES])


def leaf(entry: bytes) -> bytes:
    """Return the hash of a leaf."""
    return hashlib.sha256(b"\0" + entry).digest()


class Tree:
    """The hashes over a seal's entries, one `bytes` per level, leaves first."""

    def __init__(self, blob: bytes) -> None:
        level = b"".join(leaf(blob[at : at + ENTRY_BYTES]) for at in range(0, len(blob), ENTRY_BYTES))
        self.size = len(level) // _HASH_BYTES
        self._blob, self._levels = blob, [level]
        while len(level) > _HASH_BYTES:
            level = _above(level)
            self._levels.append(level)

    @property
    def root(self) -> bytes:
        """The hash over all; of an empty tree that of the empty text."""
        return self._levels[-1] or hashlib.sha256(b"").digest()

    def find(self, entry: bytes) -> int | None:
        """Return where an entry stands, or None."""
        at = self._blob.find(entry)
        while at >= 0 and at % ENTRY_BYTES:
            at = self._blob.find(entry, at + 1)
        return at // ENTRY_BYTES if at >= 0 else None

    def path(self, index: int) -> list[bytes]:
        """Return the hashes that lead from a leaf to the root, lowest first."""
        path = []
        for level in self._levels[:-1]:
            beside = (index ^ 1) * _HASH_BYTES
            if beside < len(level):
                path.append(level[beside : beside + _HASH_BYTES])
            index >>= 1
        return path


def root_of(blob: bytes) -> bytes:
    """Return the root over a seal's entries."""
    return Tree(blob).root


def climb(entry: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """Return the root that an entry and its path give, or None if the path does not fit the tree (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size:
        return None
    node, last, here = index, size - 1, leaf(entry)
    for beside in path:
        if last == 0:
            return None
        if node % 2 or node == last:
            here = _node(beside, here)
            while node % 2 == 0 and node:
                node, last = node >> 1, last >> 1
        else:
            here = _node(here, beside)
        node, last = node >> 1, last >> 1
    return here if last == 0 else None


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def _above(level: bytes) -> bytes:
    """Return the level above; an odd one moves up as it is, which is RFC 6962's split at the largest power of two."""
    pair = 2 * _HASH_BYTES
    return b"".join(
        hashlib.sha256(b"\1" + level[at : at + pair]).digest() if at + pair <= len(level) else level[at:]
        for at in range(0, len(level), pair)
    )
