"""The people of the demonstration, signed in at a site's issuer."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field

from commonweal_local.waiting import until
from commonweal_runtime.exceptions import SignInLaterError
from commonweal_runtime.identity.accounts import hash_password
from commonweal_runtime.identity.sign_in import SignedIn, sign_in

KNOWN_SECONDS, AGAIN_SECONDS = 120.0, 2.0

PEOPLE = tuple(
    f"{name}.{family}"
    for name, family in (("ada", "lovelace"), ("ben", "okri"), ("cleo", "laine"), ("dev", "patel"), ("ena", "mccrae"), ("fay", "weldon"))
)


def accounts(password: str) -> list[dict[str, str]]:
    """Return the people's accounts as the issuer reads them: each with a hash of the one password, and with the key by which the example's sources know them."""
    hashed = hash_password(password)
    return [
        {"username": name, "name": name.replace(".", " ").title(), "root": f"P{number:06d}", "passwordHash": hashed}
        for number, name in enumerate(PEOPLE, 1)
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
