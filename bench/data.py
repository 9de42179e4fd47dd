"""What enforcement costs: consented reads with audit against bare reads, and how soon a withdrawal holds.

    python bench/data.py [--quick] [--people N]

One PostgreSQL with the product's own settings (fsync on), one data API as in its pod, one load generator, all on this machine. The rival is a route of the same
application, with the same token and purpose checks and the same driver, that reads the same table without policies and without audit. Every round visits
every kind in a new order and the ratio is taken inside the round, so that what else the machine does falls on all alike.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

import uvloop  # noqa: E402
from granian.constants import HTTPModes, Interfaces, Loops  # noqa: E402
from granian.log import LogLevels  # noqa: E402
from granian.server import Server as Granian  # noqa: E402
from litestar import Litestar, Request, Response, get, put  # noqa: E402
from results_file import Figure, write  # noqa: E402

from commonweal_api.plan import StorePlan  # noqa: E402
from commonweal_runtime.data_api.app import application  # noqa: E402
from commonweal_runtime.data_api.requests import subject_of  # noqa: E402
from commonweal_runtime.data_api.service import Service  # noqa: E402
from commonweal_runtime.data_api.settings import Settings  # noqa: E402
from commonweal_runtime.store.logins import verifier_of  # noqa: E402
from support.data_api import DATABASE_KEY, GRANTS, READER, DataApi, Desk, Issuer, agreement, keeping, person_product, plan  # noqa: E402
from support.postgres import HeritageServer, StoreServer  # noqa: E402

FIELDS = ["fullName", "birthYear", "area", "active"]
KINDS = {"bare": "/bare/durable", "durable": "/v1/durable", "deferred": "/v1/deferred"}
SHARE = 0.6
PEOPLE = """
create table person (ref text primary key, full_name text, born date, postcode text, score integer, income numeric, active boolean, seen timestamptz);
insert into person select 'P' || n, 'Person ' || md5(n::text)::varchar(12), date '1935-01-01' + (n * 37) % 32000, 'AB' || n % 9 || ' ' || n % 7 || 'CD', n % 100, n * 1.5,
  n % 2 = 0, timestamptz '2026-01-01 00:00+00' + n * interval '1 second' from generate_series(1, {people}) n;
