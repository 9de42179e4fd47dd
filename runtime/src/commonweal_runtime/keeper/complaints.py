"""How many complaints wait for an answer, and how many of them are overdue: counted every so often for the report. Nothing of anybody is in it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import asyncpg

from commonweal_api.plan import ComplaintCount

PAUSE_SECONDS = 30.0  # of a term of days

log = logging.getLogger(__name__)


@dataclass(slots=True)
class OpenComplaints:
    """The open complaints of one store. `news` is called when a report would differ."""

    connect: Callable[[], Awaitable[Any]]
    news: Callable[[], None]
    pause: float = PAUSE_SECONDS
    count: ComplaintCount | None = None

    async def run(self) -> None:
        """Count until cancelled; what PostgreSQL refuses for the moment is asked again."""
        connection = await self.connect()
        try:
            while True:
                try:
                    await self.look(connection)
                except asyncpg.PostgresConnectionError:
                    raise
                except asyncpg.PostgresError as error:
                    log.info("complaints: %s; next time", error.sqlstate)
                await asyncio.sleep(self.pause)
        finally:
            connection.terminate()

    async def look(self, connection: Any) -> None:
        """Count once."""
        row = await connection.fetchrow("select * from consent.complaint_count()")
        count = ComplaintCount(open=row["open"], overdue=row["overdue"], since=row["since"]) if row["open"] else None
        if count != self.count:
            self.count = count
            self.news()
