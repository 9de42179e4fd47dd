"""The people of the demonstration, signed in at a site's issuer."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from commonweal_local.waiting import until
from commonweal_runtime.exceptions import SignInLaterError
from commonweal_runtime.identity.accounts import hash_password
from commonweal_runtime.identity.sign_in import SignedIn, sign_in

KNOWN_SECONDS, AGAIN_SECONDS = 120.0, 2.0

PEOPLE = tuple(
    f"{name}.{family}"
    for name, family in (("ada", "lovelace"), ("ben", "okri"), ("cleo", "laine"), ("dev", "patel"), ("ena", "mccrae"), ("fay", "weldon"))
)


# Whoever has a record there, but has not linked it: the person does so with the family name, the date of birth and the number.
UNLINKED = {"fay.weldon": "benefits-department"}


def keys(number: int) -> dict[str, str]:
    """Return the key by which each source of the example knows a person, as its SQL makes it: an officer number, a taxpayer reference, an insurance number."""
    return {
        "companies-registry": f"OF{1_200_000 + number * 7717:08d}",
        "tax-authority": f"{1_000_000_000 + number * 7919:010d}",
        "benefits-department": f"QQ{number * 1831:06d}{'ABCD'[number % 4]}",
    }


def accounts(password: str) -> list[dict[str, Any]]:
    """Return the people's accounts as the issuer reads them: each with a hash of the one password, and linked to the records that the platform vouches for.

    Any other department, such as one of a trial with made-up records, knows them by one key; but not whoever has a record to link yet.
    """
    return _accounts(password, [_linked(number, name) for number, name in enumerate(PEOPLE, 1)])


def _linked(number: int, name: str) -> dict[str, Any]:
    links = {department: key for department, key in keys(number).items() if department != UNLINKED.get(name)}
    return {"links": links} if name in UNLINKED else {"links": links, "root": _made_up(number)}


def _made_up(number: int) -> str:
    return f"P{number:06d}"


def made_up_accounts(password: str) -> list[dict[str, Any]]:
    """Return the same people as made-up sources know them: by one key at every department."""
    return _accounts(password, [{"root": _made_up(number)} for number in range(1, len(PEOPLE) + 1)])


def _accounts(password: str, known: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    hashed = hash_password(password)
    return [
        {"username": name, "name": name.replace(".", " ").title(), **keys_of, "passwordHash": hashed}
        for name, keys_of in zip(PEOPLE, known, strict=True)
    ]


@dataclass
class SignIn:
    """The people's issuer at `base`; `trust` is what its certificate is checked by. Sessions are kept, for sign-in attempts are rate-limited."""

    base: str
    trust: ssl.SSLContext | None = field(default=None, repr=False)
    _sessions: dict[tuple[str, str], SignedIn] = field(default_factory=dict)

    def person(self, username: str, password: str, department: str) -> SignedIn:
        """Return the person's token for a department's data API, and the id that the department knows. Raises SignInError.

        A department that has just been made is waited for: its people's ids reach the issuer as any Secret reaches a pod.
        """

        def signed_in() -> SignedIn:
            return asyncio.run(sign_in(self.base, username, password, department, trust=self.trust))

        key = (username, department)
        if key not in self._sessions:
            until(
                f"the issuer's knowing {department}",
                KNOWN_SECONDS,
                lambda: self._sessions.update({key: signed_in()}) is None,
                every=AGAIN_SECONDS,
                meanwhile=(SignInLaterError,),
            )
        return self._sessions[key]
