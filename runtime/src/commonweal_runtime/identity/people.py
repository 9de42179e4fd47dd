"""What a person asks of the issuer itself: their links, their sessions, their preferences. Each caller's requests have turns of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import StringConstraints

from commonweal_runtime.bodies import UUID_FORM, Body, parse
from commonweal_runtime.exceptions import AuthorizationError, ProblemError
from commonweal_runtime.identity import link_tokens
from commonweal_runtime.identity.bearer import Bearers, Caller
from commonweal_runtime.identity.clock import Clock
from commonweal_runtime.identity.directory import Directory
from commonweal_runtime.identity.links import Link, Links
from commonweal_runtime.identity.logout import Farewells
from commonweal_runtime.identity.naming import Naming
from commonweal_runtime.identity.preferences import PreferenceBook
from commonweal_runtime.identity.sessions import Listed, Sessions
from commonweal_runtime.problems import no_such_page
from commonweal_runtime.turns import Turns


class LinkRequest(Body):
    """What a link is made from."""

    form: ClassVar[str] = 'Send {"linkToken": "<what the department answered>"}.'

    link_token: Annotated[str, StringConstraints(min_length=1, max_length=link_tokens.LONGEST)]


@dataclass(frozen=True)
class People:
    """Answers people. Every refusal is a ProblemError."""

    bearers: Bearers
    links: Links
    sessions: Sessions
    naming: Naming
    directory: Directory
    preferences: PreferenceBook
    farewells: Farewells
    clock: Clock
    turns: Turns

    @asynccontextmanager
    async def asking(self, authorization: str | None) -> AsyncIterator[Caller]:
        """Have a turn of the person that a header speaks for."""
        caller = await self.bearers.caller(authorization)
        async with self.turns.of(caller.session.account):
            yield caller

    async def listed_links(self, caller: Caller) -> dict[str, Any]:
        """Return the caller's links."""
        return {"links": [_told(link) for link in await self.links.listed(caller.session)]}

    async def link(self, caller: Caller, body: bytes) -> dict[str, Any]:
        """Make a link by a department's word, given for this account and this session, which counts once."""
        token = link_tokens.read(parse(LinkRequest, body).link_token, self.directory, self.clock())
        if token.sid != self.naming.sid(caller.session, token.department):
            raise link_tokens.refused("sid", "It was made in another session.")
        if token.asker != await self._known_as(caller, token.department):
            raise link_tokens.refused("for", "It was made for another account, or before a link was made or ended.")
        outcome, since = await self.links.put(caller.session, token.department, token.subject, token.once)
        if outcome == "Spent":
            raise link_tokens.refused("jti", "It was used before.")
        if outcome == "Taken":
            raise _taken()
        return _told(Link(token.department, token.subject, "person", since))

    async def unlink(self, caller: Caller, department: str) -> None:
        """End a link."""
        if not await self.links.end(caller.session, department):
            raise ProblemError(
                404, "NotLinked", "No link", "There is no link to a department of this name.", "GET /me/links lists those that there are."
            )

    async def listed_sessions(self, caller: Caller) -> dict[str, Any]:
        """Return the caller's sessions."""
        return {"sessions": [_shown(one, caller) for one in await self.sessions.listed(caller.session.account)]}

    async def end_session(self, caller: Caller, id_: str) -> None:
        """End one of the caller's sessions, with all that it gave."""
        members = await self.sessions.end(UUID(id_), caller.session.account) if UUID_FORM.fullmatch(id_) else None
        if members is None:
            raise no_such_page("There is no session of yours with this id. GET /me/sessions lists those that there are.")
        self.farewells.send(members, why="its person ended it")

    async def end_others(self, caller: Caller) -> None:
        """End all of the caller's sessions but the one that asks."""
        for one in await self.sessions.listed(caller.session.account):
            if one.session.id != caller.session.id:
                members = await self.sessions.end(one.session.id, caller.session.account)
                self.farewells.send(members or [], why="its person ended all others")

    async def _known_as(self, caller: Caller, department: str) -> str:
        """Return the id that tokens for a department carry."""
        try:
            return str((await self.naming.to_department(caller.session, department)).subject)
        except AuthorizationError as error:
            raise ProblemError(
                503, "DepartmentUnknown", "Not known yet", error.description + ".", "Try again in two minutes.", {"Retry-After": "120"}
            ) from None


def _told(link: Link) -> dict[str, Any]:
    return {"department": link.department, "state": "Linked", "since": None if link.since is None else _moment(link.since), "by": link.by}


def _shown(one: Listed, caller: Caller) -> dict[str, Any]:
    session = one.session
    is_current = session.id == caller.session.id
    times = {"started": _moment(session.started), "lastSeen": _moment(session.seen)}
    return {"id": str(session.id), **times, "clients": one.clients, "current": is_current}


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z")


def _taken() -> ProblemError:
    return ProblemError(
        409,
        "LinkTaken",
        "Linked elsewhere",
        "This record cannot be linked to your account.",
        "Ask the department's registrar, who can see why; GET /v1/directory has the contact.",
    )
