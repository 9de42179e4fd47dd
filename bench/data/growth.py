"""How reads grow with people and with agreements: the door's own function and the bare statement, on one connection each, without HTTP."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from population import SHARE, numbers, relation
from progress import Progress
from rivals import FIELDS, RECORD

from commonweal_runtime.store.names import login_of
from support.data_api import GRANTS, PEOPLE, READER, Exchange, agreement, keeping, login, person_product, plan
from support.postgres import HeritageServer, StoreServer

NEW = (
    "insert into {table} (subject, \"fullName\", born, postcode, score, income, active, seen, _lapse, _consent) select gen_random_uuid(), 'Person ' || n, "
    "date '1935-01-01' + n % 32000, 'AB' || n % 9 || ' ' || n % 7 || 'CD', n % 100, n * 1.5, n % 2 = 0, now(), now() + interval '1 year', "
    "array(select a from unnest($1::smallint[]) a where hashtextextended(n || ':' || a, $3) & 65535 < {share} order by 1) from generate_series(1, $2::int) n"
)


@dataclass(frozen=True)
class Point:
    """One size, and the median ms of each read."""

    people: int
    agreements: int
    door_point: float
    bare_point: float
    door_page: float
    bare_page: float


async def grown(
    heritage: HeritageServer, store: StoreServer, sizes: list[int], counts: list[int], reads: int
) -> tuple[list[Point], list[Point]]:
    """Return the points over people, at the greatest but one of `counts`, and those over agreements, at the middle one of `sizes`."""
    await heritage.make("heritage", PEOPLE + READER + ";" + GRANTS)
    usual, middle = counts[-2], sizes[len(sizes) // 2]
    by_agreements, by_people = [], []
    await agree(store, heritage, counts[0])
    root = await store.superuser("department")
    for count in counts:
        await agree(store, heritage, count)
        await populate(root, middle)
        by_agreements.append(await measured(store, root, middle, count, reads))
    await agree(store, heritage, usual)
    for size in sizes:
        await populate(root, size)
        by_people.append(await measured(store, root, size, usual, reads))
    await root.close()
    return by_people, by_agreements


async def agree(store: StoreServer, heritage: HeritageServer, count: int) -> None:
    """Let the keeper open as many agreements by consent, and end it: what it would reload is made up by `populate`."""
    exchange = Exchange(store.directory / "exchange")
    agreements = {f"c{n}": agreement(consumer=f"c{n}", fields=FIELDS) for n in range(1, count + 1)}
    goal = plan({"people": person_product(heritage, serve={"refreshSeconds": 86400, "auditDurability": "Deferred"})}, agreements)
    exchange.put(goal)
    async with keeping(store, exchange):
        await exchange.settled(goal, patience=600)


async def populate(root: Any, people: int) -> None:
    """Fill the product's table anew."""
    table, given = await relation(root, "people"), await numbers(root, "people")
    in_force = [r[0] for r in await root.fetch("select number from agreement.register where in_force")]
    progress = Progress(f"{people:,} people, {len(in_force)} agreements", people)
    await root.execute(f"set session_replication_role = replica; truncate {table}")
    part = min(people, 50_000)
    for done in range(0, people, part):
        await root.execute(NEW.format(table=table, share=int(SHARE * 65536)), [n for n in given if n in in_force], part, done)
        progress.at(done + part)
    await root.execute("set session_replication_role = origin")
    await root.execute(f"vacuum analyze {table}")


async def measured(store: StoreServer, root: Any, people: int, agreements: int, reads: int) -> Point:
    """Return the medians; both ways alternate in short turns, so that both meet the same machine."""
    table = await relation(root, "people")
    number = await root.fetchval("select min(number) from agreement.register where in_force")
    bare, door = await store.superuser("department"), await login(store, login_of(number))
    keys: list[UUID] = [
        r[0] for r in await root.fetch(f"select subject from {table} tablesample system (20) where {number} = any (_consent) limit 5000")
    ]
    page = f"select json_agg(q.j)::text from (select {RECORD} as j from {table} r where r.subject > $1 order by r.subject limit 100) q"
    asked = f"null, 'c{number}/app', 'c{number}/serve')"
    ways = {
        "door_point": (door, f"select door.a{number}_point($1, {asked}", reads),
        "bare_point": (bare, f"select {RECORD}::text from {table} r where r.subject = $1", reads),
        "door_page": (door, f"select door.a{number}_page($1, 100, {asked}", reads // 4),
        "bare_page": (bare, page, reads // 4),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(5):
        for name, (connection, statement, count) in ways.items():
            ready = await connection.prepare(statement)
            for n in range(count // 5):
                key = random.choice(keys)
                begun = time.perf_counter()
                await ready.fetchval(key)
                if turn or n > 20:  # the first calls of a connection plan
                    times[name].append((time.perf_counter() - begun) * 1e3)
    await bare.close()
    await door.close()
    point = Point(people, agreements, **{name: round(statistics.median(found), 3) for name, found in times.items()})
    print(f"  {point}", flush=True)
    return point


def grow(*, quick: bool) -> tuple[list[Point], list[Point]]:
    """Return the growth with people, and with agreements."""
    with HeritageServer() as heritage, StoreServer() as store:
        if quick:
            return asyncio.run(grown(heritage, store, [5_000, 10_000, 50_000], [1, 5, 20], 500))
        return asyncio.run(grown(heritage, store, [10_000, 100_000, 1_000_000], [1, 10, 50, 200], 2000))
