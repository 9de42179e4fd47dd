"""A keeper between a real store and a real heritage database, one plan after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from commonweal_api.plan import StorePlan
from support.data_api import Exchange, keeping
from support.postgres import HeritageServer, StoreServer


class Bench:
    """One store and one exchange for a module; each test puts its own plan, and what the plan before it opened is closed."""

    def __init__(self, store: StoreServer, heritage: HeritageServer) -> None:
        self.store, self.heritage = store, heritage
        self.exchange = Exchange(store.directory / "exchange")

    def run(self, wanted: StorePlan, script: Callable[[Any], Awaitable[Any]], *, settle: bool = True) -> Any:
        """Keep `wanted` while `script` runs with a superuser's connection to the store."""

        async def go() -> Any:
            self.exchange.put(wanted)
            async with keeping(self.store, self.exchange):
                if settle:
                    await self.exchange.settled(wanted)
                root = await self.store.superuser("department")
                try:
                    return await script(root)
                finally:
                    await root.close()

        return asyncio.run(go())

    def change(self, sql: str) -> None:
        """Change the heritage database."""

        async def go() -> None:
            root = await self.heritage.superuser("heritage")
            await root.execute(sql)
            await root.close()

        asyncio.run(go())
