"""What a party revoked at one site of a department is over at all of them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from support.data_api import person_product
from support.federation import SiteStore, exchange, person
from support.postgres import StoreServer

NAMES = ["east", "north", "west"]
SPEC = person_product(SimpleNamespace(port=5432))  # type: ignore[arg-type]


async def ended(site: SiteStore) -> set[tuple[str, str]]:
    return {tuple(row) for row in await site.root.fetch("select nonce, why from agreement.nonce where ended_at is not null")}


def test_what_is_revoked_at_one_site_is_over_at_all_of_them(servers: list[StoreServer]) -> None:
    """Attack l, between sites: taken out of one manifest, a revocation that another site had heard of still holds; one whose term is over is not told."""

    async def made(name: str, server: StoreServer) -> SiteStore:
        root = await server.superuser("postgres")
        await root.execute("drop database if exists department with (force)")
        await root.execute("create database department")
        await root.close()
        return await SiteStore.make(name, server, [n for n in NAMES if n != name], [person(1)], SPEC)

    async def script() -> None:
        sites = east, north, west = [await made(name, server) for name, server in zip(NAMES, servers, strict=True)]
        await west.agree("help", 7)
        until = datetime.now(UTC) + timedelta(days=30)
        await west.root.execute("insert into agreement.nonce (nonce, number, signed, until) values ('n1', 7, 'sha256:a', $1)", until)
        await east.root.execute("select agreement.end_nonce('n1', $1, 'Revoked'), agreement.end_nonce('n2', null, 'Revoked')", until)
        await east.root.execute("select agreement.end_nonce('n3', clock_timestamp() - interval '1 s', 'Revoked')")
        await east.root.execute("insert into agreement.nonce (nonce, ended_at, why) values ('n4', now(), 'Replaced')")
        for _ in range(2):
            await exchange(*sites)
            for site in (north, west):
                assert await ended(site) == {("n1", "Revoked"), ("n2", "Revoked")}
        kept = await west.root.fetchrow("select number, signed, until from agreement.nonce where nonce = 'n1'")
        assert tuple(kept) == (7, "sha256:a", until), "what it was stays known"
        assert await north.root.fetchval("select until from agreement.nonce where nonce = 'n1'") == until
        for site in sites:
            await site.root.close()

    asyncio.run(script())
