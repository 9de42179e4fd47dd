"""Two departments that put their stores together find no id of a person in common, though the same people linked at both, in the same sessions."""

# ruff: noqa: ASYNC110 - what is waited for happens inside PostgreSQL

from __future__ import annotations

import asyncio
import json
import re
import uuid
from typing import Any

from commonweal_api.plan import StorePlan
from commonweal_runtime.identity.vault import Vault
from commonweal_runtime.keeper.keeper import Keeper
from support.data_api import DATABASE_KEY, Exchange, login
from support.postgres import HeritageServer, StoreServer
from support.rolls import rolled, told
from support.waiting import HANG

ISSUER = Vault(b"i" * 32)
TABLES = (
    "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname not in ('pg_catalog', 'information_schema') order by 1"
)
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32,}")
# What the software itself brings: digests of its migrations, of terms, and of what is read of a source.
OF_NO_PERSON = ("commonweal.migration", "staging.divided", "agreement.")
NOBODY = {str(uuid.UUID(int=0)), str(uuid.UUID(int=1))}


async def ask(person: Any, who: tuple[uuid.UUID, str], values: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        await person.fetchval("select matching.ask($1, $2, $3, $4, $5)", *who, "192.0.2.7", json.dumps(values), b"c" * 32)
    )
    return found


async def link_everybody(store: StoreServer, department: str, session: uuid.UUID) -> None:
    """Twelve people link; one of them ends it, one disputes, one cannot be found, and all of them are read and say something."""
    person = await login(store, "person")
    sid = ISSUER.sid(session, department)
    try:
        for n in range(1, 13):
            asking = ISSUER.unlinked(ISSUER.account(f"person {n}"), department)
            found = await ask(person, (asking, sid), told(n) if n != 12 else told(n, surname="x"))
            if found["state"] == "Referred":
                continue
            confirmed = json.loads(await person.fetchval("select matching.confirm($1, $2, $3, null)", asking, sid, found["ticket"]))
            subject = uuid.UUID(confirmed["subject"])
            await person.fetchval("select person.give($1, $1, 'yes', 'Given')", subject)
            if n in {10, 11}:
                call = "select matching.leave($1)" if n == 10 else "select matching.dispute($1, 'not mine')"
                await person.fetchval(call, subject)
    finally:
        await person.close()


async def ids(store: StoreServer) -> dict[str, set[str]]:
    """Return every id in every row of every table, by table."""
    root = await store.superuser("department")
    try:
        found = {}
        for (table,) in await root.fetch(TABLES):
            if not table.startswith(OF_NO_PERSON):
                rows = await root.fetch(f"select t::text from {table} t")
                found[table] = {match for row in rows for match in ID.findall(row[0])} - NOBODY
        return found
    finally:
        await root.close()


async def kept(store: StoreServer, name: str, sector: bytes, wanted: StorePlan, session: uuid.UUID) -> dict[str, set[str]]:
    """Found a department with a sector key of its own, have everybody link there, and return what its store holds."""
    exchange = Exchange(store.directory / "exchange")
    plan = StorePlan.model_validate({**wanted.wire(), "department": name})
    exchange.put(plan)
    task = asyncio.create_task(Keeper(lambda: store.superuser("department"), exchange, DATABASE_KEY, sector).run())
    try:
        await exchange.settled(plan)
        await link_everybody(store, name, session)
        root = await store.superuser("department")
        unsealed = "select count(*) from consent.event e where audit.sealed_in(e.tx) is null"
        async with asyncio.timeout(HANG):
            while await root.fetchval(unsealed):
                await asyncio.sleep(0.1)
        await root.close()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return await ids(store)


def test_two_stores_share_no_id_of_a_person(roll: HeritageServer) -> None:
    async def script(one: StoreServer, other: StoreServer) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
        wanted, session = rolled(roll), uuid.uuid4()
        return (await kept(one, "tax", b"t" * 32, wanted, session), await kept(other, "benefits", b"b" * 32, wanted, session))

    with StoreServer() as one, StoreServer() as other:
        tax, benefits = asyncio.run(script(one, other))
    for found in (tax, benefits):
        assert len(found["matching.link"]) >= 22, "eleven records and eleven who asked"
        assert all(found[t] for t in ("matching.ticket", "matching.attempt", "matching.referral", "consent.event", "audit.seal"))
    everything = set().union(*benefits.values())
    assert {table: shared for table, held in tax.items() if (shared := held & everything)} == {}
