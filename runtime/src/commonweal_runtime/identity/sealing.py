"""Seals: what the issuer gives away and gets back, readable and changeable by nobody else. Every replica with the same key opens it."""

from __future__ import annotations

import base64
from collections.abc import Callable

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class Seal:
    """Seals texts for one purpose, with a key that comes from the issuer's own and the purpose; nothing sealed for another one is opened."""

    def __init__(self, key: bytes, purpose: str, seconds: int, clock: Callable[[], float]) -> None:
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=f"identity {purpose} v1".encode()).derive(key)
        self._fernet, self._seconds, self._clock = Fernet(base64.urlsafe_b64encode(derived)), seconds, clock

    def seal(self, text: str) -> str:
        """Return what only `open` reads, for `seconds`."""
        return self._fernet.encrypt_at_time(text.encode(), int(self._clock())).decode()

    def open(self, sealed: str) -> str | None:
        """Return the text, or None for what is old, changed, or sealed elsewhere."""
        try:
            return self._fernet.decrypt_at_time(sealed.encode(), self._seconds, int(self._clock())).decode()
        except InvalidToken:
            return None
