"""Run one step of a move in the store's pod: `python -m commonweal_runtime.migration VERB`. Reads and writes JSON, and frames where data flow."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import asyncpg

from commonweal_runtime.exceptions import BrokenStreamError, TransferIncompleteError
from commonweal_runtime.migration import chunks, frames, receive, send, stores
from commonweal_runtime.store.postgres import arrived_beside

DATA = "/var/lib/postgresql/data/pgdata"
FAULT, REFUSED = 1, 3


def _data() -> Path:
    return Path(os.environ.get("PGDATA", DATA))


def _say(content: Any) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


def _complain(text: str) -> int:
    sys.stderr.write(text + "\n")
    return FAULT


def _asked() -> Any:
    return json.loads(sys.stdin.read() or "null")


async def look() -> None:
    """Say what this store is and how much room there is."""
    data = _data()
    _say(
        {
            "standing": await stores.standing(),
            "certificate": await stores.certificate(),
            "bytes": sum(p.stat().st_size for p in data.rglob("*") if p.is_file()),
            "free": shutil.disk_usage(data.parent).free,
            "laid": sum(p.stat().st_size for p in arrived_beside(data).rglob("*") if p.is_file()),
            "postgres": (data / "PG_VERSION").read_text().strip(),
            "machine": platform.machine(),
        }
    )


async def holdings() -> None:
    """Say how much goes with this store."""
    _say(await stores.holdings())


async def have() -> None:
    """Say which chunks have been laid already."""
    sys.stdout.write(chunks.written(await asyncio.to_thread(chunks.listing, arrived_beside(_data()))) + "\n")


async def send_(last: str = "") -> None:
    """Emit frames. Standard input: the listing of the other side, one line."""
    had, emit = chunks.understood(sys.stdin.readline()), send.emitter()
    if last:
        emit(frames.frame("told", **asdict(await send.send_last(_data(), had, emit))))
    else:
        await asyncio.to_thread(send.send, _data(), had, emit)
        emit(frames.frame("told"))
    sys.stdout.buffer.flush()


async def receive_() -> None:
    """Lay down frames from standard input."""
    await receive.require_unused()
    _say({"chunks": await asyncio.to_thread(receive.lay, _data(), _frames())})


def _frames() -> Iterator[frames.Frame]:
    while (one := frames.read(sys.stdin.buffer)) is not None:
        yield one
        if one.kind == "end":
            return
    raise BrokenStreamError("the stream ended before its end")


async def settle(move: str) -> None:
    """Try the copy. Standard input: what the tables were, and the names of objects."""
    asked = _asked()
    await receive.require_unused()
    _say(await receive.settle(_data(), move, asked["tables"], asked["identities"], asked["models"]))


async def put_in_place(move: str) -> None:
    """Change over to the copy."""
    await receive.put_in_place(_data(), move)
    _say({"inPlace": True})


async def clear() -> None:
    """Remove what has been laid."""
    receive.clear(_data())
    _say({"cleared": True})


async def hold(move: str) -> None:
    """Keep the department frozen until standard input ends."""
    if not await send.hold(move, _say):
        raise SystemExit(REFUSED)


async def thaw(move: str) -> None:
    """Serve again."""
    _say({"serves": await stores.thaw(move)})


async def words() -> None:
    """Say what people have said since. Standard input: since when."""
    _say(await stores.words(_asked()))


async def take() -> None:
    """Take words from standard input."""
    _say({"new": await stores.take(_asked())})


async def leave(move: str) -> None:
    """Switch. Standard input: how far the other side has come, and where it is."""
    asked = _asked()
    _say({"answer": await stores.leave(move, asked["reached"], asked["models"], asked["url"])})


async def open_(move: str) -> None:
    """Serve as the department's authority."""
    _say({"serves": await stores.open_(move)})


async def certificate(move: str) -> None:
    """Keep the certificate from standard input."""
    await stores.keep_certificate(move, _asked())
    _say({"kept": True})


VERBS: dict[str, Callable[..., Awaitable[None]]] = {
    f.__name__.strip("_").replace("_", "-"): f
    for f in (look, holdings, have, send_, receive_, settle, put_in_place, clear, hold, thaw, words, take, leave, open_, certificate)
}


def main(words_: list[str]) -> int:
    """Run the verb; a fault is one line on standard error, without anybody's data."""
    if not words_ or words_[0] not in VERBS:
        return _complain(f"Write one of: {', '.join(VERBS)}.")
    try:
        asyncio.run(VERBS[words_[0]](*words_[1:]))  # type: ignore[arg-type]  # each is a coroutine function
    except (TransferIncompleteError, BrokenStreamError, FileNotFoundError) as error:
        return _complain(str(error))
    except OSError as error:
        return _complain(f"{type(error).__name__}: {error.strerror or error}")
    except asyncpg.PostgresError as error:
        return _complain(f"PostgreSQL: {type(error).__name__} {error.sqlstate}")
    return 0


if __name__ == "__main__":
    if os.geteuid() == 0:  # PostgreSQL refuses root; a pod never is
        import concurrent.futures.thread  # noqa: F401 - who is root no more may not be able to read the library
        import encodings.idna  # noqa: F401

        owner = _data().parent.stat()
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)
    os.umask(0o077)
    sys.exit(main(sys.argv[1:]))
