"""Signing in: a person's name and password become a code, and a code becomes tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from commonweal_runtime.exceptions import AuthorizationError, SignInBusyError, SignInShownError
from commonweal_runtime.identity.accounts import Accounts
from commonweal_runtime.identity.clients import Client
from commonweal_runtime.identity.devices import Devices
from commonweal_runtime.identity.hashing import Lane, shares_of
from commonweal_runtime.identity.issue import Clock, Codes, Grant, Issuer
from commonweal_runtime.identity.requests import AuthorizationRequest, department_of, proves
from commonweal_runtime.identity.throttle import Throttle
from commonweal_runtime.identity.tickets import Tickets
from commonweal_runtime.listening.limits import share_of

LONGEST_NAME, LONGEST_PASSWORD = 200, 1000
BUSY_SECONDS = 5
WRONG = "The username or the password is wrong. Check both and try again."
BUSY = "Very many people are signing in. Try again in a few seconds."


class Accepted(NamedTuple):
    """A right attempt: the code for the application, and what the person's device keeps."""

    code: str
    device: str


class Rejected(NamedTuple):
    """An attempt that failed: what the person is told, and in how many seconds the next one is heard (0 is now)."""

    username: str
    text: str
    seconds: int


@dataclass(frozen=True)
class SignInContext:
    """Everything that a sign-in needs."""

    issuer: Issuer
    accounts: Accounts
    clients: Mapping[str, Client]
    codes: Codes
    tickets: Tickets
    throttle: Throttle
    devices: Devices
    known: Lane
    strangers: Lane
    clock: Clock

    @classmethod
    def of(cls, issuer: Issuer, accounts: Accounts, clients: Mapping[str, Client], seal: bytes, clock: Clock) -> SignInContext:
        """Return a context with nothing under way. What it gives away is sealed with `seal`, so that each replica takes what another gave."""
        codes, tickets, devices = Codes(seal, accounts, clock), Tickets(seal, clock), Devices(seal, clock)
        return cls(issuer, accounts, clients, codes, tickets, Throttle(clock), devices, Lane(), Lane(), clock)

    def asked(self, ticket: str) -> AuthorizationRequest:
        """Return the request that a page carried; raises SignInShownError when it is too old or changed."""
        asked = self.tickets.open(ticket)
        if asked is None:
            raise SignInShownError("The page was open for too long.")
        return asked

    async def sign_in(self, asked: AuthorizationRequest, username: str, password: str, address: str, cookie: str) -> Accepted | Rejected:
        """Return a code if name and password are right and there were not too many attempts. `cookie` is what the device kept of an earlier sign-in."""
        username, address = username[:LONGEST_NAME], share_of(address)
        device = self.devices.of(cookie, username)
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
        return Accepted(self.codes.make(Grant(account, asked, int(self.clock()))), self.devices.cookie(username))

    def tokens(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Return the tokens for a code; AuthorizationError says why not."""
        return self.issuer.tokens(self._redeemed(form))

    def _redeemed(self, form: Mapping[str, str]) -> Grant:
        """Return what a code stands for. A code is spent by the first attempt, right or wrong, so that none can be tried out."""
        if form.get("grant_type") != "authorization_code":
            raise AuthorizationError("unsupported_grant_type", "grant_type must be authorization_code")
        if form.get("client_id") not in self.clients:
            raise AuthorizationError("invalid_client", "client_id is not known")
        grant = self.codes.take(form.get("code", ""))
        if grant is None or (grant.request.client_id, grant.request.redirect_uri) != (form["client_id"], form.get("redirect_uri")):
            raise AuthorizationError("invalid_grant", "code is unknown, used, expired, or was made for another client_id or redirect_uri")
        if not proves(form.get("code_verifier", ""), grant.request.code_challenge):
            raise AuthorizationError("invalid_grant", "code_verifier does not belong to the code_challenge")
        if "resource" in form and department_of(form["resource"]) != grant.request.department:
            raise AuthorizationError("invalid_target", "resource must be the one that was authorized")
        return grant


def _spoken(seconds: int) -> str:
    return f"{seconds} seconds" if seconds < 60 else f"{-(-seconds // 60)} minutes"
