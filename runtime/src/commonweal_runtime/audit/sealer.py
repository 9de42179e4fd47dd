"""The sealer: each second it puts what has become visible in audit and consents under a signed Merkle root that names the one before it.

A seal is made in one repeatable-read transaction, so rows and snapshot agree. What an insider with the database's highest rights can still change
unseen is what no seal covers yet: about a second, and longer only while seals are late, which is logged as an error.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import asyncpg

from commonweal_runtime.audit.merkle import root_of
from commonweal_runtime.audit.seals import FIRST, Seal, hash_of
from commonweal_runtime.audit.snapshots import Snapshot
from commonweal_runtime.exceptions import SignatureError
from commonweal_runtime.seal_key import KeyRing, SealKey

PAUSE_SECONDS = 1.0
HEARTBEAT_SECONDS = 60.0
LATE_SECONDS = 90.0  # a heartbeat and some patience
TELL_SECONDS = 60.0
MOST_ROWS = 20_000
_LOCK = 4_211_967_020
_LIMITS = (
    "set statement_timeout = '600s'; set lock_timeout = '5s'; set idle_in_transaction_session_timeout = '60s'; set synchronous_commit = on"
)
_LAST = "select n, jws from audit.seal order by n desc limit 1"
_CUT = """
select w.tx::text from (select tx from audit.uses_between($1::text::pg_snapshot, $2::text::pg_snapshot)
  union all select tx from audit.events_between($1::text::pg_snapshot, $2::text::pg_snapshot)) w order by w.tx offset $3 limit 1"""
_ENTRIES = """
select u.n as uses, e.n as events, coalesce(u.all_, '') || coalesce(e.all_, '') as entries from
  (select count(*) as n, string_agg(audit.entry(w), ''::bytea order by w.id) as all_
     from audit.uses_between($1::text::pg_snapshot, $2::text::pg_snapshot) w) u,
  (select count(*) as n, string_agg(audit.entry(w), ''::bytea order by w.seq) as all_
     from audit.events_between($1::text::pg_snapshot, $2::text::pg_snapshot) w) e"""
_KEEP = "insert into audit.seal (n, snapshot, upto, entries, jws) values ($1, $2::text::pg_snapshot, pg_snapshot_xmax($2::text::pg_snapshot), $3, $4)"
_FAULTS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, SignatureError)

log = logging.getLogger(__name__)
Connect = Callable[[], Awaitable[Any]]


class Sealer:
    """Seals one store. Of several on the same store one works and the others wait; each needs a way to connect as superuser."""

    def __init__(self, connect: Connect, seal_key: SealKey, pause: float = PAUSE_SECONDS) -> None:
        self._connect, self._seal_key, self._pause = connect, seal_key, pause
        self._keys = KeyRing([seal_key.jwk])
        self._good = time.monotonic()
        self._told = -TELL_SECONDS

    @property
    def late(self) -> bool:
        """Whether the newest seal is so old that something is wrong. While another sealer works, this one is not late."""
        return time.monotonic() - self._good > LATE_SECONDS

    async def run(self) -> None:
        """Seal until cancelled. Faults are waited out, and told when they last; reads go on meanwhile and are sealed afterwards."""
        while True:
            try:
                connection = await self._connect()
                try:
                    await self._keep_sealing(connection)
                finally:
                    connection.terminate()  # at once, also when cancelled: an open transaction would hold an old snapshot
            except _FAULTS as error:
                self._tell(error)
            await asyncio.sleep(self._pause)

    def _tell(self, error: Exception) -> None:
        """Log a fault, at most once a minute; as an error once seals are late. The text of a database error can hold data; ours holds none."""
        now = time.monotonic()
        if now - self._told >= TELL_SECONDS:
            self._told = now
            reason = str(error) if isinstance(error, SignatureError) else type(error).__name__
            log.log(logging.ERROR if self.late else logging.WARNING, "the audit is not being sealed: %s; trying again", reason)

    async def _keep_sealing(self, connection: Any) -> None:
        await connection.execute(_LIMITS)
        while not await connection.fetchval("select pg_try_advisory_lock($1)", _LOCK):
            self._good = time.monotonic()
            await asyncio.sleep(self._pause)
        while True:
            # Of a department that moves, one store alone makes the next seal: the old one if it serves again, else the new one.
            sealed = 0 if await connection.fetchval("select move.away()") else await seal(connection, self._seal_key, self._keys)
            self._good = time.monotonic()
            if sealed < MOST_ROWS:
                await asyncio.sleep(self._pause)


async def seal(connection: Any, seal_key: SealKey, keys: KeyRing, most: int = MOST_ROWS) -> int:
    """Make the next seal and return how many rows are under it; with nothing to seal it makes one only once a heartbeat.

    A seal holds at most `most` rows, or one transaction's rows where that wrote more. The last seal's own signed words say where to go on, not the
    columns beside them; if they do not bear this key, SignatureError.
    """
    async with connection.transaction(isolation="repeatable_read"):
        row = await connection.fetchrow(_LAST)
        last, before = (Seal.opened(keys, row["jws"]), hash_of(row["jws"])) if row else (FIRST, "")
        if row and last.n != row["n"]:
            raise SignatureError(f"The seal kept as number {row['n']} says that it is number {last.n}.")
        upto = await _window(connection, last, most)
        found = await connection.fetchrow(_ENTRIES, last.snapshot, upto)
        rows: int = found["uses"] + found["events"]
        now = datetime.now(UTC)
        if not rows and row and (now - datetime.fromisoformat(last.at)).total_seconds() < HEARTBEAT_SECONDS:
            return 0
        root = await asyncio.to_thread(root_of, found["entries"])
        at = max(now.isoformat(timespec="microseconds"), last.at)  # a clock that was set back does not make the chain run back
        made = Seal(last.n + 1, at, upto, found["uses"], found["events"], root.hex(), before)
        await connection.execute(_KEEP, made.n, made.snapshot, found["entries"], made.signed(seal_key))
    return rows


async def _window(connection: Any, last: Seal, most: int) -> str:
    """Return the snapshot up to which to seal: all that is visible, or as much as `most` rows allow."""
    now: str = await connection.fetchval("select pg_current_snapshot()::text")
    over = await connection.fetchval(_CUT, last.snapshot, now, most)
    if over is None:
        return now
    first = await connection.fetchval(_CUT, last.snapshot, now, 0)
    # never back behind the last seal, and never through the middle of a transaction
    return str(Snapshot.of(now).cut(max(int(over), int(first) + 1, last.window.most)))
