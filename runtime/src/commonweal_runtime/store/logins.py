"""The keys of a department as they lie in its Secret, and the verifiers of its roles' passwords."""

from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path

from commonweal_api.store_access import password_of

_ITERATIONS = 4096


def read_key(directory: Path, name: str) -> bytes:
    """Return a key of the department's Secret: 32 bytes, written as 64 hexadecimal characters."""
    key = bytes.fromhex((directory / name).read_text().strip())
    if len(key) != 32:
        raise ValueError(f"{directory / name}: 64 hexadecimal characters expected.")
    return key


def verifier_of(database_key: bytes, role: str) -> str:
    """Return the SCRAM-SHA-256 verifier that PostgreSQL keeps: the password itself never stands in a statement or a log.

    The salt is derived, so the verifier is the same each time and setting it again changes nothing.
    """
    salt = hmac.digest(database_key, f"salt:{role}".encode(), hashlib.sha256)[:16]
    return scram_verifier(password_of(database_key, role), salt)


def scram_verifier(password: str, salt: bytes) -> str:
    """Return what PostgreSQL keeps of a password, in the one notation that it takes in place of one."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", hashlib.sha256)).digest()
    server = hmac.digest(salted, b"Server Key", hashlib.sha256)
    shown = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${_ITERATIONS}:{shown[0]}${shown[1]}:{shown[2]}"
