"""People who can sign in: their accounts in a file, their passwords as scrypt hashes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter
from pydantic.alias_generators import to_camel

_N, _R, _P, _LENGTH = 2**14, 8, 1, 32
_MEMORY = 64 * 2**20
_HASH = r"^scrypt\$[0-9]{1,7}\$[0-9]{1,2}\$[0-9]{1,2}\$[A-Za-z0-9_=-]{16,100}\$[A-Za-z0-9_=-]{32,200}$"


class Account(BaseModel):
    """One person. `root` is the value from which every department's pairwise id is made; it leaves the issuer in no token."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)

    username: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    root: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    password_hash: Annotated[str, StringConstraints(pattern=_HASH)]


_FILE = TypeAdapter(list[Account])


class Accounts:
    """The accounts file, read anew at each sign-in, so that a mounted Secret takes effect when it changes. Without it nobody can sign in."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._nobody = hash_password(secrets.token_urlsafe(16))

    def find(self, username: str) -> Account | None:
        """Return the account of that name."""
        found = None
        for account in _FILE.validate_json(self._file.read_bytes()) if self._file.exists() else []:
            if hmac.compare_digest(account.username.encode(), username.encode()):
                found = account
        return found

    def check(self, username: str, password: str) -> Account | None:
        """Return the account if the password is right. It takes as long for a name that does not exist: about 50 ms and 16 MiB, so bound how many run."""
        found = self.find(username)
        right = verify_password(password, found.password_hash if found else self._nobody)
        return found if right else None


def hash_password(password: str, salt: bytes | None = None) -> str:
    """Return `scrypt$n$r$p$salt$hash` as the accounts file keeps it."""
    salt = secrets.token_bytes(16) if salt is None else salt
    return "$".join(["scrypt", str(_N), str(_R), str(_P), _encode(salt), _encode(_derive(password, salt, _N, _R, _P, _LENGTH))])


def verify_password(password: str, stored: str) -> bool:
    """Return whether the password makes the stored hash; compared in constant time."""
    _, n, r, p, salt, expected = stored.split("$")
    wanted = base64.urlsafe_b64decode(expected)
    return hmac.compare_digest(_derive(password, base64.urlsafe_b64decode(salt), int(n), int(r), int(p), len(wanted)), wanted)


def _derive(password: str, salt: bytes, n: int, r: int, p: int, length: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=_MEMORY, dklen=length)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode()
