"""The model runtime put together from its environment: store, data APIs, exchange and HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import aiohttp
import asyncpg
from litestar import Litestar

from commonweal_api.plan import MODEL_PLAN, MODEL_REPORT
from commonweal_runtime.models.app import create
from commonweal_runtime.models.log import STORE_ERRORS, DecisionLog
from commonweal_runtime.models.runtime import RETRY_SECONDS, Runtime
from commonweal_runtime.models.settings import ROLE, Settings
from commonweal_runtime.models.sources import FeatureReader, TokenFiles
from commonweal_runtime.plan_exchange import open_exchange
from commonweal_runtime.tokens import KeySet, Verifier, fetch_from_cluster

CONNECTIONS = 8
_logger = logging.getLogger(__name__)


def application() -> Litestar:
    """Return the application; it opens everything when it starts, and saves the sums when it stops."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = Settings.read()

    @contextlib.asynccontextmanager
    async def running(app: Litestar) -> AsyncIterator[None]:
        async with serving(settings) as (runtime, verifier):
            app.state.runtime, app.state.verifier = runtime, verifier
            yield

    return create(running)


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[tuple[Runtime, Verifier]]:
    """Run a runtime that follows its plan, until left."""
    keys = KeySet(fetch_from_cluster(settings.client_keys))
    verifier = Verifier(issuer=settings.client_issuer, audience=settings.audience, keys=keys)
    connector = aiohttp.TCPConnector(limit=0, limit_per_host=64)
    async with pool_of(settings) as pool, aiohttp.ClientSession(connector=connector) as session:
        runtime = Runtime(settings.department, DecisionLog(pool), FeatureReader(session, TokenFiles(settings.tokens)), settings.key)
        following = asyncio.create_task(_follow(runtime))
        try:
            yield runtime, verifier
        finally:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following
            await runtime.close()


def pool_of(settings: Settings) -> asyncpg.Pool:
    """Return the pool, not opened. It connects when first used, so a store that comes later is no reason to fail now."""
    return asyncpg.create_pool(
        host=settings.store_host,
        port=settings.store_port,
        user=ROLE,
        password=settings.password,
        database=settings.database,
        min_size=0,
        max_size=CONNECTIONS,
        timeout=5,
        command_timeout=10,
        ssl=False,
        reset=_as_it_is,
    )


async def _as_it_is(_: object) -> None:
    """Hand a connection back as it is: nothing here changes a session, and resetting it would cost a round trip per request."""


async def _follow(runtime: Runtime) -> None:
    """Make the schema as soon as the store is there, then carry out plans."""
    while True:
        try:
            await runtime.log.set_up()
            break
        except STORE_ERRORS as error:
            _logger.warning("the store is away, trying again: %s", type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS)
    async with open_exchange(MODEL_PLAN, MODEL_REPORT) as exchange:
        await runtime.follow(exchange)
