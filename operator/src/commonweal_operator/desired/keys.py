"""The department's two keys. What they are made of is an argument: chance and the site's master key are gathered elsewhere."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode

from commonweal_operator.desired.manifest import Child, Owner, Stage, child

NAME = "commonweal-keys"
KEY_BYTES = 32


def sector_key(master: bytes, department: str) -> str:
    """Return the hexadecimal key from which the department's pairwise ids are made."""
    return hmac.digest(master, f"sector:{department}".encode(), hashlib.sha256).hex()


def keys(owner: Owner, *, database: bytes, master: bytes) -> Child:
    """Return the Secret, to be created once and never written again: another sector key would give every person another id."""
    if len(database) != KEY_BYTES or len(master) != KEY_BYTES:
        raise ValueError(f"database and master: each needs {KEY_BYTES} bytes.")
    content = {"database": database.hex(), "sector": sector_key(master, owner.department)}
    data = {key: b64encode(value.encode()).decode() for key, value in content.items()}
    return child("Secret", owner.metadata(NAME), stage=Stage.ACCESS, type="Opaque", data=data)
