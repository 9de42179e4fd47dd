"""The log in the department's own PostgreSQL, as the keeper prepares it."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from commonweal_api.store_access import password_of
from commonweal_runtime.models.learning import Space
from commonweal_runtime.models.log import DecisionLog
from commonweal_runtime.store.enforcement import Enforcement
from support.model_runtime import KEY
from support.postgres import StoreServer


async def set_up(server: StoreServer) -> tuple[int, str]:
    keeper = await server.superuser("department")
    await Enforcement(keeper, KEY).prepare()
    await keeper.close()
    login = {"host": "127.0.0.1", "port": server.port, "user": "models", "password": password_of(KEY, "models")}
    async with asyncpg.create_pool(**login, database="models", min_size=0) as pool:
        log = DecisionLog(pool)
        await asyncio.gather(log.set_up(), log.set_up())
        place = await log.register("uid", "next-step", Space())
    with pytest.raises(asyncpg.PostgresError) as refusal:
        await asyncpg.connect(**login, database="department")
    return place.space, type(refusal.value).__name__


@pytest.mark.servers
def test_the_role_models_makes_its_schema_in_its_database_and_reaches_no_other() -> None:
    with StoreServer() as server:
        assert asyncio.run(set_up(server)) == (1, "InsufficientPrivilegeError")
