"""The new site's end: chunks are laid down beside the running store, tried on a server that nobody reaches, and only then put in its place."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from commonweal_runtime.exceptions import TransferIncompleteError
from commonweal_runtime.migration import stores, tables
from commonweal_runtime.migration.chunks import digest_of, files, listing, understood
from commonweal_runtime.migration.frames import Frame
from commonweal_runtime.store.postgres import READY, arrived_beside, binary

RECOVERY_SECONDS = 600
SWAP_SECONDS = 90


async def require_unused() -> None:
    """Raise TransferIncompleteError when the store here has ever served: nothing is laid beside it, and nothing takes its place."""
    async with stores.store(stores.DEPARTMENT) as db:
        if await db.fetchval("select to_regclass('agreement.register')") is None:
            return
        if await db.fetchval(
            "select exists (select from agreement.register) or exists (select from consent.event) or exists (select from audit.use)"
        ):
            raise TransferIncompleteError(
                "The store at the new site holds data of its own. Remove the department there, and run the command again."
            )


def lay(data: Path, received: Iterable[Frame]) -> int:
    """Write what is received beside `data`; return how many chunks. Raises TransferIncompleteError, and OSError when there is no room."""
    root = arrived_beside(data)
    root.mkdir(mode=0o700, exist_ok=True)
    (root / READY).unlink(missing_ok=True)
    count = 0
    for one in received:
        if one.kind == "directory":
            (root / one.head["path"]).mkdir(mode=0o700, parents=True, exist_ok=True)
        elif one.kind == "chunk":
            _lay(root, one)
            count += 1
        elif one.kind == "whole":
            _check(root, one)
    os.sync()
    return count


def _lay(root: Path, one: Frame) -> None:
    body, path = one.body(), root / one.head["path"]
    if not path.resolve().is_relative_to(root.resolve()):
        raise TransferIncompleteError(f"{one.head['path']}: lies outside the data directory.")
    if one.head["sha256"] and hashlib.sha256(body).hexdigest() != one.head["sha256"]:
        raise TransferIncompleteError(f"{one.head['path']}: a chunk was changed on the way. Run the command again.")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as stream:
        stream.seek(one.head["offset"])
        stream.write(body)
        if not one.head["sha256"]:
            stream.truncate()


def _check(root: Path, whole: Frame) -> None:
    """Cut to size, remove what is no longer sent, and read everything back from the disk."""
    wanted = understood(whole.body().decode())
    for path in [p for p in (root / "pg_wal").glob("*") if p.is_file() and f"pg_wal/{p.name}" not in wanted]:
        path.unlink()
    for name in list(files(root)):
        if name not in wanted:
            (root / name).unlink()
        elif (root / name).stat().st_size > wanted[name].size:
            os.truncate(root / name, wanted[name].size)
    found = listing(root) | {f"pg_wal/{name}": kept for name, kept in listing(root / "pg_wal").items()}
    if digest_of(found) != whole.head["sha256"]:
        wrong = sorted(name for name in wanted if found.get(name) != wanted[name])[:3]
        raise TransferIncompleteError(f"{', '.join(wrong) or 'the list of files'}: differs from what was sent. Run the command again.")


async def settle(
    data: Path, move: str, was: dict[str, dict[str, str]], identities: dict[str, str], models: dict[str, str]
) -> dict[str, dict[str, str]]:
    """Recover the copy, compare every table with `was`, and make it this site's, still closed. Returns the digests. Raises TransferIncompleteError."""
    root = arrived_beside(data)
    async with _server(root) as sockets:
        found = {}
        for database in tables.DATABASES:
            async with stores.store(database, sockets) as db, db.transaction(isolation="repeatable_read", readonly=True):
                found[database] = await tables.digests(db)
        different = tables.differences(was, found)
        if different:
            raise TransferIncompleteError(
                f"Not the same at both sites: {', '.join(different[:5])}. Run the command again; the old site goes on."
            )
        await stores.arrive(move, identities, models, sockets)
    (root / READY).write_text(move)
    os.sync()
    return found


@asynccontextmanager
async def _server(root: Path) -> AsyncIterator[Path]:
    """Run PostgreSQL on the copy, reachable through a socket of its own only; end it cleanly."""
    sockets = Path(tempfile.mkdtemp(prefix="cw-move-", dir=os.environ.get("TMPDIR", "/tmp")))  # noqa: S108 - made by mkdtemp
    options = [
        "-c",
        "listen_addresses=",
        "-c",
        f"unix_socket_directories={sockets}",
        "-c",
        "hot_standby=off",
        "-c",
        "shared_buffers=32MB",
    ]
    server = await asyncio.to_thread(subprocess.Popen[bytes], [binary("postgres"), "-D", str(root), *options], stdout=subprocess.DEVNULL)
    try:
        await _answers(server, sockets)
        yield sockets
        server.send_signal(signal.SIGINT)
        if await asyncio.to_thread(server.wait, SWAP_SECONDS):
            raise TransferIncompleteError("PostgreSQL did not end cleanly on the copy. Run the command again.")
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGQUIT)
            server.wait()
        shutil.rmtree(sockets, ignore_errors=True)


async def _answers(server: subprocess.Popen[bytes], sockets: Path) -> None:
    async with asyncio.timeout(RECOVERY_SECONDS):
        while True:
            try:
                await (await stores.connect(stores.DEPARTMENT, sockets)).close()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                if server.poll() is not None:
                    raise TransferIncompleteError(
                        "PostgreSQL does not start on the copy; its log is the container's. Run the command again."
                    ) from None
                await asyncio.sleep(0.1)
            else:
                return


async def put_in_place(data: Path, move: str) -> None:
    """Have the store's own program change over to the copy, and return when it answers as such. Safe to repeat."""
    if (arrived_beside(data) / READY).exists():
        os.kill(int((data / "postmaster.pid").read_text().splitlines()[0]), signal.SIGINT)
    async with asyncio.timeout(SWAP_SECONDS):
        while not await _is(move):  # noqa: ASYNC110 - another process restarts the server; there is no event
            await asyncio.sleep(0.1)


async def _is(move: str) -> bool:
    try:
        now = await stores.standing()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    return now is not None and now["id"] == move


def clear(data: Path) -> None:
    """Remove what has been laid beside the store, ready or not."""
    shutil.rmtree(arrived_beside(data), ignore_errors=True)
