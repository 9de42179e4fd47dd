"""What the store of a department is told during a move; each call is one short transaction as superuser, over the pod's own socket."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from commonweal_runtime.migration.tables import DATABASES, SETTINGS
from commonweal_runtime.store import passwords

SOCKETS = "/run/postgresql"
LEASE_SECONDS = 15
LOCK_SECONDS = 2
_MODELS = files(__package__).joinpath("models.sql").read_text()
DEPARTMENT, MODELS = DATABASES

Standing = dict[str, str] | None


async def connect(database: str, sockets: Path | None = None) -> Any:
    """Return a connection as superuser. `sockets`: of another server than the pod's own."""
    directory = str(sockets or os.environ.get("COMMONWEAL_SOCKET_DIR", SOCKETS))
    connection = await passwords.connect(host=directory, user="postgres", database=database, server_settings={"application_name": "mover"})
    await connection.execute(SETTINGS)
    await connection.execute(f"set lock_timeout = '{LOCK_SECONDS}s'")
    return connection


@asynccontextmanager
async def store(database: str, sockets: Path | None = None) -> AsyncIterator[Any]:
    """Connect for a block."""
    connection = await connect(database, sockets)
    try:
        yield connection
    finally:
        await connection.close()


async def standing(sockets: Path | None = None) -> Standing:
    """Return the row that says whether this store is the department's authority; None: it is (or holds nothing yet)."""
    async with store(DEPARTMENT, sockets) as db:
        if await db.fetchval("select to_regclass('move.standing')") is None:
            return None
        row = await db.fetchrow("select id, state, url, clock_timestamp() < until as holds from move.standing")
        return None if row is None or not row["holds"] else {k: str(row[k]) for k in ("id", "state", "url")}


async def holdings() -> dict[str, int]:
    """Return how much would go with this store: counts, and nothing of anybody."""
    async with store(DEPARTMENT) as db:
        row = await db.fetchrow(
            "select (select count(*) from consent.state where given) as consents, (select count(*) from consent.state where objected) as objections, "
            "(select count(*) from consent.delegations where in_force) as delegations, (select count(*) from link.entry) as links, "
            "(select count(*) from consent.erased where at_source is null) as erasures"
        )
    return dict(row)


async def freeze(move: str, *, begin: bool) -> bool:
    """Refuse uses for the next seconds. False: not this move's to freeze, or the lease has run out (unless `begin`)."""
    async with store(DEPARTMENT) as db:
        if not await db.fetchval("select move.freeze($1, $2, $3)", move, LEASE_SECONDS, begin):
            return False
    async with store(MODELS) as db, db.transaction():
        if begin:
            await db.execute(_MODELS)
            await db.execute("select move.guard(true)")
        await db.execute(
            "insert into move.standing as s (id, state, until) values ($1, 'Frozen', clock_timestamp() + make_interval(secs => $2)) "
            "on conflict (one) do update set id = excluded.id, until = excluded.until, state = 'Frozen'",
            move,
            LEASE_SECONDS,
        )
    return True


async def thaw(move: str) -> bool:
    """Serve again. False: the department has gone, and nothing is undone."""
    async with store(DEPARTMENT) as db:
        if not await db.fetchval("select move.thaw($1)", move):
            return False
    await _open_models(move)
    return True


async def _open_models(move: str, sockets: Path | None = None) -> None:
    async with store(MODELS, sockets) as db, db.transaction():
        if await db.fetchval("select to_regclass('move.standing')") is not None:
            await db.execute("delete from move.standing where id = $1", move)
            await db.execute("select move.guard(false)")


async def reached(db: Any) -> dict[str, int]:
    """Return how far words and uses have come, as the transaction sees it."""
    found: dict[str, int] = json.loads(await db.fetchval("select to_jsonb(move.reached())::text"))
    return found


async def models_reached(db: Any) -> str:
    """Return the same of the models' log."""
    if await db.fetchval("select to_regclass('move.standing')") is None:
        return ""
    return str(await db.fetchval("select move.reached()"))


async def words(after: dict[str, int]) -> dict[str, Any]:
    """Return what people have said since."""
    async with store(DEPARTMENT) as db:
        found: dict[str, Any] = json.loads(await db.fetchval("select move.words($1::text::jsonb)::text", json.dumps(after)))
    return found


async def take(said: dict[str, Any]) -> int:
    """Take words as they were said at the site before; return how many were new."""
    async with store(DEPARTMENT) as db:
        count: int = await db.fetchval("select move.take($1::text::jsonb)", json.dumps(said))
    return count


async def leave(move: str, since: dict[str, int], models: str, url: str) -> str:
    """Switch: from the answer `Gone` on, this store is nobody's authority. `More` and `Lapsed` change nothing.

    The models' log is closed first: should all end between the two, it stays closed until the move goes on or is called off.
    """
    if not await _leave_models(move, models):
        return "Lapsed"
    async with store(DEPARTMENT) as db:
        return str(await db.fetchval("select move.leave($1, $2::text::jsonb, $3)", move, json.dumps(since), url))


async def _leave_models(move: str, since: str) -> bool:
    async with store(MODELS) as db, db.transaction():
        if await db.fetchval("select to_regclass('learning.decision')") is not None:
            await db.execute("lock table learning.decision in share row exclusive mode")
        if await models_reached(db) != since:
            return False
        done = await db.fetchval(
            "update move.standing set state = 'Gone', until = 'infinity' where id = $1 and clock_timestamp() < until returning true", move
        )
        return bool(done)


async def arrive(move: str, identities: dict[str, str], models: dict[str, str], sockets: Path) -> None:
    """Make a copy closed until it is opened, and tell it what this site calls the objects that it knows."""
    async with store(DEPARTMENT, sockets) as db:
        await db.execute("select move.arrive($1, $2::text::jsonb)", move, json.dumps(identities))
    async with store(MODELS, sockets) as db, db.transaction():
        await db.execute("update move.standing set state = 'Arrived', until = 'infinity' where id = $1", move)
        if await db.fetchval("select to_regclass('learning.service')") is not None:
            for here, known in sorted(models.items()):
                await db.execute("update learning.service set uid = $1 where uid = $2", here, known)


async def open_(move: str) -> bool:
    """Serve. Doing it again changes nothing; False: this store has not arrived by this move."""
    async with store(DEPARTMENT) as db:
        if not await db.fetchval("select move.open($1)", move):
            return False
    await _open_models(move)
    return True


async def keep_certificate(move: str, content: dict[str, Any]) -> None:
    """Keep what was handed out for the erasure at the site before."""
    async with store(DEPARTMENT) as db:
        await db.execute(
            "insert into move.certificate (id, content) values ($1, $2::text::jsonb) on conflict (id) do update set content = excluded.content",
            move,
            json.dumps(content),
        )


async def certificate() -> dict[str, Any] | None:
    """Return the newest certificate that is kept here, or None; one that is `pending` has not been signed yet."""
    async with store(DEPARTMENT) as db:
        if await db.fetchval("select to_regclass('move.certificate')") is None:
            return None
        text = await db.fetchval("select content::text from move.certificate order by at desc limit 1")
        return None if text is None else dict(json.loads(text))
