"""A store that is gone without a word: its connections seem open, and carry nothing. The API finds out by itself, and goes on with the store that is there."""

from __future__ import annotations

import asyncio

import pytest

from commonweal_api.plan import StorePlan
from commonweal_runtime.data_api import connections
from commonweal_runtime.data_api.catalogue_watch import LOGIN, CatalogueWatch
from commonweal_runtime.data_api.connections import Address, ConnectionPools
from support.data_api import DATABASE_KEY, Exchange, agreement, keeping, plan, visit_product
from support.federation import Link
from support.postgres import HeritageServer, StoreServer, free_port
from support.waiting import until


def with_agreements(heritage: HeritageServer, *names: str) -> StorePlan:
    return plan({"visits": visit_product(heritage)}, {name: agreement("PublicTask", product="visits", fields=["kind"]) for name in names})


async def until_open(watch: CatalogueWatch, count: int) -> None:
    async def so() -> bool:
        return watch.known and len(watch.catalogue().numbers) == count

    await until(so)


async def through_silence(store: StoreServer, link: Link, heritage: HeritageServer) -> None:
    exchange = Exchange(store.directory / "exchange")
    before, after = with_agreements(heritage, "one"), with_agreements(heritage, "one", "two")
    exchange.put(before)
    async with keeping(store, exchange):
        await exchange.settled(before)
        address = Address("127.0.0.1", link.port, DATABASE_KEY)
        pools = ConnectionPools(address)
        watch = CatalogueWatch(address, pools.close)
        following = asyncio.create_task(watch.follow())
        try:
            await until_open(watch, 1)
            assert await pools.call(LOGIN, "select 1::text") == "1"
            link.silence()
            assert await pools.call(LOGIN, "select 2::text") == "2"
            exchange.put(after)
            await until_open(watch, 2)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            pools.close()


def test_what_was_open_to_a_store_that_is_gone_is_given_up(heritage: HeritageServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "ANSWER_SECONDS", 0.3)
    with StoreServer() as store, Link(free_port(), store.port) as link:
        asyncio.run(through_silence(store, link, heritage))
