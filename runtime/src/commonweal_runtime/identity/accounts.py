"""People who can sign in: their accounts in a file, their passwords as scrypt hashes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import secrets
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from commonweal_api.common import NAME_PATTERN
from commonweal_runtime.bodies import first_error

log = logging.getLogger(__name__)
_N, _R, _P, _LENGTH = 2**14, 8, 1, 32
_MEMORY = 64 * 2**20
_HASH = r"^scrypt\$[0-9]{1,7}\$[0-9]{1,2}\$[0-9]{1,2}\$[A-Za-z0-9_=-]{16,100}\$[A-Za-z0-9_=-]{32,200}$"


_Key = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Account(BaseModel):
    """One person. `root` is the key by which the sources of every department know them, `links` those of single departments, which go before it.

    Of these keys the operator makes the departments' pairwise ids; they leave the issuer in no token. An account without either is signed in, and known at
    no department until its person links it.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)

    username: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    root: _Key | None = None
    links: dict[Annotated[str, StringConstraints(pattern=NAME_PATTERN)], _Key] = Field(default_factory=dict, max_length=500)
    password_hash: Annotated[str, StringConstraints(pattern=_HASH)]

    def key(self, department: str) -> str | None:
        """Return the key by which a department's sources know the person, as far as the platform says."""
        return self.links.get(department, self.root)


_FILE = TypeAdapter(list[Account])


class Accounts:
    """The accounts file, read again whenever it is another one, so that a mounted Secret takes effect when it changes. Without it nobody can sign in."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._nobody = hash_password(secrets.token_urlsafe(16))
        self._seen: tuple[int, int, int] | None = None
        self._people: dict[str, Account] = {}

    def find(self, username: str) -> Account | None:
        """Return the account of that name."""
        found = None
        for account in self.all():
            if hmac.compare_digest(account.username.encode(), username.encode()):
                found = account
        return found

    def all(self) -> list[Account]:
        """Return all accounts; a ValueError names the entry of the file that is wrong, and what to do."""
        status = self._file.stat() if self._file.exists() else None
        seen = None if status is None else (status.st_ino, status.st_mtime_ns, status.st_size)
        if seen != self._seen:
            self._people = {} if seen is None else {a.username: a for a in _read(self._file)}
            self._seen = seen
        return list(self._people.values())

    def check(self, username: str, password: str) -> Account | None:
        """Return the account if the password is right. It takes as long for a name that does not exist: about 50 ms and 16 MiB, so bound how many run."""
        found = self.find(username)
        right = verify_password(password, found.password_hash if found else self._nobody)
        return found if right else None


def _read(file: Path) -> list[Account]:
    try:
        people, wrong = _FILE.validate_json(file.read_bytes()), None
    except ValidationError as error:
        people, wrong = [], ": ".join(first_error(error))
    known: set[str] = set()
    for place, account in enumerate(people):
        if account.username in known:
            wrong = f"{place}: it has the username of an earlier entry, and each person needs one of their own"
        known.add(account.username)
    if wrong is not None:
        text = f"{file.name}: {wrong}. Correct it; docs/reference/identity-api.md has the form of an account."
        log.error("%s Until then no person can sign in.", text)
        raise ValueError(text)
    return people


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
