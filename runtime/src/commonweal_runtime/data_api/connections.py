"""Connections to the store: a few per login, opened on need, never shared between logins, bounded over all of them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from commonweal_api.store_access import password_of, store_authority
from commonweal_runtime.exceptions import StaleConnectionError, StoreUnreachableError
from commonweal_runtime.store.certificate import trust
from commonweal_runtime.store.passwords import connect
from commonweal_runtime.store.sqlstates import ours

MOST_PER_LOGIN = 8
MOST_IN_ALL = 120
WAIT_SECONDS = 2.0
CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 6.0  # the store ends a statement after two; one that says nothing for so long is gone, though its connection may seem open for a quarter of an hour
_LIMITS = {
    "application_name": "data-api",
    "statement_timeout": "2000",
    "idle_in_transaction_session_timeout": "2000",
    "lock_timeout": "1500",
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where the store listens, and the key that its logins are derived from."""

    host: str
    port: int
    key: bytes = field(repr=False)

    async def open(self, login: str, database: str = "department") -> Any:
        """Return a new connection of one login; what is asked on it and not answered in ANSWER_SECONDS raises TimeoutError."""
        return await connect(
            host=self.host,
            port=self.port,
            user=login,
            password=password_of(self.key, login),
            database=database,
            timeout=CONNECT_SECONDS,
            ssl=trust(store_authority(self.key).certificate),
            command_timeout=ANSWER_SECONDS,
            server_settings=_LIMITS,
        )


@dataclass(slots=True)
class _Connection:
    driver: Any
    prepared: dict[str, Any] = field(default_factory=dict)

    async def call(self, statement: str, args: tuple[Any, ...]) -> str | None:
        """Run one statement in autocommit: the driver hands over the answer only after the audit row is committed."""
        ready = self.prepared.get(statement)
        if ready is None:
            ready = self.prepared[statement] = await self.driver.prepare(statement)
        answer: str | None = await ready.fetchval(*args)
        return answer


@dataclass(slots=True)
class _Login:
    idle: list[_Connection] = field(default_factory=list)
    waiting: deque[asyncio.Future[_Connection | None]] = field(default_factory=deque)
    made: int = 0


class ConnectionPools:
    """Runs statements as one login or another. A connection that has failed is never used again."""

    def __init__(self, address: Address, most_per_login: int = MOST_PER_LOGIN, most_in_all: int = MOST_IN_ALL) -> None:
        self._address, self._per_login, self._in_all = address, most_per_login, most_in_all
        self._logins: OrderedDict[str, _Login] = OrderedDict()  # least recently used first
        self._made = 0

    async def call(self, login: str, statement: str, *args: Any) -> str | None:
        """Return the one value that `statement` gives.

        A connection that the store has closed, or is silent on, is replaced once. Raises PostgresError for what the store refuses, and StoreUnreachableError.
        """
        try:
            return await self._attempt(login, statement, args)
        except StaleConnectionError:
            self.close(set(self._logins) - {login})
        try:
            return await self._attempt(login, statement, args)
        except StaleConnectionError:
            raise StoreUnreachableError from None

    async def _attempt(self, name: str, statement: str, args: tuple[Any, ...]) -> str | None:
        connection, fresh = await self._take(name)
        sound = False
        try:
            answer = await connection.call(statement, args)
            sound = True
        except asyncpg.PostgresError as error:
            sound = ours(error.sqlstate) is not None  # our own refusal: the connection is well
            if not fresh and isinstance(error, asyncpg.AdminShutdownError | asyncpg.PostgresConnectionError):
                raise StaleConnectionError from None
            raise
        except (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError):  # the last: the store hung up between two messages
            raise (StoreUnreachableError if fresh else StaleConnectionError) from None
        finally:
            if sound:
                self._give_back(name, connection)
            else:
                self._discard(name, connection)
        return answer

    def close(self, keep: set[str] | None = None) -> None:
        """Close the idle connections of every login that is not in `keep`."""
        for name in [n for n in self._logins if keep is None or n not in keep]:
            login = self._logins[name]
            while login.idle:
                self._discard(name, login.idle.pop())
            if not login.made and not login.waiting:
                self._logins.pop(name, None)

    async def _take(self, name: str) -> tuple[_Connection, bool]:
        """Return a connection of the login and whether it has just been opened."""
        login = self._logins.setdefault(name, _Login())
        self._logins.move_to_end(name)
        if login.idle:
            return login.idle.pop(), False
        if login.made < self._per_login and self._room():
            return await self._open(name, login), True
        if not login.made:
            raise StoreUnreachableError
        connection = await self._wait(name, login)
        return (connection, False) if connection is not None else (await self._open(name, login), True)

    async def _wait(self, name: str, login: _Login) -> _Connection | None:
        """Return what `_wake` hands over. What is handed to somebody who gives up in the same turn of the loop is handed on: it is counted as in use."""
        future: asyncio.Future[_Connection | None] = asyncio.get_running_loop().create_future()
        login.waiting.append(future)
        try:
            await asyncio.wait([future], timeout=WAIT_SECONDS)
        except asyncio.CancelledError:
            if future.done():
                self._hand_on(name, login, future.result())
            raise
        finally:
            future.cancel()
        if future.cancelled():
            raise StoreUnreachableError
        return future.result()

    def _hand_on(self, name: str, login: _Login, connection: _Connection | None) -> None:
        if connection is None:
            self._wake(login, None)
        else:
            self._give_back(name, connection)

    def _room(self) -> bool:
        """Return whether one more connection may be opened, closing the idle one that was used longest ago if need be."""
        if self._made < self._in_all:
            return True
        for name, login in self._logins.items():
            if login.idle:
                self._discard(name, login.idle.pop(0))
                return True
        return False

    async def _open(self, name: str, login: _Login) -> _Connection:
        login.made += 1
        self._made += 1
        try:
            return _Connection(await self._address.open(name))
        except BaseException as error:
            login.made -= 1
            self._made -= 1
            self._wake(login, None)
            if isinstance(error, OSError | TimeoutError | asyncpg.InterfaceError):
                raise StoreUnreachableError from error
            raise

    def _give_back(self, name: str, connection: _Connection) -> None:
        login = self._logins[name]
        if not self._wake(login, connection):
            login.idle.append(connection)

    def _discard(self, name: str, connection: _Connection) -> None:
        connection.driver.terminate()
        login = self._logins[name]
        login.made -= 1
        self._made -= 1
        self._wake(login, None)

    @staticmethod
    def _wake(login: _Login, connection: _Connection | None) -> bool:
        """Hand a connection, or None for leave to open one, to whoever waits longest."""
        while login.waiting:
            future = login.waiting.popleft()
            if not future.done():
                future.set_result(connection)
                return True
        return False
