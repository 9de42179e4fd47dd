"""The keeper's part: finds whom the tokens of consumers mean, and ends links with their agreement."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

from commonweal_api.plan import StorePlan
from commonweal_runtime.linkage.tokens import key_of, pads

LOOK_SECONDS = 1.0
_LOST = ("08", "57")  # classes of SQLSTATE: the connection, or the store itself, has gone
_ENDED = "delete from link.entry e using agreement.register r where r.number = e.agreement and not r.in_force and r.uid <> all ($1)"

log = logging.getLogger(__name__)


class Linker:
    """Looks each second, at an index that is empty while nothing is new. `connect` gives a superuser's connection to the store."""

    def __init__(self, connect: Callable[[], Awaitable[Any]], database_key: bytes) -> None:
        self._connect, self._key = connect, database_key
        self._wanted: list[str] | None = None

    def follow(self, plan: StorePlan) -> None:
        """Keep the links of the agreements of `plan`; those of any other end."""
        self._wanted = [a.uid for a in plan.agreements if a.spec.linkage is not None]

    async def run(self) -> None:
        """Work until cancelled; a lost connection to the store ends it."""
        connection = await self._connect()
        try:
            while True:
                try:
                    await self.look(connection)
                except asyncpg.PostgresError as error:
                    if (error.sqlstate or "").startswith(_LOST):
                        raise
                    log.info("linkage: %s, perhaps its product is being changed; next time", error.sqlstate)
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            connection.terminate()

    async def look(self, connection: Any) -> None:
        """Do what is due now."""
        if self._wanted is not None:
            await connection.execute(_ENDED, self._wanted)
            self._wanted = None
        for row in await connection.fetch("select number from link.due"):
            inner, outer = pads(key_of(self._key, row["number"]))
            changed = await connection.fetchval("select link.resolve($1, $2, $3)", row["number"], inner, outer)
            log.info("linkage: agreement %d, %d links looked up", row["number"], changed)
