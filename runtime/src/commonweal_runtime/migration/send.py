"""The old site's end: the chunks that the other side lacks, and in the last pass the moment at which both sides are the same."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from commonweal_runtime.migration import frames, stores, tables
from commonweal_runtime.migration.chunks import CHUNK, Kept, Listing, digest_of, directories, files, read, written
from commonweal_runtime.migration.frames import Frame, frame

Emit = Callable[[Frame], None]
RENEW_SECONDS = 3.0
CUT_TRIES = 20
_LABEL = "commonweal-move"


@dataclass(frozen=True)
class Cut:
    """The moment: what the store held, table by table, how far words, uses and the models' log had come."""

    tables: dict[str, dict[str, str]]
    reached: dict[str, int]
    models: str


def send(data: Path, had: Listing, emit: Emit) -> Listing:
    """Emit every chunk that is not as the other side has it; return what is here now. Files that go away meanwhile are left out."""
    for name in directories(data):
        emit(frame("directory", path=name))
    found: Listing = {}
    for name in files(data):
        with contextlib.suppress(FileNotFoundError):
            found[name] = _send_file(data / name, name, had.get(name), emit)
    return found


def _send_file(path: Path, name: str, had: Kept | None, emit: Emit) -> Kept:
    digests, size = [], 0
    for number, (chunk, digest) in enumerate(read(path)):
        if had is None or number >= len(had.chunks) or had.chunks[number] != digest:
            emit(frame("chunk", chunk, path=name, offset=number * CHUNK, sha256=digest))
        digests.append(digest)
        size += len(chunk)
    if not digests:
        emit(frame("chunk", path=name, offset=0, sha256=""))
    return Kept(size, tuple(digests))


async def send_last(data: Path, had: Listing, emit: Emit) -> Cut:
    """Emit what still differs, under a backup, and the log up to one moment; return what that moment was. The department must be frozen."""
    async with _backup() as (db, first):
        sent = await asyncio.to_thread(send, data, had, emit)
        async with stores.store(stores.DEPARTMENT) as kept, stores.store(stores.MODELS) as models:
            async with _quiet(kept, models):
                label, last = await db.fetchrow("select labelfile, pg_walfile_name(lsn) as last from pg_backup_stop(false)")
            emit(frame("chunk", label.encode(), path="backup_label", offset=0, sha256=""))
            for name in _segments(data / "pg_wal", first, last):
                sent[f"pg_wal/{name}"] = await asyncio.to_thread(_send_file, data / "pg_wal" / name, f"pg_wal/{name}", None, emit)
            emit(frame("whole", written(sent).encode(), sha256=digest_of(sent)))
            found = {stores.DEPARTMENT: await tables.digests(kept), stores.MODELS: await tables.digests(models)}
            return Cut(found, await stores.reached(kept), await stores.models_reached(models))


@contextlib.asynccontextmanager
async def _backup() -> AsyncIterator[tuple[Any, str]]:
    """Yield a connection under a backup and the first log file that it needs. The log is kept for as long as the connection lives."""
    async with stores.store(stores.DEPARTMENT) as db:
        # a name of its own: the slot of a command that was killed can live on for a moment
        await db.fetchval("select pg_create_physical_replication_slot($1, true, true)", f"commonweal_move_{secrets.token_hex(8)}")
        first = await db.fetchval("select pg_walfile_name(pg_backup_start($1, true))", _LABEL)
        yield db, first


@contextlib.asynccontextmanager
async def _quiet(*connections: Any) -> AsyncIterator[None]:
    """Hold every table still while the block runs, and leave each connection in a transaction that sees exactly that moment.

    Whoever writes waits meanwhile, milliseconds as a rule; people's words among them. A writer in the way is waited for outside, so that nobody queues behind us.
    """
    async with contextlib.AsyncExitStack() as stack:
        locks = [await stack.enter_async_context(stores.store(name)) for name in tables.DATABASES]
        await _lock(locks)
        for connection in connections:
            await connection.execute("begin isolation level repeatable read read only")
            await connection.fetchval("select pg_current_snapshot()::text")
        yield
    # closing the connections ends their transactions and with them the locks


async def _lock(connections: list[Any]) -> None:
    for attempt in range(CUT_TRIES):
        try:
            for connection in connections:
                await connection.execute("begin; set local lock_timeout = '300ms'")
                listed = ", ".join(await tables.names(connection))
                if listed:
                    await connection.execute(f"lock table only {listed.replace(', ', ', only ')} in share mode")
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            for connection in connections:
                await connection.execute("rollback")
            if attempt == CUT_TRIES - 1:
                raise
            await asyncio.sleep(0.25)
        else:
            return


def _segments(folder: Path, first: str, last: str) -> list[str]:
    """Return the log files from the first to the last. FileNotFoundError when one is gone."""
    found = sorted(p.name for p in folder.iterdir() if len(p.name) == 24 and first <= p.name <= last)
    if not found or found[0] != first or found[-1] != last:
        raise FileNotFoundError(f"the write-ahead log from {first} to {last} is not whole any more")
    return found


async def hold(move: str, say: Callable[[dict[str, Any]], None]) -> bool:
    """Keep the department frozen until standard input ends, then serve again. False once the lease was lost."""
    try:
        if not await stores.freeze(move, begin=True):
            say({"frozen": False})
            return False
        say({"frozen": True})
        ended = asyncio.create_task(asyncio.to_thread(sys.stdin.buffer.read))
        while not ended.done():
            await asyncio.wait({ended}, timeout=RENEW_SECONDS)
            if not ended.done() and not await stores.freeze(move, begin=False):
                return await _lost(move, say)
        return True
    finally:
        await stores.thaw(move)


async def _lost(move: str, say: Callable[[dict[str, Any]], None]) -> bool:
    now = await stores.standing()
    gone = now is not None and now["id"] == move and now["state"] == "Gone"
    say({"gone": gone, "lapsed": not gone})
    return gone


def emitter() -> Emit:
    """Return what writes frames to standard output."""

    def emit(one: Frame) -> None:
        frames.write(sys.stdout.buffer, one)

    return emit
