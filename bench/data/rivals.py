"""The data API with other ways of reading beside its own: same process, same token and purpose checks, same driver. Never deploy: /bare serves everybody.

/bare/...    the table without policies and without audit: what no enforcement costs
/naive/...   what is built first: SET ROLE, look the consent up, ask Cedar for each request (each row of a page), read, write the audit row by itself
/filter/...  what an application library does: read rows without policies, ask Casbin about each, drop what is denied. No audit.
"""

from __future__ import annotations

import os
from typing import Any

import asyncpg
import casbin
import cedarpy
from litestar import Request, Response, get, put

from commonweal_api.store_access import password_of
from commonweal_runtime.data_api.app import application
from commonweal_runtime.data_api.requests import subject_of
from commonweal_runtime.data_api.responses import answer
from commonweal_runtime.data_api.service import Service
from commonweal_runtime.data_api.settings import Settings
from commonweal_runtime.server import serve
from commonweal_runtime.serving import Application, Front

FIELDS = ["fullName", "birthYear", "area", "active"]
CLIENT, PURPOSE = "bench/app", "bench/serve"
CEDAR = f"""permit (principal == Client::"{CLIENT}", action == Action::"read", resource is Person)
when {{ context.purpose == "{PURPOSE}" && resource.consented && !resource.objected }};"""
CASBIN = """
[request_definition]
r = sub, purpose, obj
[policy_definition]
p = sub, purpose, agreement
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.sub == p.sub && r.purpose == p.purpose && allows(r.obj, p.agreement)
"""
COLUMNS = ", ".join(f'r."{f}"' for f in FIELDS)
RECORD = f"json_build_object('subject', r.subject, 'record', (select row_to_json(o) from (select {COLUMNS}) o))"
_Request = Request[Any, Any, Any]
_Answer = Response[bytes]


def create() -> Application:
    """Return the data API with the rivals' routes."""
    service = Service(Settings.from_environment())
    table, number = os.environ["BENCH_TABLE"], int(os.environ["BENCH_NUMBER"])
    return Front(
        application(service, [*bare_routes(service, table), *naive_routes(service, table, number), *filter_routes(service, table, number)])
    )


async def asked(service: Service, request: _Request, product: str) -> None:
    """Check token, agreement and purpose as the enforced route does."""
    await service.read_request(request.headers.get("authorization"), request.headers.get("purpose"), product, {})


def paged(items: list[str], last: str) -> bytes:
    """Return a page of JSON items."""
    return f'{{"items":[{",".join(items)}],"next":"{last}"}}'.encode()


def bare_routes(service: Service, table: str) -> list[Any]:
    """Return the routes without any enforcement, and a bare one-row commit."""
    one = f"select {RECORD}::text from {table} r where r.subject = $1"
    many = (
        f"select json_build_object('items', json_agg(q.j), 'next', (array_agg(q.subject order by q.subject desc))[1])::text from "
        f"(select r.subject, {RECORD} as j from {table} r where r.subject > $1 order by r.subject limit $2) q"
    )

    @get("/bare/{product:str}/subjects/{subject:str}")
    async def point(request: _Request, product: str, subject: str) -> _Answer:
        await asked(service, request, product)
        return answer(request, (await service.pools.call("bare", one, subject_of(subject)) or "").encode())

    @get("/bare/{product:str}/subjects")
    async def page(request: _Request, product: str, after: str, limit: int) -> _Answer:
        await asked(service, request, product)
        return answer(request, (await service.pools.call("bare", many, subject_of(after), limit) or "").encode())

    @put("/bare/commit")
    async def commit() -> _Answer:
        await service.pools.call("bare", "update bench.one set n = n + 1 returning n::text")
        return Response(b"{}", media_type="application/json")

    return [point, page, commit]


async def _as_it_is(_: Any) -> None:
    return


class Pool:
    """Eight connections of one login, opened with the first request; asyncpg's own pool, as an application would use it."""

    def __init__(self, service: Service, login: str) -> None:
        self._settings, self._login = service.settings, login
        self._pool: Any = None

    async def acquired(self) -> Any:
        """Return a context of one connection. It is not reset in between: the store leaves nobody the functions for that."""
        if self._pool is None:
            self._pool = await asyncpg.create_pool(
                host=self._settings.store_host, port=self._settings.store_port, user=self._login, database="department",
                password=password_of(self._settings.database_key, self._login), min_size=8, max_size=8, reset=_as_it_is,
            )  # fmt: skip
        return self._pool.acquire()


