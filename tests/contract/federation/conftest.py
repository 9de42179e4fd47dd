"""Sites of one department, each with a PostgreSQL of its own, and what both load."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from support.data_api import person_product
from support.federation import NAMES, PEOPLE, Run, SiteStore
from support.fixtures import heritage, issuer
from support.postgres import StoreServer

__all__ = ["heritage", "issuer"]
SPEC = person_product(SimpleNamespace(port=5432))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def servers() -> Iterator[list[StoreServer]]:
    """Three PostgreSQL servers."""
    with ExitStack() as stack:
        yield [stack.enter_context(StoreServer()) for _ in range(3)]


@pytest.fixture
def run(servers: list[StoreServer]) -> Run:
    """Run a script with three sites on databases made anew; each has the agreement `help`, under a number of its own."""

    async def fresh(name: str, server: StoreServer) -> SiteStore:
        root = await server.superuser("postgres")
        await root.execute("drop database if exists department with (force)")
        made = await root.fetchval("select exists (select from pg_database where datname = 'seed')")
        await root.execute("create database department" + (" template seed" if made else ""))
        if not made:
            await (await SiteStore.make(name, server, [n for n in NAMES if n != name], PEOPLE, SPEC)).root.close()
            await root.execute("create database seed template department")
        await root.close()
        return SiteStore(name, server, await server.superuser("department"))

    def go(script: Callable[[SiteStore, SiteStore, SiteStore], Awaitable[None]]) -> None:
        async def inside() -> None:
            sites = [await fresh(name, server) for name, server in zip(NAMES, servers, strict=True)]
            try:
                for n, site in enumerate(sites):
                    await site.agree("help", 5 + n)
                await script(*sites)
            finally:
                for site in sites:
                    await site.root.close()

        asyncio.run(inside())

    return go
