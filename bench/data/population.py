"""The measured department: one PostgreSQL, a heritage database, a million people, fifty agreements; loaded by the keeper, consents by sets."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from drive import World
from progress import Progress
from rivals import FIELDS

from commonweal_api.plan import StorePlan
from commonweal_runtime.store.logins import verifier_of
from support.data_api import DATABASE_KEY, GRANTS, READER, DataApi, Exchange, Issuer, agreement, keeping, person_product, plan
from support.postgres import HeritageServer, StoreServer

HERE = Path(__file__).parent
SHARE = 0.6
DAY = 86400
PRODUCTS = ("durable", "deferred")
PEOPLE = """
create table person (ref text primary key, full_name text, born date, postcode text, score integer, income numeric, active boolean, seen timestamptz);
insert into person select 'P' || n, 'Person ' || md5(n::text)::varchar(12), date '1935-01-01' + (n * 37) % 32000, 'AB' || n % 9 || ' ' || n % 7 || 'CD', n % 100, n * 1.5,
  n % 2 = 0, timestamptz '2026-01-01 00:00+00' + n * interval '1 second' from generate_series(1, {people}) n;
"""
# who consents to which agreement is a hash of both, so it is the same in the rows and in the states
GIVES = f"hashtextextended(t.subject::text || r.number, 0) & 65535 < {int(SHARE * 65536)}"
RIVALS = f"""
create role bare login bypassrls; create role naive_reader nologin bypassrls; create role naive login noinherit; grant naive_reader to naive;
create schema bench; create table bench.one (n int); insert into bench.one values (0); create table bench.use (like audit.use including all);
alter role bare password '{verifier_of(DATABASE_KEY, "bare")}'; alter role naive password '{verifier_of(DATABASE_KEY, "naive")}';
grant connect on database department to bare, naive; grant usage on schema product, bench, consent to bare, naive, naive_reader;
grant select on all tables in schema product to bare, naive_reader; grant select on consent.state to naive_reader;
grant select, update on bench.one to bare; grant insert on bench.use to naive; grant select on all tables in schema pg_catalog to bare, naive, naive_reader; grant execute on function pg_current_xact_id() to naive
"""


def wanted(heritage: HeritageServer, agreements: int) -> StorePlan:
    """Return two products of the same people, one per durability of the audit, and as many consent agreements on each."""
    products = {name: person_product(heritage, serve={"refreshSeconds": DAY, "auditDurability": name.capitalize()}) for name in PRODUCTS}
    consumers = ["bench", *(f"other{n}" for n in range(1, agreements))]
    return plan(products, {f"{p}-{c}": agreement(product=p, consumer=c, fields=FIELDS) for p in PRODUCTS for c in consumers})


async def relation(root: Any, product: str) -> str:
    """Return the table of a product."""
    return "product." + str(await root.fetchval("select relation from agreement.product where name = $1", product))


async def numbers(root: Any, product: str) -> list[int]:
    """Return the agreements on a product."""
    rows = await root.fetch(
        "select number from agreement.register r join agreement.product p on p.uid = r.product where p.name = $1 order by 1", product
    )
    return [r[0] for r in rows]


async def loaded(store: StoreServer, exchange: Exchange, goal: StorePlan, people: int) -> float:
    """Let the keeper load both products, show how far it is, and return the seconds it took."""
    progress = Progress(f"loading {len(PRODUCTS)} x {people:,} people", len(PRODUCTS) * people)
    exchange.put(goal)
    async with keeping(store, exchange):
        settled = asyncio.create_task(exchange.settled(goal, patience=3600))
        root = await store.superuser("department")
        while not settled.done():
            await asyncio.wait([settled], timeout=1)
            progress.at(0.97 * await staged(root))  # the merge is the rest
        await settled
        progress.at(len(PRODUCTS) * people)
        await root.close()
    return progress.seconds


async def staged(root: Any) -> int:
    """Return how many rows have been read so far, over all products."""
    if await root.fetchval("select to_regclass('staging.progress')") is None:
        return 0
    rows: int = await root.fetchval("select coalesce(sum(rows), 0)::bigint from staging.progress")
    done: int = await root.fetchval(
        "select coalesce(sum(p.rows), 0)::bigint from agreement.product p where not exists (select from staging.progress s where s.product = p.uid)"
    )
    return rows + done


async def consent(root: Any, product: str, states: bool) -> None:
    """Let `SHARE` of the people consent to each agreement: the rows, and with `states` also what stands behind them. Triggers are off: this is preparation."""
    table, given = await relation(root, product), await numbers(root, product)
    await root.execute("set session_replication_role = replica")
    await root.execute(
        f"update {table} t set _lapse = now() + interval '1 year', _consent = array(select r.number from unnest($1::smallint[]) r(number) where {GIVES} order by 1)",
        given,
    )
    if states:
        people = await root.fetchval(f"select count(*) from {table}")
        progress = Progress(f"{len(given)} consents each of {people:,} people", 256)
        for part in range(256):  # by first byte: sorted runs into the primary key, and something to show
            low, high = UUID(int=part << 120), UUID(int=(part + 1 << 120) - 1)
            await root.execute(
                "insert into consent.state (subject, agreement, consent, consent_at, valid_until) select t.subject, r.number, 'Given', now(), now() + interval '1 year' "
                f"from {table} t, unnest($1::smallint[]) r(number) where t.subject between $2 and $3 and {GIVES} order by 1, 2",
                given, low, high,
            )  # fmt: skip
            progress.at(part + 1)
    await root.execute("set session_replication_role = origin")


async def consenting(root: Any, count: int) -> list[UUID]:
    """Return people, in no order, who consent to both measured agreements."""
    measured = [r[0] for r in await root.fetch("select number from agreement.register where name in ('durable-bench', 'deferred-bench')")]
    one, other = await relation(root, "durable"), await relation(root, "deferred")
    rows = await root.fetch(
        f"select a.subject from {one} a join {other} b using (subject) where a._consent && $1::smallint[] and b._consent && $1::smallint[] limit {count}",
        measured,
    )
    found = [r[0] for r in rows]
    random.shuffle(found)
    return found


@contextmanager
def department(people: int, agreements: int) -> Iterator[tuple[World, float]]:
    """Run everything; yield what the load generator needs, and how many seconds the load took."""
    with HeritageServer() as heritage, StoreServer() as store, Issuer() as issuer:

        async def prepare() -> tuple[float, str, int, list[UUID]]:
            await heritage.make("heritage", PEOPLE.format(people=people) + READER + ";" + GRANTS)
            seconds = await loaded(store, Exchange(store.directory / "exchange"), wanted(heritage, agreements), people)
            root = await store.superuser("department")
            await root.execute("alter system set max_wal_size = '16GB'")  # for the preparation: fewer checkpoints
            await root.execute("select pg_reload_conf()")
            for product in PRODUCTS:
                await consent(root, product, states=product == "durable")
            await root.execute("alter system reset max_wal_size")
            await root.execute("select pg_reload_conf()")
            await root.execute(RIVALS)
            await root.execute("vacuum analyze")
            await root.execute("checkpoint")
            number = await root.fetchval("select number from agreement.register where name = 'durable-bench'")
            table, found = await relation(root, "durable"), await consenting(root, 20_000)
            await root.close()
            return seconds, table, number, found

        seconds, table, number, found = asyncio.run(prepare())
        path = os.pathsep.join([str(HERE), str(HERE.parent), str(HERE.parent.parent / "tests")])
        command = [sys.executable, str(HERE / "rivals.py")]
        with DataApi(store, issuer, command, BENCH_TABLE=table, BENCH_NUMBER=str(number), PYTHONPATH=path) as api:
            few = min(2000, len(found) // 4)
            try:
                yield World(api.port, issuer, issuer.client("bench", "app"), found[few:], found[:few]), seconds
            except RuntimeError:
                print(api.log[-4000:])
                raise