def cedar(subjects: list[Any], given: set[Any]) -> list[bool]:
    """Return Cedar's decision for each subject."""
    entities = [{"uid": {"type": "Client", "id": CLIENT}, "attrs": {}, "parents": []}] + [
        {"uid": {"type": "Person", "id": str(s)}, "attrs": {"consented": s in given, "objected": False}, "parents": []} for s in subjects
    ]
    requests = [
        {"principal": f'Client::"{CLIENT}"', "action": 'Action::"read"', "resource": f'Person::"{s}"', "context": {"purpose": PURPOSE}}
        for s in subjects
    ]
    return [r.allowed for r in cedarpy.is_authorized_batch(requests, CEDAR, entities)]


def naive_routes(service: Service, table: str, number: int) -> list[Any]:
    """Return the routes with a policy engine for each request and an audit row of its own."""
    pool = Pool(service, "naive")
    one = f"select {RECORD}::text from {table} r where r.subject = $1"
    many = f"select r.subject, {RECORD}::text as j from {table} r where r.subject > $1 order by r.subject limit $2"
    consented = f"select subject from consent.state where subject = any ($1) and agreement = {number} and given and not objected"
    audit = (
        f"insert into bench.use (agreement, client, purpose, op, contract, subjects, found) values ({number}, $1, $2, 'naive', '-', $3, $4)"
    )

    @get("/naive/{product:str}/subjects/{subject:str}")
    async def point(request: _Request, product: str, subject: str) -> _Answer:
        await asked(service, request, product)
        who = subject_of(subject)
        async with await pool.acquired() as connection:
            await connection.execute("set role naive_reader")
            given = {r[0] for r in await connection.fetch(consented, [who])}
            found = await connection.fetchval(one, who) if cedar([who], given)[0] else None
            await connection.execute("reset role")
            await connection.execute(audit, CLIENT, PURPOSE, [who], int(found is not None))
        return answer(request, (found or "").encode())

    @get("/naive/{product:str}/subjects")
    async def page(request: _Request, product: str, after: str, limit: int) -> _Answer:
        await asked(service, request, product)
        kept: list[Any] = []
        last = subject_of(after)
        async with await pool.acquired() as connection:
            await connection.execute("set role naive_reader")
            while len(kept) < limit and (rows := await connection.fetch(many, last, limit)):
                subjects = [r[0] for r in rows]
                given, last = {r[0] for r in await connection.fetch(consented, subjects)}, subjects[-1]
                kept += [r for r, allowed in zip(rows, cedar(subjects, given), strict=True) if allowed]
            kept = kept[:limit]
            await connection.execute("reset role")
            await connection.execute(audit, CLIENT, PURPOSE, [r[0] for r in kept], len(kept))
        return answer(request, paged([r[1] for r in kept], str(kept[-1][0])))

    return [point, page]


def filter_routes(service: Service, table: str, number: int) -> list[Any]:
    """Return the routes that filter fetched rows in the application."""
    pool = Pool(service, "bare")
    enforcer = casbin.Enforcer(casbin.Enforcer.new_model(text=CASBIN))
    enforcer.add_policy(CLIENT, PURPOSE, str(number))
    enforcer.add_function("allows", lambda row, agreement: int(agreement) in row["_consent"] and int(agreement) not in row["_objection"])
    rows = f"select r.subject, {RECORD}::text as j, r._consent, r._objection from {table} r"

    def allowed(row: Any) -> bool:
        return bool(enforcer.enforce(CLIENT, PURPOSE, row))

    @get("/filter/{product:str}/subjects/{subject:str}")
    async def point(request: _Request, product: str, subject: str) -> _Answer:
        await asked(service, request, product)
        async with await pool.acquired() as connection:
            found = await connection.fetchrow(f"{rows} where r.subject = $1", subject_of(subject))
        return answer(request, (found["j"] if found is not None and allowed(found) else "").encode())

    @get("/filter/{product:str}/subjects")
    async def page(request: _Request, product: str, after: str, limit: int) -> _Answer:
        await asked(service, request, product)
        kept: list[Any] = []
        last = subject_of(after)
        async with await pool.acquired() as connection:
            while len(kept) < limit and (
                found := await connection.fetch(f"{rows} where r.subject > $1 order by r.subject limit $2", last, limit)
            ):
                last = found[-1]["subject"]
                kept += [r for r in found if allowed(r)]
        kept = kept[:limit]
        return answer(request, paged([r["j"] for r in kept], str(kept[-1]["subject"])))

    return [point, page]


if __name__ == "__main__":
    os.environ["COMMONWEAL_LISTEN"] = "127.0.0.1"
    serve("rivals:create", int(os.environ["COMMONWEAL_PORT"]))  # as the data API is served
