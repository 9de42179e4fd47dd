"""What is read of an answer, in however many pieces it comes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from commonweal_runtime.store.sources.http_client import first_of


class Pieces:
    """A body that comes in pieces, as from a network."""

    def __init__(self, *pieces: bytes) -> None:
        self._left = list(pieces)

    async def read(self, most: int) -> bytes:
        """Return what has come of it, at most so much."""
        piece = self._left.pop(0) if self._left else b""
        self._left[:0] = [piece[most:]] if len(piece) > most else []
        return piece[:most]


@pytest.mark.parametrize(("pieces", "read"), [((b'{"a', b'":1}'), b'{"a":1}'), ((b"123456", b"789"), b"12345678"), ((), b"")])
def test_a_body_is_read_to_its_end_or_to_its_bound(pieces: tuple[bytes, ...], read: bytes) -> None:
    content: Any = Pieces(*pieces)
    assert asyncio.run(first_of(content, 8)) == read