"""


# the rival: the same application and two more routes


def create() -> Litestar:
    """Return the data API with routes that enforce and record nothing."""
    service = Service(Settings.from_environment())
    return application(service, [*_bare(service)])


def _bare(service: Service) -> list[Any]:
    table = os.environ["BENCH_TABLE"]
    columns = ", ".join(f'r."{f}"' for f in FIELDS)
    record = f"json_build_object('subject', r.subject, 'record', (select row_to_json(o) from (select {columns}) o))"
    one = f"select {record}::text from {table} r where r.subject = $1"
    many = (
        f"select json_build_object('items', json_agg(q.j), 'next', (array_agg(q.subject order by q.subject desc))[1])::text from "
        f"(select r.subject, {record} as j from {table} r where r.subject > $1 order by r.subject limit $2) q"
    )

    async def asked(request: Request[Any, Any, Any], product: str) -> None:
        await service.question(request.headers.get("authorization"), request.headers.get("purpose"), product, {})

    @get("/bare/{product:str}/subjects/{subject:str}")
    async def point(request: Request[Any, Any, Any], product: str, subject: str) -> Response[bytes]:
        await asked(request, product)
        return Response((await service.lanes.call("bare", one, subject_of(subject)) or "").encode(), media_type="application/json")

    @get("/bare/{product:str}/subjects")
    async def page(request: Request[Any, Any, Any], product: str, after: str, limit: int) -> Response[bytes]:
        await asked(request, product)
        return Response((await service.lanes.call("bare", many, subject_of(after), limit) or "").encode(), media_type="application/json")

    @put("/bare/commit")
    async def commit() -> Response[bytes]:
        await service.lanes.call("bare", "update bench.one set n = n + 1 returning n::text")
        return Response(b"{}", media_type="application/json")

    return [point, page, commit]


def serve() -> None:
    """Run the application as `commonweal_runtime.data_api` does."""
    Granian(
        "data:create", factory=True, address="127.0.0.1", port=int(os.environ["COMMONWEAL_PORT"]), interface=Interfaces.ASGI, workers=1,
        loop=Loops.uvloop, http=HTTPModes.http1, websockets=False, log_level=LogLevels.warning,
    ).serve()  # fmt: skip


# the department


@dataclass(frozen=True)
class World:
    """What the load generator needs."""

    port: int
    issuer: Issuer
    consented: list[UUID]
    withdrawable: list[UUID]


def wanted(heritage: HeritageServer, agreements: int) -> StorePlan:
    """Return two products of the same people, one per durability, and as many consent agreements on each."""
    products = {
        name: person_product(heritage, serve={"refreshSeconds": 86400, "auditDurability": name.capitalize()})
        for name in ("durable", "deferred")
    }
    consumers = ["bench", *(f"other{n}" for n in range(1, agreements))]
    return plan(products, {f"{p}-{c}": agreement(product=p, consumer=c, fields=FIELDS) for p in products for c in consumers})


async def prepare(store: StoreServer, heritage: HeritageServer, people: int, agreements: int) -> str:
    """Load everybody, let `SHARE` of them consent to each agreement, and return the table."""
    await heritage.make("heritage", PEOPLE.format(people=people) + READER + ";" + GRANTS)
    desk, goal = Desk(store.directory / "desk"), wanted(heritage, agreements)
    desk.put(goal)
    begun = time.perf_counter()
    async with keeping(store, desk):
        await desk.settled(goal, patience=1800)
    print(f"loaded 2 x {people} people in {time.perf_counter() - begun:.0f} s", flush=True)
    root = await store.superuser("department")
    begun = time.perf_counter()
    everybody = await relation(root, "durable")
    # straight into the states and the rows, with the triggers off: this is preparation, not what is measured
    await root.execute("set session_replication_role = replica")
    events = await root.execute(
        "insert into consent.state (subject, agreement, consent, consent_at, valid_until) select t.subject, r.number, 'Given', now(), now() + interval '1 year' "
        f"from agreement.register r, {everybody} t where hashtextextended(t.subject::text || r.number, 0) & 65535 < {int(SHARE * 65536)}"
    )
    for name, uid in await root.fetch("select name, uid from agreement.product"):
        await root.execute(
            f"update {await relation(root, name)} t set _consent = s.numbers, _lapse = now() + interval '1 year' from (select subject, "
            "array_agg(agreement order by agreement) as numbers from consent.state join agreement.register on number = agreement where product = $1 group by 1) s "
            "where s.subject = t.subject",
            uid,
        )
    await root.execute("set session_replication_role = origin")
    print(f"{events.rsplit(' ', 1)[1]} consents in {time.perf_counter() - begun:.0f} s", flush=True)
    await root.execute(
        "create role bare login bypassrls; create schema bench; create table bench.one (n int); insert into bench.one values (0); "
        "grant usage on schema product, bench to bare; grant select on all tables in schema product to bare; grant select, update on bench.one to bare; "
        f"alter role bare password '{verifier_of(DATABASE_KEY, 'bare')}'; grant connect on database department to bare; "
        "checkpoint"
    )
    await root.execute("vacuum analyze")
    await root.close()
    return everybody


async def relation(root: Any, product: str) -> str:
    """Return the table of a product."""
    return "product." + str(await root.fetchval("select relation from agreement.product where name = $1", product))


async def consenting(store: StoreServer, table: str) -> list[UUID]:
    """Return people who consent to both measured agreements."""
    root = await store.superuser("department")
    numbers = [r[0] for r in await root.fetch("select number from agreement.register where name in ('durable-bench', 'deferred-bench')")]
    other = await relation(root, "deferred")
    rows = await root.fetch(
        f"select a.subject from {table} a join {other} b using (subject) where a._consent && $1::smallint[] and b._consent && $1::smallint[] limit 20000",
        numbers,
    )
    await root.close()
    found = [r[0] for r in rows]
    random.shuffle(found)
    return found


# the load


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def ask(stream: Stream, request: bytes) -> tuple[int, bytes]:
    """Send one request and return status and body."""
    reader, writer = stream
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    at = head.index(b"content-length:") + 15
    body = await reader.readexactly(int(head[at : head.index(b"\r", at)]))
    return int(head[9:12]), body


def request(path: str, method: str = "GET", token: str | None = None, body: bytes = b"") -> bytes:
    """Return a request of the measured consumer, or of a person."""
    token = token or CLIENT_TOKEN[0]
    head = f"{method} {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nPurpose: bench/serve\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


CLIENT_TOKEN: list[str] = []


async def load(world: World, kind: str, seconds: float, connections: int, *, page: bool = False) -> tuple[float, float, float]:
    """Read as fast as `connections` go for `seconds`; return requests a second, p50 and p99 in ms. Anything but 200 is an error."""
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def one() -> None:
        stream = await asyncio.open_connection("127.0.0.1", world.port)
        at = random.randrange(len(world.consented))
        while time.perf_counter() < end:
            at += 1
            key = world.consented[at % len(world.consented)]
            path = f"{KINDS[kind]}/subjects?after={key}&limit=100" if page else f"{KINDS[kind]}/subjects/{key}"
            begun = time.perf_counter()
            status, body = await ask(stream, request(path))
            times.append(time.perf_counter() - begun)
            if status != 200:
                raise RuntimeError(f"{kind}: {status} {body.decode()}")
        stream[1].close()

    begun = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    spent = time.perf_counter() - begun
    return len(times) / spent, *(q * 1e3 for q in quantiles(times))


def quantiles(times: Sequence[float]) -> tuple[float, float]:
    """Return median and 99th percentile."""
    ordered = sorted(times)
    return ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]


async def rounds(world: World, count: int, seconds: float, connections: int, *, page: bool = False) -> dict[str, list[float]]:
    """Return, for each kind, its requests per second as a share of the bare read's in the same round."""
    for kind in KINDS:
        await load(world, kind, 0.5, connections, page=page)
    shares: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(count):
        rates = {}
        for kind in random.sample(list(KINDS), len(KINDS)):
            rates[kind], p50, p99 = await load(world, kind, seconds, connections, page=page)
            print(
                f"  {'page' if page else 'point'} x{connections} {kind:9} {rates[kind]:7.0f}/s p50 {p50:.2f} p99 {p99:.2f} ms", flush=True
            )
        for kind, rate in rates.items():
            shares[kind].append(rate / rates["bare"])
    return shares


