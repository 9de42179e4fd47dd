"""Signing in: a session that lives, or a person's name and password, becomes a code; and signing out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from commonweal_runtime.exceptions import AuthorizationError, SignInBusyError, SignInShownError
from commonweal_runtime.identity.accounts import Accounts
from commonweal_runtime.identity.clients import Client
from commonweal_runtime.identity.clock import Clock
from commonweal_runtime.identity.devices import Devices
from commonweal_runtime.identity.hashing import Lane, shares_of
from commonweal_runtime.identity.issue import Codes, Issuer
from commonweal_runtime.identity.logout import Farewells
from commonweal_runtime.identity.naming import Naming
from commonweal_runtime.identity.provider import Provider
from commonweal_runtime.identity.requests import AuthorizationRequest
from commonweal_runtime.identity.sessions import PASSWORD_ACR, Person, Session, Sessions, SignIn
from commonweal_runtime.identity.throttle import Throttle
from commonweal_runtime.identity.tickets import Tickets
from commonweal_runtime.listening.limits import share_of

LONGEST_NAME, LONGEST_PASSWORD = 200, 1000
BUSY_SECONDS = 5
WRONG = "The username or the password is wrong. Check both and try again."
BUSY = "Very many people are signing in. Try again in a few seconds."


class Accepted(NamedTuple):
    """A right attempt: the code for the application, what the person's device keeps, and the cookie of the session."""

    code: str
    device: str
    session: str


class Rejected(NamedTuple):
    """An attempt that failed: what the person is told, and in how many seconds the next one is heard (0 is now)."""

    username: str
    text: str
    seconds: int


class Cookies(NamedTuple):
    """What the person's browser kept of earlier sign-ins."""

    device: str = ""
    session: str = ""


@dataclass(frozen=True)
class SignInContext:
    """Everything that a sign-in needs."""

    issuer: Issuer
    accounts: Accounts
    clients: Mapping[str, Client]
    naming: Naming
    sessions: Sessions
    codes: Codes
    tickets: Tickets
    throttle: Throttle
    devices: Devices
    farewells: Farewells
    known: Lane
    strangers: Lane
    clock: Clock
    provider: Provider | None = None

    def expect(self, asked: AuthorizationRequest) -> None:
        """Raise AuthorizationError for what this issuer cannot give to anybody."""
        self.naming.expect(asked.department)
        if asked.links and self.provider is not None:
            raise AuthorizationError(
                "invalid_scope", "where another provider signs people in, ids at departments are had by token exchange alone"
            )

    def asked(self, ticket: str) -> AuthorizationRequest:
        """Return the request that a page carried; raises SignInShownError when it is too old or changed."""
        asked = self.tickets.open(ticket)
        if asked is None:
            raise SignInShownError("The page was open for too long.")
        return asked

    async def of_session(self, asked: AuthorizationRequest, cookie: str) -> str | None:
        """Return a code if the browser has a session that is good for this request, None where the person must sign in.

        Raises AuthorizationError where no page may be shown and one is needed, IdentityStoreError where it cannot be known. Ids at departments that
        the application asks for by name are given only by a page that names them.
        """
        session = await self.sessions.of_cookie(cookie)
        if session is None or asked.again or not self._is_recent(session, asked):
            if asked.silent:
                raise AuthorizationError("login_required", "the person must sign in: leave prompt=none out")
            await self.sessions.answers()
            return None
        if asked.links:
            if asked.silent:
                raise AuthorizationError(
                    "consent_required", "ids at departments are given by a page that names them: leave prompt=none out"
                )
            return None
        return self.codes.make(session, asked)

    async def sign_in(
        self, asked: AuthorizationRequest, username: str, password: str, address: str, cookies: Cookies
    ) -> Accepted | Rejected:
        """Return a code if name and password are right and there were not too many attempts."""
        if self.provider is not None:
            raise SignInShownError("You sign in elsewhere.")
        username, address = username[:LONGEST_NAME], share_of(address)
        device = self.devices.of(cookies.device, username)
        attempt = self.throttle.reserve(username, address, device)
        if attempt.wait:
            return Rejected(username, f"There were too many attempts. Try again in {_spoken(attempt.wait)}.", attempt.wait)
        lane = self.strangers if device is None else self.known
        try:
            account = await lane.run(partial(self.accounts.check, username, password[:LONGEST_PASSWORD]), shares_of(username, address))
        except SignInBusyError:
            self.throttle.refund(attempt)
            return Rejected(username, BUSY, BUSY_SECONDS)
        if account is None:
            return Rejected(username, WRONG, 0)
        self.throttle.refund(attempt)
        sign_in = SignIn(person=Person(username=account.username), at=int(self.clock()), acr=PASSWORD_ACR, amr=("pwd",))
        code, session = await self.signed_in(asked, sign_in, cookies.session)
        return Accepted(code, self.devices.cookie(username), session)

    async def signed_in(self, asked: AuthorizationRequest, sign_in: SignIn, cookie: str) -> tuple[str, str]:
        """Return code and session cookie for a person who has just signed in."""
        started = await self.sessions.start(sign_in, cookie)
        if started.told:
            self.farewells.send(started.told, why="another person signed in")
        return self.codes.make(started.session, asked), started.cookie

    def _is_recent(self, session: Session, asked: AuthorizationRequest) -> bool:
        return asked.max_age is None or self.clock() - session.sign_in.at <= asked.max_age


def _spoken(seconds: int) -> str:
    return f"{seconds} seconds" if seconds < 60 else f"{-(-seconds // 60)} minutes"
