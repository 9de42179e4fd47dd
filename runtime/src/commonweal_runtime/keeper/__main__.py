"""Run the keeper: `python -m commonweal_runtime.keeper`.

Inside a pod the plan comes from the API server. With COMMONWEAL_PLAN_EXCHANGE=<directory> it comes from files there (see `commonweal_runtime.plan_exchange`), so a
store can be kept outside Kubernetes too.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import asyncpg

from commonweal_api.plan import STORE_PLAN, STORE_REPORT
from commonweal_runtime import core_dumps
from commonweal_runtime.keeper import memory, store_tls
from commonweal_runtime.keeper.keeper import Keeper
from commonweal_runtime.plan_exchange import open_exchange
from commonweal_runtime.store import passwords
from commonweal_runtime.store.logins import read_key

SOCKET_DIRECTORY = "/run/postgresql"
DATABASE = "department"
_START_SECONDS = 120
_PAUSE = 0.3


async def connect() -> Any:
    """Return a connection as superuser over the socket that only this pod's containers share."""
    return await passwords.connect(
        host=os.environ.get("COMMONWEAL_SOCKET_DIR", SOCKET_DIRECTORY),
        user="postgres",
        database=DATABASE,
        server_settings={"application_name": "keeper"},
    )


async def wait_for_store() -> None:
    """Return when PostgreSQL answers; TimeoutError after two minutes."""
    async with asyncio.timeout(_START_SECONDS):
        while True:
            try:
                await (await connect()).close()
            except (OSError, asyncpg.CannotConnectNowError, asyncpg.InvalidCatalogNameError):
                await asyncio.sleep(_PAUSE)
            else:
                return


async def _run(keeper: Keeper, database_key: bytes) -> None:
    host = os.environ.get("COMMONWEAL_STORE", "127.0.0.1:").rpartition(":")[0]
    async with asyncio.TaskGroup() as group:
        group.create_task(keeper.run())
        group.create_task(store_tls.keep(connect, database_key, host))


async def main() -> None:
    """Keep the store until SIGTERM."""
    keys = Path(os.environ.get("COMMONWEAL_KEYS_DIR", "/etc/commonweal/keys"))
    database_key, sector_key = [await asyncio.to_thread(read_key, keys, name) for name in ("database", "sector")]
    await wait_for_store()
    async with open_exchange(STORE_PLAN, STORE_REPORT) as exchange:

        def keeping() -> Coroutine[Any, Any, None]:
            return _run(Keeper(connect, exchange, database_key, sector_key), database_key)

        task = asyncio.create_task(memory.outlasting(keeping))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            logging.getLogger(__name__).info("stopped")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    core_dumps.forbid()
    memory.bound(memory.container_bytes())
    asyncio.run(main())
