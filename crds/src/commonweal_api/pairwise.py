"""The id by which one department knows a person; two departments cannot match theirs without the master key."""

from __future__ import annotations

import hashlib
import hmac
from uuid import UUID

_VERSION_8 = 0x8 << 76
_VARIANT = 0x2 << 62
_KEEP = ~((0xF << 76) | (0x3 << 62)) & ((1 << 128) - 1)


def pairwise(sector_key: bytes, root: str) -> UUID:
    """Return the department's id of the person whose source key is `root`.

    The same key and root give the same id for ever. It is a version 8 UUID of RFC 9562: 122 bits of HMAC-SHA256, so ids of
    two departments are unlinkable to whoever lacks the keys, and a collision among a thousand million people has odds below 1 to 10^18.
    """
    bits = int.from_bytes(hmac.digest(sector_key, root.encode(), hashlib.sha256)[:16], "big")
    return UUID(int=bits & _KEEP | _VERSION_8 | _VARIANT)
