"""Connections to PostgreSQL that show no password to whoever answers.

The driver answers any request for a password, in clear text too. Here every connection over TCP is looked at until its login is complete, and goes on
only if the server proved by SCRAM that it knows the password already, or by a checked certificate who it is. The driver has no setting for that, so
its protocol is replaced for the whole process: no connection can be forgotten.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from typing import Any

import asyncpg

from commonweal_runtime.exceptions import PasswordExposedError

AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.TransactionRollbackError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InterfaceError,
    OSError,
    TimeoutError,
)
"""A server is away, or not made up yet: worth trying again. A mistake in SQL is not among them."""
LEAST_ITERATIONS = 4096  # what PostgreSQL has by default; a server that asks for fewer wants to try passwords
LONGEST_MESSAGE = 16 * 1024
_HEADER, _CODE = 5, 4
_OK, _SASL, _SASL_CONTINUE, _SASL_FINAL = 0, 10, 11, 12
_NEXT = {_SASL: _SASL_CONTINUE, _SASL_CONTINUE: _SASL_FINAL, _SASL_FINAL: _OK, _OK: None}
_ASKED = {2: "Kerberos", 3: "the password in clear text", 5: "the password under MD5", 7: "GSSAPI", 9: "SSPI"}
_ITERATIONS = re.compile(rb"(?:^|,)i=(\d{1,9})(?:,|$)")


class Login:
    """What a server has said so far. It may ask by SCRAM, tell of errors and parameters, and say «welcome» only after it has proved itself."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._next: int | None = _SASL

    @property
    def complete(self) -> bool:
        """Whether the server has proved itself and let us in."""
        return self._next is None

    def take(self, data: bytes) -> bytes:
        """Return what of it may be handed on: whole messages before the welcome, everything after it. PasswordExposedError says what was asked for."""
        if self.complete:
            return data
        self._held += data
        end = 0
        while not self.complete and (length := self._length(end)) is not None:
            self._look(end, length)
            end += length
        if self.complete:
            end = len(self._held)
        passed = bytes(self._held[:end])
        del self._held[:end]
        return passed

    def _length(self, start: int) -> int | None:
        """Return the length of the message that begins there, or None while it is not whole."""
        if len(self._held) < start + _HEADER:
            return None
        length = 1 + int.from_bytes(self._held[start + 1 : start + _HEADER])
        if not _HEADER <= length <= LONGEST_MESSAGE:
            raise PasswordExposedError("what is not PostgreSQL's protocol")
        return length if len(self._held) >= start + length else None

    def _look(self, start: int, length: int) -> None:
        if self._held[start] != ord("R"):
            return
        body = bytes(self._held[start + _HEADER : start + length])
        code = int.from_bytes(body[:_CODE])
        if code != self._next:
            raise PasswordExposedError(_ASKED.get(code, "no proof of the password by SCRAM"))
        if code == _SASL_CONTINUE:
            found = _ITERATIONS.search(body[_CODE:])
            if found is None or int(found[1]) < LEAST_ITERATIONS:
                raise PasswordExposedError("SCRAM with too few iterations")
        # The server's proof in the last message is checked by the driver, which ends the login where it does not hold.
        self._next = _NEXT[code]


class _Protocol(asyncpg.protocol.Protocol):  # type: ignore[misc] # compiled, and without types
    """The driver's protocol behind a `Login`; without one on a socket of this machine, and where TLS has said who the server is."""

    def __init__(self, addr: Any, connected: asyncio.Future[Any], *rest: Any) -> None:
        super().__init__(addr, connected, *rest)
        self._waits_for_login = connected
        self._wire: Any = None
        connected.add_done_callback(self._decided)
        self._login = None if isinstance(addr, str) else Login()

    def connection_made(self, transport: Any) -> None:
        secured = transport.get_extra_info("ssl_object")
        if secured is not None and checked(secured.context):
            self._login = None
        self._wire = transport
        super().connection_made(transport)

    def _decided(self, connected: asyncio.Future[Any]) -> None:
        # The driver only closes, which over TLS waits for the server to say goodbye, too: that may be long, or after the loop has ended.
        if self._wire is not None and (connected.cancelled() or connected.exception() is not None):
            self._wire.abort()

    def data_received(self, data: bytes) -> None:
        if self._login is None:
            super().data_received(data)
            return
        try:
            passed = self._login.take(data)
        except PasswordExposedError as error:
            if not self._waits_for_login.done():
                self._waits_for_login.set_exception(error)
            self._wire.abort()
            return
        if self._login.complete:
            self._login = None
        if passed:
            super().data_received(passed)


def checked(context: ssl.SSLContext) -> bool:
    """Tell whether a connection under this context has an authority's word for the server's name."""
    return context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname


asyncpg.protocol.Protocol = _Protocol


async def connect(**options: Any) -> Any:
    """Return a connection; `options` are the driver's. PasswordExposedError, an OSError, where the server asks for a password in any other way than SCRAM."""
    return await asyncpg.connect(**options)


def pool(**options: Any) -> Any:
    """Return a pool that connects as `connect` does, not opened."""
    return asyncpg.create_pool(**options)
