"""Tokens for the issuer itself: honoured only while their session lives, which is looked up at each use."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from commonweal_api.people_issuer import IDENTITY
from commonweal_runtime.exceptions import ProblemError
from commonweal_runtime.identity.clock import Clock
from commonweal_runtime.identity.issue import ACCESS, Issuer
from commonweal_runtime.identity.sessions import Session, Sessions
from commonweal_runtime.problems import token_invalid, token_missing

LONGEST_TOKEN = 8192
_ENDED = {"WWW-Authenticate": 'Bearer realm="commonweal", error="invalid_token", error_description="the session has ended"'}


class Caller(NamedTuple):
    """Who asks the issuer for something: a person by a session, through an application."""

    session: Session
    client: str
    scopes: list[str]


class Bearers:
    """Checks tokens for the issuer itself. Every refusal is a ProblemError of status 401."""

    def __init__(self, issuer: Issuer, sessions: Sessions, clock: Clock) -> None:
        self._issuer, self._sessions, self._clock = issuer, sessions, clock

    async def caller(self, authorization: str | None) -> Caller:
        """Return who an `Authorization` header speaks for."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise _missing()
        return await self.holder(token.strip())

    async def holder(self, token: str) -> Caller:
        """Return who a token speaks for."""
        claims = self._issuer.read(token, ACCESS, IDENTITY) if len(token) <= LONGEST_TOKEN else None
        if claims is None:
            raise token_invalid(
                "The token is not an access token of this issuer for itself.",
                f"Send one that was asked for without a resource, or with the resource {IDENTITY}.",
            )
        session = await self._sessions.of_id(UUID(claims["sid"])) if claims["exp"] > self._clock() else None
        if session is None:
            raise session_ended()
        return Caller(session, claims["client_id"], claims["scope"].split())


def session_ended() -> ProblemError:
    return ProblemError(401, "SessionEnded", "Signed out", "The session of this token has ended.", "Sign in again.", _ENDED)


def _missing() -> ProblemError:
    known = token_missing()
    remedy = "Send `Authorization: Bearer <token>` with an access token that was asked for without a resource."
    return ProblemError(known.status, known.reason, known.title, known.detail, remedy, known.headers)
