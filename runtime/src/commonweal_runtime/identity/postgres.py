"""The issuer's store in PostgreSQL. Its schema is brought about at the start, however long the store is away before."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from commonweal_runtime.certificates import is_secured, outside
from commonweal_runtime.exceptions import IdentityStoreError
from commonweal_runtime.identity.stored import (
    IDLE_SECONDS,
    MOST_SESSIONS,
    Family,
    Linking,
    Member,
    Once,
    Rotated,
    StoredLink,
    StoredSession,
)
from commonweal_runtime.store.passwords import AWAY, connect, pool

NAME = "identity"  # of database and role
MOST_CONNECTIONS = 8
CONNECT_SECONDS, ANSWER_SECONDS, AGAIN_SECONDS = 3.0, 5.0, 1.0
_LOCK = 0x6964656E74697479  # any number that no one else locks
_LIMITS = {
    "application_name": "identity",
    "statement_timeout": "4000",
    "idle_in_transaction_session_timeout": "4000",
    "lock_timeout": "3000",
}
_AWAY = (*AWAY, asyncpg.LockNotAvailableError)
_SESSION = "id, secret, account, sealed, started, seen, ends"
_ALIVE = f"seen > $2 - {IDLE_SECONDS} and ends > $2"
Pause = Callable[[float], Awaitable[None]]

log = logging.getLogger(__name__)


class Address(NamedTuple):
    """Where the store listens. Whatever is not this machine is spoken to over TLS, and its certificate and name are checked."""

    host: str
    port: int

    @classmethod
    def read(cls, text: str) -> Address:
        """Return the address of `host:port`; a ValueError says what is wrong."""
        host, _, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not host or not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
            raise ValueError(f"COMMONWEAL_IDENTITY_STORE is {text!r}: give host:port of the issuer's PostgreSQL")
        return cls(host, int(port))

    @property
    def is_near(self) -> bool:
        """Whether it is on this machine."""
        return is_secured(f"http://[{self.host}]" if ":" in self.host else f"http://{self.host}")


class PostgresStore:
    """Keeps what `Store` says. It raises IdentityStoreError while the database does not answer or has no schema."""

    def __init__(self, address: Address, password: str, pause: Pause = asyncio.sleep) -> None:
        self._address, self._password, self._pause = address, password, pause
        self._pool: Any = None
        self._made = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Bring the schema about: at once if the store answers, else from now on until it does, while the caller goes on; close all connections in the end."""
        with suppress(*_AWAY):
            await self.set_up()
        trying = asyncio.create_task(self._bring_about())
        try:
            yield
        finally:
            trying.cancel()
            with suppress(asyncio.CancelledError):
                await trying
            if self._pool is not None:
                self._pool.terminate()

    async def set_up(self) -> None:
        """Bring the schema about; safe when several replicas start at once."""
        if self._pool is None:
            self._pool = await self._opened()
        async with self._pool.acquire(timeout=CONNECT_SECONDS) as c, c.transaction():
            await c.execute("select pg_advisory_xact_lock($1)", _LOCK)
            await c.execute(files("commonweal_runtime.identity").joinpath("schema.sql").read_text())
        self._made = True

    async def _bring_about(self) -> None:
        told = False
        while not self._made:
            try:
                await self.set_up()
            except _AWAY as error:
                if not told:
                    log.warning("the issuer's store at %s:%s is away (%s); it is tried again", *self._address, type(error).__name__)
                told = True
                await self._pause(AGAIN_SECONDS)
        log.info("the issuer's store is there")

    async def _opened(self) -> Any:
        return await pool(
            host=self._address.host,
            port=self._address.port,
            user=NAME,
            database=NAME,
            password=self._password,
            connect=_in_the_clear if self._address.is_near else _secured,
            min_size=0,
            max_size=MOST_CONNECTIONS,
            timeout=CONNECT_SECONDS,
            command_timeout=ANSWER_SECONDS,
            server_settings=_LIMITS,
        )

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[Any]:
        """Have one transaction; whatever says that the store is away becomes IdentityStoreError."""
        if not self._made:
            raise IdentityStoreError
        try:
            async with self._pool.acquire(timeout=CONNECT_SECONDS) as connection, connection.transaction():
                yield connection
        except _AWAY as error:
            log.warning("the issuer's store does not answer: %s", type(error).__name__)
            raise IdentityStoreError from None

    async def answers(self) -> None:
        async with self._asking() as c:
            await c.fetchval("select 1")

    async def spend(self, once: Once, now: float) -> bool:
        async with self._asking() as c:
            return await _spent(c, once, now)

    async def begin(self, session: StoredSession, now: float) -> None:
        async with self._asking() as c:
            await c.execute(_FORGET, now)
            await c.execute(f"insert into identity.session ({_SESSION}) values ($1, $2, $3, $4, $5, $6, $7)", *session)  # noqa: S608
            await c.execute(_TOO_MANY, session.account, MOST_SESSIONS)

    async def renew(self, session: StoredSession) -> None:
        async with self._asking() as c:
            await c.execute(_RENEW, session.id, session.secret, session.sealed, session.seen, session.ends)

    async def session(self, id_: UUID, now: float) -> StoredSession | None:
        return await self._used("id", id_, now)

    async def session_of(self, secret: bytes, now: float) -> StoredSession | None:
        return await self._used("secret", secret, now)

    async def _used(self, column: str, value: object, now: float) -> StoredSession | None:
        async with self._asking() as c:
            row = await c.fetchrow(
                f"update identity.session set seen = greatest(seen, $2) where {column} = $1 and {_ALIVE} returning {_SESSION}",  # noqa: S608
                value,
                now,
            )
        return None if row is None else StoredSession(*row)

    async def join(self, session: UUID, member: Member) -> None:
        async with self._asking() as c:
            await c.execute(_JOIN, session, *member)

    async def sessions(self, account: UUID, now: float) -> list[tuple[StoredSession, list[str]]]:
        async with self._asking() as c:
            rows = await c.fetch(f"{_SESSIONS} and {_ALIVE} order by seen desc, id", account, now)
        return [(StoredSession(*tuple(row)[:-1]), list(row["clients"])) for row in rows]

    async def named(self, member: Member) -> UUID | None:
        async with self._asking() as c:
            found: UUID | None = await c.fetchval("select session from identity.member where client = $1 and sid = $2", *member)
        return found

    async def end(self, session: UUID, account: UUID | None = None) -> list[Member] | None:
        async with self._asking() as c:
            return await _ended(c, session, account)

    async def links(self, account: UUID) -> list[StoredLink]:
        async with self._asking() as c:
            rows = await c.fetch("select account, department, sealed, record, since from identity.link where account = $1", account)
        return [StoredLink(*row) for row in rows]

    async def put_link(self, link: StoredLink, once: Once, now: float) -> Linking:
        async with self._asking() as c:
            if not await _spent(c, once, now):
                return "Spent"
            async with c.transaction():
                await c.execute("select pg_advisory_xact_lock(hashtextextended(encode($1, 'hex'), 0))", link.record)
                await c.execute(_LINK_OF_ANOTHER, link.record, link.account, now)
                await c.execute(_LINK, *link)
        return "Linked"

    async def end_link(self, account: UUID, department: str, now: float) -> None:
        async with self._asking() as c:
            await c.execute(_LINK, account, department, None, None, now)

    async def begin_family(self, family: Family) -> bool:
        async with self._asking() as c:
            return await c.fetchval(_FAMILY, *family) is not None

    async def family(self, id_: UUID) -> Family | None:
        async with self._asking() as c:
            row = await c.fetchrow(_FAMILY_OF, id_)
        return None if row is None else Family(*row)

    async def rotate(self, family: UUID, presented: bytes, following: bytes, now: float) -> Rotated:
        async with self._asking() as c:
            # The session is locked first, as whoever ends it does; what is read after that is what the one before us left.
            row = await c.fetchrow(_FAMILY_OF, family) if await c.fetchval(_LOCKED, family, now) is not None else None
            if row is None:
                return Rotated(None)
            found = Family(*row)
            if found.current != presented:
                return Rotated(found, reused=True, told=tuple(await _ended(c, found.session, None) or ()))
            await c.execute("update identity.family set current = $2 where id = $1", family, following)
            await c.execute("update identity.session set seen = greatest(seen, $2) where id = $1", found.session, now)
        return Rotated(found)

    async def end_family(self, family: UUID) -> None:
        async with self._asking() as c:
            await c.execute("delete from identity.family where id = $1", family)

    async def preferences(self, account: UUID) -> tuple[int, bytes] | None:
        async with self._asking() as c:
            row = await c.fetchrow("select version, sealed from identity.preference where account = $1 and version > 0", account)
        return None if row is None else (row["version"], row["sealed"])

    async def put_preferences(self, account: UUID, sealed: bytes, expected: int | None) -> int | None:
        async with self._asking() as c:
            await c.execute("insert into identity.preference values ($1, 0, '') on conflict do nothing", account)
            found: int = await c.fetchval("select version from identity.preference where account = $1 for update", account)
            if expected not in (None, found):
                return None
            await c.execute("update identity.preference set version = $2, sealed = $3 where account = $1", account, found + 1, sealed)
        return found + 1


