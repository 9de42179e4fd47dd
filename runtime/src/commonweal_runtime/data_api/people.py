"""What a person may ask and say: their own uses, consents and objections, through functions of the store that take nobody else's."""

from __future__ import annotations

from uuid import UUID

import asyncpg

from commonweal_runtime.data_api import refusals
from commonweal_runtime.data_api.lanes import Lanes, UnreachableError

LOGIN = "person"
NEWEST = 2**62


class People:
    """Calls the functions of schema `person` as the role that may do nothing else."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes

    async def uses(self, subject: UUID, before: int, limit: int) -> str:
        """Return who read what about the person, newest first."""
        return await self._ask("uses", "select person.uses($1, $2, $3)", subject, before, limit)

    async def consents(self, subject: UUID) -> str:
        """Return the agreements that concern the person, with what they said."""
        return await self._ask("consents", "select person.consents($1)", subject)

    async def consent(self, subject: UUID, agreement: str, *, given: bool) -> str:
        """Give or withdraw consent; when this returns, the next read already obeys."""
        return await self._ask("consents", "select person.give($1, $2, $3)", subject, agreement, given)

    async def objection(self, subject: UUID, agreement: str, *, objected: bool) -> str:
        """Object, or lift the objection; when this returns, the next read already obeys."""
        return await self._ask("objections", "select person.object($1, $2, $3)", subject, agreement, objected)

    async def _ask(self, what: str, statement: str, *args: object) -> str:
        try:
            answer = await self._lanes.call(LOGIN, statement, *args)
        except UnreachableError:
            raise refusals.store_unavailable() from None
        except asyncpg.PostgresError as error:
            if error.sqlstate == "CW404":
                raise refusals.no_such_agreement() from None
            raise (refusals.nothing_to_decide(what) if error.sqlstate == "CW409" else refusals.store_unavailable()) from None
        if answer is None:
            raise refusals.store_unavailable()
        return answer
