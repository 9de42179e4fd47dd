"""Carries the closings out, beside the plan and before it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from commonweal_api.closings import StoreClosings, understood
from commonweal_runtime.plan_exchange import PlanExchange
from commonweal_runtime.store.closing import shut_unlisted
from commonweal_runtime.store.identity import Identities

AGAIN_SECONDS = 0.1


class Closing:
    """Follows the list of what may be open, on a connection of its own: no plan, however long it takes, comes before it.

    `listed` is what was heard last, in the store's uids, and is new before the first of the statements that carry it out: who opens an agreement looks at
    it last of all, so that nothing opens behind its back. It is None until anything was heard; then nothing is to be opened.
    """

    def __init__(self, connect: Callable[[], Awaitable[Any]], exchange: PlanExchange, heard: Callable[[], None]) -> None:
        self._connect, self._exchange, self._heard = connect, exchange, heard
        self.identities = Identities()
        self.listed: StoreClosings | None = None

    async def run(self) -> None:
        """Close what is not listed, now and at each change, until cancelled."""
        connection = await self._connect()
        try:
            await connection.execute("set lock_timeout = '1s'")
            async for text in self._exchange.closings():
                self.listed = self.identities.closings(understood(text))
                while not await shut_unlisted(connection, self.listed):  # noqa: ASYNC110 - PostgreSQL has no event for it
                    await asyncio.sleep(AGAIN_SECONDS)
                self._heard()
        finally:
            connection.terminate()