_TOO_MANY = """
delete from identity.session where account = $1 and id not in (
    select id from identity.session where account = $1 order by seen desc, started desc, id limit $2)
"""
_RENEW = "update identity.session set secret = $2, sealed = $3, seen = greatest(seen, $4), ends = $5 where id = $1"
_JOIN = """
insert into identity.member (session, client, sid) select id, $2, $3 from identity.session where id = $1
on conflict do nothing
"""
_SESSIONS = f"""
select {_SESSION}, array(select client from identity.member m where m.session = s.id order by client) as clients
from identity.session s where account = $1
"""  # noqa: S608 - names of columns
_LINK = """
insert into identity.link (account, department, sealed, record, since) values ($1, $2, $3, $4, $5)
on conflict (account, department) do update set sealed = excluded.sealed, record = excluded.record, since = excluded.since
"""
_LINK_OF_ANOTHER = "update identity.link set sealed = null, record = null, since = $3 where record = $1 and account <> $2"
_FAMILY = """
insert into identity.family (id, session, client, request, current)
select $1, id, $3, $4, $5 from identity.session where id = $2 returning id
"""
_LOCKED = f"""
select id from identity.session where id = (select session from identity.family where id = $1) and {_ALIVE} for update
"""  # noqa: S608 - a number
_FAMILY_OF = "select id, session, client, request, current from identity.family where id = $1"
# Rows that another replica is about to forget are left to it, so that no two wait for each other.
_FORGET = f"""
delete from identity.session where id in (
    select id from identity.session where seen <= $1 - {IDLE_SECONDS} or ends <= $1 for update skip locked)
"""  # noqa: S608 - a number
_FORGET_SPENT = """
delete from identity.spent where digest in (select digest from identity.spent where until <= $1 for update skip locked)
"""


async def _in_the_clear(_: object, **options: Any) -> Any:
    return await connect(**options | {"ssl": False})


async def _secured(_: object, **options: Any) -> Any:
    """Return a connection to a server whose certificate and name hold by the authorities as they are now."""
    return await connect(**options | {"ssl": outside().context})


async def _spent(connection: Any, once: Once, now: float) -> bool:
    await connection.execute(_FORGET_SPENT, now)
    text = "insert into identity.spent (digest, until) values ($1, $2) on conflict do nothing returning digest"
    return await connection.fetchval(text, *once) is not None


async def _ended(connection: Any, session: UUID, account: UUID | None) -> list[Member] | None:
    rows = await connection.fetch("select client, sid from identity.member where session = $1 order by client", session)
    text = "delete from identity.session where id = $1 and account = coalesce($2, account) returning id"
    ended = await connection.fetchval(text, session, account) is not None
    return [Member(*row) for row in rows] if ended else None
