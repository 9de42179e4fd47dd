"""Linking a sign-in to a record: what the department asks as proof, the attempt, the confirmation, the end, the dispute; and the cases of registrars.

All is decided inside the store. What is told apart there and must not be told to whoever asks takes the same statement and ends on the same tick.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson

from commonweal_runtime import link_token
from commonweal_runtime.data_api import problems
from commonweal_runtime.data_api.connections import ConnectionPools
from commonweal_runtime.data_api.mail import Mail, hint_of
from commonweal_runtime.data_api.people import API, PERSON, ask
from commonweal_runtime.exceptions import MailError
from commonweal_runtime.seal_key import SealKey
from commonweal_runtime.serving import next_tick
from commonweal_runtime.store.problems import Own
from commonweal_runtime.store.sqlstates import SqlState
from commonweal_runtime.tokens import Person
from commonweal_runtime.turns import Turns

# No attempt is answered earlier, or between two ticks: its time says only that one was made.
ATTEMPT_TICK = 0.1
_REFERRED = {
    "en": "We could not link you straight away. A person at the department will look at this. You need not do anything now.",
    "cy": "Nid oedd modd eich cysylltu ar unwaith. Bydd rhywun yn yr adran yn edrych ar hyn. Nid oes angen i chi wneud dim nawr.",
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """What somebody tells of themselves, and from which address."""

    values: dict[str, str]
    address: str


class Linking:
    """Calls the functions of schema `matching` as the role of people, and signs what they confirm."""

    def __init__(self, pools: ConnectionPools, department: str, database_key: bytes, mail: Mail | None, turns: Turns | None = None) -> None:
        self._pools, self._department, self._mail, self._turns = pools, department, mail, turns or Turns()
        self._seal_key = SealKey.of(database_key)
        self._codes = hmac.digest(database_key, b"commonweal link codes", sha256)

    async def standing(self, who: Person) -> dict[str, Any]:
        """Return how it stands between this sign-in and the department's records, and what is asked as proof."""
        found: dict[str, Any] = orjson.loads(await self._ask({}, "select matching.standing($1)", who.subject))
        # a token of no session could be confirmed by whoever else has one, and a code that cannot be sent cannot be asked for
        if found["state"] not in {"Linked", "Frozen"} and (not who.session or (found["code"] and self._mail is None)):
            found["state"] = "NotOffered"
        if found["state"] == "Referred":
            found["says"] = _REFERRED
        return found

    async def attempt(self, who: Person, told: Attempt) -> dict[str, Any]:
        """Return a ticket for the one record that agrees with what is told, or that a registrar looks at it; both on a tick."""
        arrived = asyncio.get_running_loop().time()
        await self._admit(who)
        code = f"{secrets.randbelow(1_000_000):06d}"
        statement, values = "select matching.ask($1, $2, $3, $4, $5)", orjson.dumps(told.values).decode()
        found: dict[str, Any] = orjson.loads(
            await self._ask(_NOT_POSSIBLE, statement, who.subject, who.session, told.address, values, self._hidden(who, code))
        )
        answer = await self._found(found, code) if found["state"] == "Found" else {**found, "says": _REFERRED}
        await next_tick(arrived, ATTEMPT_TICK)
        return answer

    async def confirm(self, who: Person, ticket: str, code: str | None) -> dict[str, str]:
        """Return the link token for a ticket of this sign-in and session. It is recorded that they are linked before the token is signed."""
        hidden = self._hidden(who, code) if code is not None else None
        found = orjson.loads(await self._ask({}, "select matching.confirm($1, $2, $3, $4)", who.subject, who.session, ticket, hidden))
        if found["state"] == "WrongCode":
            raise problems.wrong_code(found["left"])
        if found["state"] != "Confirmed":
            raise problems.ticket_void()
        now = datetime.now(UTC).timestamp()
        token = link_token.signed(self._department, UUID(found["subject"]), who.subject, who.session, now, self._seal_key)
        return {"linkToken": token}

    async def end(self, who: Person) -> None:
        """End the link; one that has ended already stays so."""
        await self._ask(_NOT_LINKED, "select matching.leave($1)", who.subject)

    async def dispute(self, who: Person, text: str) -> str:
        """Freeze the link: when this returns, nothing is shown or taken under it any more."""
        return await self._ask(_NOT_LINKED, "select matching.dispute($1, $2)", who.subject, text)

    async def _admit(self, who: Person) -> None:
        """Refuse who signed in at another level than the department asks, and everybody while no code could be sent."""
        found = await self.standing(who)
        if found["state"] == "NotOffered":
            raise problems.link_not_offered()
        if found["acr"] and who.acr not in found["acr"]:
            raise problems.sign_in_too_weak(found["acr"])

    async def _found(self, found: dict[str, Any], code: str) -> dict[str, Any]:
        address, asks = found.pop("address", None), found.pop("asksCode", False)
        if not asks or self._mail is None:
            return {**found, "code": None}
        try:
            await self._mail.send(address, code)
        except MailError:
            raise problems.code_not_sent() from None
        return {**found, "code": {"channel": "email", "hint": hint_of(address)}}

    def _hidden(self, who: Person, code: str) -> bytes:
        """Return what the store keeps of a code: nothing by which whoever reads the store finds it out."""
        return hmac.digest(self._codes, f"{who.subject} {who.session} {code}".encode(), sha256)

    async def _ask(self, refused: Own, statement: str, actor: UUID, *args: object) -> str:
        async with self._turns.of(actor):
            return await ask(self._pools, PERSON, refused, statement, actor, *args)


class Cases:
    """Calls the functions of registrars about people who could not be linked, and links in dispute."""

    def __init__(self, pools: ConnectionPools, turns: Turns | None = None) -> None:
        self._pools, self._turns = pools, turns or Turns()

    async def open(self, client: str, before: datetime, limit: int) -> str:
        """Return what waits, newest first."""
        return await self._ask("select registrar.referrals($1, $2, $3)", client, before, limit)

    async def decide(self, client: str, case: UUID, decision: str, subject: UUID | None) -> str:
        """Record a decision; when this returns it holds."""
        return await self._ask("select registrar.decide($1, $2, $3, $4)", client, case, decision, subject)

    async def _ask(self, statement: str, client: str, *args: object) -> str:
        refused: Own = {
            SqlState.NOT_PERMITTED: problems.no_registrar,
            SqlState.NOT_FOUND: problems.no_such_case,
            SqlState.NOT_POSSIBLE: problems.decision_not_possible,
        }
        async with self._turns.of(client):
            return await ask(self._pools, API, refused, statement, client, *args)


_NOT_POSSIBLE: Own = {SqlState.NOT_POSSIBLE: problems.link_not_possible}
_NOT_LINKED: Own = {SqlState.NOT_POSSIBLE: problems.not_linked}