async def withdrawals(world: World, count: int) -> tuple[list[float], list[float], list[float], int]:
    """Return, in ms, withdrawal answered, withdrawal and next read refused, a bare one-row commit, all over HTTP; and how many reads were stale."""
    stream = await asyncio.open_connection("127.0.0.1", world.port)
    answered, refused, bare, stale = [], [], [], 0
    for who in world.withdrawable[:count]:
        token = world.issuer.person(who)
        begun = time.perf_counter()
        await ask(stream, request("/bare/commit", "PUT"))
        bare.append((time.perf_counter() - begun) * 1e3)
        begun = time.perf_counter()
        status, body = await ask(stream, request("/me/consents/durable-bench", "PUT", token, b'{"state": "Withdrawn"}'))
        answered.append((time.perf_counter() - begun) * 1e3)
        if status != 200:
            raise RuntimeError(body.decode())
        status, _ = await ask(stream, request(f"/v1/durable/subjects/{who}"))
        refused.append((time.perf_counter() - begun) * 1e3)
        stale += status == 200
    stream[1].close()
    return answered, refused, bare, stale


# the figures


def share(name: str, runs: list[float], least: float, rival: str) -> Figure:
    """Return a figure that should be at least `least`."""
    value = statistics.median(runs)
    return Figure(name, round(value, 3), "ratio of requests/s", f">= {least}", value >= least, rival, [round(r, 3) for r in runs])


