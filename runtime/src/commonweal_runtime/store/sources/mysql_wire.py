"""A connection to a MySQL or MariaDB that can be cut from outside, in one read-only snapshot, in UTC and utf8mb4; values are the server's own bytes."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pymysql
from pymysql.constants import CR
from pymysql.cursors import SSCursor

from commonweal_api.data_product import MysqlSource
from commonweal_runtime.store.sources import trust
from commonweal_runtime.store.sources.contract import Credentials
from commonweal_runtime.store.sources.lines import probe
from commonweal_runtime.store.sources.mysql_login import CarefulConnection
from commonweal_runtime.store.sources.mysql_refusals import FAILURES, not_let_in

CONNECT_SECONDS = 5.0
LOGIN_SECONDS = 60.0
# Backslashes are characters like any other; values go as hexadecimal constants all the same. A server that drops slow readers waits longer. Keys are sorted
# to their end: the longest that an index can have is 3072 bytes, and collations make more of them.
_SESSION = (
    "set session sql_mode = 'NO_BACKSLASH_ESCAPES', session time_zone = '+00:00', session net_write_timeout = 600, session max_sort_length = 16384",
    "set session transaction isolation level repeatable read",
    "start transaction with consistent snapshot, read only",
)
Row = tuple[bytes | None, ...]


class Wire:
    """One connection, on a socket of ours, so that it can be cut while its thread waits for the server."""

    def __init__(self, source: MysqlSource, credentials: Credentials) -> None:
        self._source, self._credentials = source, credentials
        self._socket: socket.socket | None = None
        self._streaming: Any = None
        self._ended = False
        self._connection: Any = None

    def connect(self) -> None:
        """Log in and begin the snapshot. Raises SourceReadError."""
        try:
            self._socket = socket.create_connection((self._source.host, self._source.port), CONNECT_SECONDS)
            if self._ended:  # while the server's name was looked for, or its answer waited for
                self._socket.close()
                raise ConnectionAbortedError
            probe(self._socket)
            self._connection = CarefulConnection(
                trust.context(self._source.tls, self._credentials),
                user=self._credentials.username,
                password=self._credentials.password.encode(),
                database=self._source.database,
                host=self._source.host,
                charset="utf8mb4",
                use_unicode=False,
                conv={},  # no value becomes an object of Python's
                cursorclass=SSCursor,
                read_timeout=LOGIN_SECONDS,
                write_timeout=LOGIN_SECONDS,
                program_name="commonweal",
                autocommit=None,
            )
            with _understood():
                self._connection.connect(self._socket)
            self._connection.wait_for_answers()
            for statement in _SESSION:
                self.query(statement)
        except FAILURES as error:
            raise not_let_in(self._source, self._credentials.username, error) from None

    def cut(self) -> None:
        """End what the thread waits for, and let go the row that the driver holds in a circle: it would lie there until it is collected."""
        self._ended = True
        if self._socket is not None:
            for end in (self._socket, getattr(self._connection, "_sock", None)):  # under TLS the driver's is another one
                if end is not None:
                    with contextlib.suppress(OSError):
                        end.shutdown(socket.SHUT_RDWR)
            stream = getattr(self._connection, "_rfile", None)  # the driver's second handle of the socket
            if stream is not None:
                stream.close()
            self._socket.close()
        result = getattr(self._streaming, "_result", None)
        if result is not None:
            result.rows = None
            result.unbuffered_active = False  # else the driver would read the rest of it when it is collected, from a socket that is closed

    def stream(self, statement: str) -> None:
        """Send a statement whose rows stay on the server until they are taken."""
        with _understood():
            self._streaming = self._connection.cursor()
            self._streaming.execute(statement)

    def take(self, most: int, most_bytes: int) -> list[Row]:
        """Return the next rows of the stream, until there are so many or their values are that large; none at its end."""
        rows: list[Row] = []
        size = 0
        with _understood():
            while len(rows) < most and size < most_bytes and (row := self._streaming.fetchone()) is not None:
                rows.append(row)
                size += sum(len(v) for v in row if v is not None)
        return rows

    def query(self, statement: str) -> list[tuple[str | None, ...]]:
        """Return all rows of a short answer, as text."""
        with _understood(), self._connection.cursor() as cursor:
            cursor.execute(statement)
            return [tuple(None if v is None else v.decode() for v in row) for row in cursor.fetchall()]


@contextlib.contextmanager
def _understood() -> Iterator[None]:
    """Raise the driver's own error where it stumbles over what the other side sends, which is then no MySQL."""
    try:
        yield
    except (ValueError, RuntimeError, AssertionError, LookupError, struct.error):
        raise pymysql.InternalError(CR.CR_MALFORMED_PACKET) from None
