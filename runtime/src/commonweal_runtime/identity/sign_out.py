"""Signing out (OpenID Connect RP-Initiated Logout): at once for the application that names its session, after a question for whoever else asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from pydantic import BaseModel

from commonweal_runtime.exceptions import SignInShownError
from commonweal_runtime.identity.clients import Client
from commonweal_runtime.identity.issue import IDENTITY_TOKEN, Issuer
from commonweal_runtime.identity.logout import Farewells
from commonweal_runtime.identity.sealing import Seal
from commonweal_runtime.identity.sessions import Sessions
from commonweal_runtime.identity.tickets import TICKET_SECONDS

LONGEST_STATE = 1000


class Onward(BaseModel):
    """Where a person who has signed out is sent; without an address they stay here."""

    uri: str | None = None
    state: str | None = None


class Question(NamedTuple):
    """The person must say that they want to sign out; the ticket takes their answer."""

    ticket: str


class _Asked(BaseModel):
    session: UUID
    onward: Onward


class _Hint(NamedTuple):
    client: str
    sid: str


@dataclass(frozen=True)
class SignOut:
    """Ends sessions, and tells their applications."""

    issuer: Issuer
    sessions: Sessions
    clients: Mapping[str, Client]
    farewells: Farewells
    seal: Seal

    @classmethod
    def of(
        cls,
        issuer: Issuer,
        sessions: Sessions,
        clients: Mapping[str, Client],
        farewells: Farewells,
        key: bytes,
        clock: Callable[[], float],
    ) -> SignOut:
        """Return it with nothing under way."""
        return cls(issuer, sessions, clients, farewells, Seal(key, "sign-out", TICKET_SECONDS, clock))

    async def ask(self, given: Mapping[str, str], cookie: str) -> Onward | Question:
        """Sign the person out if their application proves that it is its session that ends, or return the question.

        Raises SignInShownError for an address that is not registered and for an id_token_hint that is not ours.
        """
        hint = self._hint(given)
        onward = self._onward(given, hint)
        mine = await self.sessions.of_cookie(cookie)
        hinted = None if hint is None else await self.sessions.called(hint.client, hint.sid)
        if mine is not None and mine.id != hinted:
            return Question(self.seal.seal(_Asked(session=mine.id, onward=onward).model_dump_json()))
        if hinted is not None:
            await self._end(hinted)
        return onward

    async def confirm(self, ticket: str, cookie: str) -> Onward:
        """Sign out the person whose browser was asked; SignInShownError for any other."""
        text = self.seal.open(ticket)
        mine = await self.sessions.of_cookie(cookie)
        asked = None if text is None else _Asked.model_validate_json(text)
        if asked is None or (mine is not None and mine.id != asked.session):
            raise SignInShownError("The page was open for too long.")
        if mine is not None:
            await self._end(mine.id)
        return asked.onward

    async def _end(self, session: UUID) -> None:
        members = await self.sessions.end(session)
        if members is not None:
            self.farewells.send(members, why="the person signed out")

    def _hint(self, given: Mapping[str, str]) -> _Hint | None:
        """Return the application and the session of an ID token, whatever its age."""
        text = given.get("id_token_hint")
        if text is None:
            return None
        claims = self.issuer.read(text, IDENTITY_TOKEN, None)
        if claims is None or "sid" not in claims or claims["aud"] != given.get("client_id", claims["aud"]):
            raise SignInShownError("The application that sent you here did not prove who you are (id_token_hint).")
        return _Hint(claims["aud"], claims["sid"])

    def _onward(self, given: Mapping[str, str], hint: _Hint | None) -> Onward:
        uri, state = given.get("post_logout_redirect_uri"), given.get("state")
        if uri is None:
            return Onward()
        client = self.clients.get(hint.client if hint is not None else given.get("client_id", ""))
        if client is None or not client.accepts_after_logout(uri) or len(state or "") > LONGEST_STATE:
            raise SignInShownError(
                "The address to which you would be sent on is not registered for this application (post_logout_redirect_uri)."
            )
        return Onward(uri=uri, state=state)