def page_figure(name: str, runs: list[float], rival: str) -> Figure:
    """Return how many times as long a page takes."""
    value = 1 / statistics.median(runs)
    return Figure(name, round(value, 3), "times the unfiltered page", "<= 2", value <= 2, rival, [round(1 / r, 3) for r in runs])


def withdrawal_figures(answered: list[float], refused: list[float], bare: list[float], stale: int) -> list[Figure]:
    """Return the figures of withdrawal."""
    ratio = quantiles(refused)[1] / quantiles(bare)[1]
    rival = f"bare one-row commit over HTTP, p99 {quantiles(bare)[1]:.2f} ms"
    return [
        Figure("withdrawal answered, p50", round(quantiles(answered)[0], 2), "ms"),
        Figure("withdrawal answered, p99", round(quantiles(answered)[1], 2), "ms"),
        Figure("withdrawal answered and next read refused, p50 (the refusal waits for a 5 ms tick)", round(quantiles(refused)[0], 2), "ms"),
        Figure("withdrawal answered and next read refused, p99", round(ratio, 2), "times a bare commit's p99", "<= 3", ratio <= 3, rival),
        Figure(f"stale reads after {len(refused)} withdrawals", stale, "reads", "0", stale == 0),
    ]


async def measure(world: World, people: int, agreements: int, *, quick: bool) -> list[Figure]:
    """Return every figure."""
    count, seconds = (5, 1.2) if quick else (15, 2.0)
    rival = "bare read, same server, same HTTP stack"
    eight, many = await rounds(world, count, seconds, 8), await rounds(world, count, seconds, 32)
    pages = await rounds(world, max(3, count // 2), seconds, 8, page=True)
    size = f"{people:,} people, {agreements} agreements on the product"
    return [
        share("consented point read with audit not waited for, 8 connections", eight["deferred"], 0.85, rival),
        share("consented point read with durable audit, 8 connections", eight["durable"], 0.6, rival),
        share("consented point read with audit not waited for, 32 connections", many["deferred"], 0.85, rival),
        share("consented point read with durable audit, 32 connections", many["durable"], 0.6, rival),
        page_figure(f"page of 100, audit not waited for ({size})", pages["deferred"], rival),
        page_figure(f"page of 100, durable audit ({size})", pages["durable"], rival),
        *withdrawal_figures(*await withdrawals(world, 200 if quick else 1000)),
    ]


@contextmanager
def department(people: int, agreements: int) -> Iterator[World]:
    """Run servers, data API and issuer, loaded."""
    with HeritageServer() as heritage, StoreServer() as store, Issuer() as issuer:
        table = asyncio.run(prepare(store, heritage, people, agreements))
        found = asyncio.run(consenting(store, table))
        command = [sys.executable, str(HERE / "data.py"), "--serve"]
        path = os.pathsep.join([str(HERE), str(HERE.parent / "tests")])
        with DataApi(store, issuer, command, BENCH_TABLE=table, PYTHONPATH=path) as api:
            CLIENT_TOKEN[:] = [issuer.client("bench", "app")]
            yield World(api.port, issuer, found[2000:], found[:2000])


def main(arguments: argparse.Namespace) -> None:
    """Measure and write bench/results/data.json."""
    agreements = 4 if arguments.quick else 50
    with department(arguments.people, agreements) as world:
        figures = uvloop.run(measure(world, arguments.people, agreements, quick=arguments.quick))
    command = "python bench/data.py" + (" --quick" if arguments.quick else "") + f" --people {arguments.people}"
    path = write("data", command, figures, datetime.now(UTC))
    print(json.dumps(json.loads(path.read_text()), indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under two minutes")
    parser.add_argument("--people", type=int, help="default 20,000 when quick, else 1,000,000")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve()
    else:
        given.people = given.people or (20_000 if given.quick else 1_000_000)
        main(given)
