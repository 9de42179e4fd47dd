"""The keyed hash of an identifier that provider and consumer both know.

A consumer may use this module as it is; `key_of` is the provider's.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Literal

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

Normalise = Literal["Upper", "Lower", "Digits", "AsIs"]
_SPACES = {ord(c): None for c in " \t\r\n"}
_LOWER, _UPPER = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_BLOCK = 64


def key_of(database_key: bytes, number: int) -> bytes:
    """Return the linkage key of one agreement of a store: its number belongs to it for ever, so no two agreements' tokens can be compared."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"commonweal linkage %d" % number).derive(database_key)


def written(value: str, normalise: Normalise) -> str | None:
    """Return how an identifier is written before it is hashed, or None if nothing is left of it. ASCII letters, digits and white space only are changed."""
    if normalise == "Digits":
        text = "".join(c for c in value if c in "0123456789")
    elif normalise == "AsIs":
        text = value
    else:
        upper = normalise == "Upper"
        text = value.translate(_SPACES).translate(str.maketrans(_LOWER if upper else _UPPER, _UPPER if upper else _LOWER))
    return text or None


def token(key: bytes, value: str, normalise: Normalise) -> str | None:
    """Return the token of an identifier: HMAC-SHA256 as 64 hexadecimal digits; None if nothing is left to hash."""
    text = written(value, normalise)
    return hmac.digest(key, text.encode(), hashlib.sha256).hex() if text is not None else None


def pads(key: bytes) -> tuple[bytes, bytes]:
    """Return the inner and outer padded key of HMAC (RFC 2104), for the store, which computes the rest."""
    block = key.ljust(_BLOCK, b"\0")
    return bytes(b ^ 0x36 for b in block), bytes(b ^ 0x5C for b in block)
