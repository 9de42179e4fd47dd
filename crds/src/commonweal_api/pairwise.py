"""The id by which one department knows a person; two departments cannot match theirs without the master key."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from uuid import UUID

_VERSION_8 = 0x8 << 76
_VARIANT = 0x2 << 62
_KEEP = ~((0xF << 76) | (0x3 << 62)) & ((1 << 128) - 1)
_BLOCK = 64  # bytes of a block of SHA-256
_INNER, _OUTER = bytes(b ^ 0x36 for b in range(256)), bytes(b ^ 0x5C for b in range(256))  # RFC 2104
# What the sixth and the eighth byte become, whatever they were: those that hold version and variant.
_VERSIONS, _VARIANTS = bytes(b & 0x0F | 0x80 for b in range(256)), bytes(b & 0x3F | 0x80 for b in range(256))


def pairwise(sector_key: bytes, root: str) -> UUID:
    """Return the department's id of the person whose source key is `root`.

    The same key and root give the same id for ever. It is a version 8 UUID of RFC 9562: 122 bits of HMAC-SHA256, so ids of
    two departments are unlinkable to whoever lacks the keys, and a collision among a thousand million people has odds below 1 to 10^18.
    """
    bits = int.from_bytes(hmac.digest(sector_key, root.encode(), hashlib.sha256)[:16], "big")
    return UUID(int=bits & _KEEP | _VERSION_8 | _VARIANT)


def pairwise_bytes(sector_key: bytes, roots: Iterable[bytes]) -> bytes:
    """Return the ids that `pairwise` gives for UTF-8 texts, 16 bytes for each, one after the other: many at an eighth of the time."""
    key = (hashlib.sha256(sector_key).digest() if len(sector_key) > _BLOCK else sector_key).ljust(_BLOCK, b"\0")
    # HMAC of a short message is mostly the hashing of the padded key, which is the same for all
    inner, outer = hashlib.sha256(key.translate(_INNER)).copy, hashlib.sha256(key.translate(_OUTER)).copy
    digests = []
    for root in roots:
        (within := inner()).update(root)
        (around := outer()).update(within.digest())
        digests.append(around.digest()[:16])
    ids = bytearray().join(digests)
    ids[6::16], ids[8::16] = ids[6::16].translate(_VERSIONS), ids[8::16].translate(_VARIANTS)
    return bytes(ids)
