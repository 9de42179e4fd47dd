# ruff: noqa: S608 - statements are built here; every name in them comes through `_quoted`, every value through `_literal`
"""A MySQL or MariaDB database: one read-only snapshot, streamed from the server, in UTC and utf8mb4, only the columns that the product names."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pymysql
from pymysql.constants import CR, ER, FIELD_TYPE
from pymysql.converters import convert_date, convert_datetime
from pymysql.cursors import SSCursor

from commonweal_api.data_product import DataProductSpec, FieldType, MysqlSource
from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import PasswordExposedError, SourceReadError
from commonweal_runtime.store.sources import trust
from commonweal_runtime.store.sources.contract import (
    BATCH,
    Batch,
    Credentials,
    Survey,
    Wanted,
    check_types,
    hidden_column,
    missing_column,
    wanted,
)
from commonweal_runtime.store.sources.mysql_login import CarefulConnection
from commonweal_runtime.store.sources.own_thread import own_thread

CONNECT_SECONDS = 5.0
FETCH_SECONDS = 60.0
# Backslashes are characters like any other; values go as hexadecimal constants all the same. A server that drops slow readers waits longer.
_SESSION = (
    "set session sql_mode = 'NO_BACKSLASH_ESCAPES', session time_zone = '+00:00', session net_write_timeout = 600",
    "set session transaction isolation level repeatable read",
    "start transaction with consistent snapshot, read only",
)
_NATURAL: dict[str, FieldType] = {
    **dict.fromkeys(
        ("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set", "json", "time", "uuid"), FieldType.STRING
    ),
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint", "year"), FieldType.INTEGER),
    **dict.fromkeys(("decimal", "float", "double"), FieldType.NUMBER),
    **dict.fromkeys(("datetime", "timestamp"), FieldType.TIMESTAMP),
    "date": FieldType.DATE,
}
_FLAGS = ("tinyint(1)", "bit(1)")  # what these systems have for a Boolean
_NO_DATE = re.compile(r"0000-00-00( 00:00:00(\.0+)?)?")
_REFUSED = {ER.ACCESS_DENIED_ERROR, 1698, ER.DBACCESS_DENIED_ERROR, 3118, 4151}
_HIDDEN = {ER.TABLEACCESS_DENIED_ERROR, ER.COLUMNACCESS_DENIED_ERROR}


def _date(text: str) -> date | str | None:
    """Return a date; a zero date is none, as it is to the server itself (`is null` finds it); any other impossible date stays text."""
    return None if _NO_DATE.fullmatch(text) else convert_date(text)


def _moment(text: str) -> datetime | str | None:
    return None if _NO_DATE.fullmatch(text) else convert_datetime(text)


_DECODE: dict[int, Callable[[str], Any]] = {
    **dict.fromkeys((FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.INT24, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG, FIELD_TYPE.YEAR), int),
    **dict.fromkeys((FIELD_TYPE.FLOAT, FIELD_TYPE.DOUBLE, FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL), Decimal),
    **dict.fromkeys((FIELD_TYPE.TIMESTAMP, FIELD_TYPE.DATETIME), _moment),
    FIELD_TYPE.DATE: _date,
}


@asynccontextmanager
async def open_mysql(spec: DataProductSpec, source: MysqlSource, credentials: Credentials) -> AsyncIterator[MysqlReader]:
    """Open the source for reading; every way it can fail is a SourceReadError. The driver blocks, so it has a thread of its own."""
    wire = _Wire(source, credentials)
    async with own_thread("mysql", wire.cut) as thread:
        await asyncio.get_running_loop().run_in_executor(thread, wire.connect)
        yield MysqlReader(wire, thread, spec, source)


class _Wire:
    """One connection, on a socket of ours, so that it can be cut from outside while its thread waits for the server."""

    def __init__(self, source: MysqlSource, credentials: Credentials) -> None:
        self.where, self._source, self._credentials = f"{source.host}:{source.port}", source, credentials
        self._socket: socket.socket | None = None
        self._streaming: Any = None
        self._ended = False
        self.connection: Any = None

    def connect(self) -> None:
        try:
            self._socket = socket.create_connection((self._source.host, self._source.port), CONNECT_SECONDS)
            if self._ended:  # while the server's name was looked for, or its answer waited for
                self._socket.close()
                raise ConnectionAbortedError
            self.connection = CarefulConnection(
                trust.context(self._source.tls, self._credentials),
                user=self._credentials.username,
                password=self._credentials.password.encode(),
                database=self._source.database,
                host=self._source.host,
                charset="utf8mb4",
                conv=_DECODE,
                cursorclass=SSCursor,
                read_timeout=FETCH_SECONDS,
                write_timeout=FETCH_SECONDS,
                program_name="commonweal",
                autocommit=None,
            )
            self.connection.connect(self._socket)
            for statement in _SESSION:
                self.query(statement)
        except (OSError, UnicodeError, pymysql.MySQLError) as error:
            raise self._unopened(error) from None

    def cut(self) -> None:
        """End what the thread waits for, and let go the row that the driver holds in a circle: it would lie there until somebody collects it."""
        self._ended = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            stream = getattr(self.connection, "_rfile", None)  # the driver's second handle of the socket
            if stream is not None:
                stream.close()
            self._socket.close()
        result = getattr(self._streaming, "_result", None)
        if result is not None:
            result.rows = None
            result.unbuffered_active = False  # else the driver would read the rest of it when it is collected, from a socket that is closed

    def stream(self, statement: str) -> Any:
        """Return a cursor whose rows stay on the server until they are fetched."""
        self._streaming = self.connection.cursor()
        self._streaming.execute(statement)
        return self._streaming

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def _unopened(self, error: Exception) -> SourceReadError:
        cause, code = getattr(error, "original_exception", error), _code(error)
        if isinstance(cause, PasswordExposedError):
            return trust.exposed(self.where, cause.asked)
        if isinstance(cause, ssl.SSLError):
            return trust.unproven(self.where, cause)
        if code == CR.CR_SSL_CONNECTION_ERROR:
            return trust.unproven(self.where)
        if code in _REFUSED:
            return SourceReadError(Reason.CREDENTIALS_REFUSED, f"{self.where} refuses the user «{self._credentials.username}».")
        if code == ER.BAD_DB_ERROR:
            return SourceReadError(Reason.DATABASE_MISSING, f"{self.where} has no database «{self._source.database}».")
        return SourceReadError(Reason.SOURCE_UNREACHABLE, f"{self.where} does not answer.")


class MysqlReader:
    """The table or view of one product."""

    def __init__(self, wire: _Wire, thread: Executor, spec: DataProductSpec, source: MysqlSource) -> None:
        self._wire, self._thread, self._spec, self._source = wire, thread, spec, source
        self._table = f"{_quoted(source.database)}.{_quoted(source.table)}"
        self._order: list[str] = []
        self._flags: list[bool] = []

    async def _do(self, work: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)
        except (OSError, ValueError, ArithmeticError, pymysql.MySQLError) as error:
            detail = f"{self._wire.where} broke off ({type(error).__name__} {_code(error) or ''}".rstrip() + ")."
            raise SourceReadError(Reason.LOAD_FAILED, detail) from None

    async def inspect(self) -> Survey:
        """Look at the table; see `Source.inspect`."""
        survey: Survey = await self._do(self._inspect)
        return survey

    def _inspect(self) -> Survey:
        here = f"table_schema = {_literal(self._source.database)} and table_name = {_literal(self._source.table)}"
        rows = self._wire.query(f"select column_name, data_type, column_type from information_schema.columns where {here}")
        found = {str(name).casefold(): (str(kind).lower(), str(full).lower()) for name, kind, full in rows}
        self._probe(["1"], None)  # tells a table that is missing from one that may not be read
        wants = wanted(self._spec)
        for want in wants:  # a column that may not be read is not listed either; the probe tells which it is
            self._probe([_quoted(want.column)], want)
            if want.column.casefold() not in found:
                raise missing_column(self._source.table, want)
        described = {w.column: found[w.column.casefold()][1] for w in wants}
        natural = {c: _natural(*found[c.casefold()]) for c in described}
        flags = {c for c, full in described.items() if full in _FLAGS}
        types = check_types(self._spec, natural, described, flags)
        self._flags = self._read_as_flags(len(wants), flags)
        self._order = self._key(here)
        count = self._wire.query(f"select table_rows from information_schema.tables where {here}")
        total = int(count[0][0]) if count and count[0][0] else None
        return Survey(types, order=json.dumps(self._order) if self._order else None, total=total)

    def _read_as_flags(self, width: int, flags: set[str]) -> list[bool]:
        """Return for each column that is read whether its numbers are truth values: keys never are, expressions get them so."""
        keys = 1 + (self._spec.subject.record_key is not None)
        fields = [f.column in flags and f.type is FieldType.BOOLEAN for f in self._spec.fields if f.column is not None]
        rest = [w.column in flags for w in wanted(self._spec)[keys + len(fields) : width]]
        return [False] * keys + fields + rest

    def _probe(self, columns: Sequence[str], want: Wanted | None) -> None:
        try:
            self._wire.query(f"select {', '.join(columns)} from {self._table} limit 0")
        except pymysql.MySQLError as error:
            found = self._refusal(_code(error), want)
            if found is None:
                raise
            raise found from None

    def _refusal(self, code: int, want: Wanted | None) -> SourceReadError | None:
        """Return what the server's answer to reading nothing of a column, or of the table, means."""
        where = f"«{self._source.table}» in «{self._source.database}»"
        if code == ER.NO_SUCH_TABLE:
            return SourceReadError(Reason.TABLE_MISSING, f"There is no table {where}.")
        if code == ER.BAD_FIELD_ERROR and want is not None:
            return missing_column(self._source.table, want)
        if code in _HIDDEN:
            return (
                hidden_column(self._source.table, want)
                if want
                else SourceReadError(Reason.CREDENTIALS_REFUSED, f"The login may not read {where}.")
            )
        return None

    def _key(self, here: str) -> list[str]:
        """Return the key of a unique index that subject and record key contain, or nothing: then a load that breaks off begins anew."""
        mine = {c.casefold() for c in (self._spec.subject.column, self._spec.subject.record_key) if c is not None}
        indexes: dict[str, list[tuple[str, bool]]] = {}
        for index, column, nullable, part in self._wire.query(
            f"select index_name, column_name, nullable, sub_part from information_schema.statistics where {here} and non_unique = 0 "
            "order by index_name, seq_in_index"
        ):
            indexes.setdefault(str(index), []).append((str(column or ""), nullable == "YES" or part is not None))
        fit = [[c for c, _ in key] for key in indexes.values() if all(c.casefold() in mine and not loose for c, loose in key)]
        return min(fit, key=len, default=[])

    async def batches(self, after: str | None) -> AsyncIterator[Batch]:
        """Read in one snapshot; see `Source.batches`."""
        wants = [w.column for w in wanted(self._spec)]
        statement = f"select {', '.join(map(_quoted, wants))} from {self._table}"
        if self._order:
            if after is not None:
                statement += f" where {_beyond(self._order, json.loads(after))}"
            statement += f" order by {', '.join(map(_quoted, self._order))}"
        names = [c.casefold() for c in wants]
        at = [names.index(c.casefold()) for c in self._order]
        cursor = await self._do(self._wire.stream, statement)
        while rows := await self._do(cursor.fetchmany, BATCH):
            yield Batch([self._whole(row) for row in rows], _position([rows[-1][i] for i in at]) if at else None)

    def _whole(self, row: Sequence[Any]) -> Sequence[Any]:
        return [_flag(v) if flag else v for v, flag in zip(row, self._flags, strict=True)]

    async def verify(self) -> None:
        """One snapshot is one content; nothing to do."""


def _natural(kind: str, full: str) -> FieldType | None:
    return FieldType.BOOLEAN if full in _FLAGS else _NATURAL.get(kind)


def _flag(value: Any) -> Any:
    """Return a flag as a truth value; a tinyint(1) can hold more than two numbers, and those stay numbers."""
    number = int.from_bytes(value, "big") if isinstance(value, bytes) else value
    return bool(number) if number in {0, 1} else number


def _code(error: BaseException) -> int:
    return error.args[0] if error.args and isinstance(error.args[0], int) and isinstance(error, pymysql.MySQLError) else 0


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _literal(text: str) -> str:
    """Return a text as a hexadecimal constant, in which nothing can be escaped."""
    return f"_utf8mb4 x'{text.encode().hex()}'"


def _position(values: list[Any]) -> str | None:
    if not all(isinstance(v, str | int | Decimal | date) for v in values):
        return None
    return json.dumps([v if isinstance(v, int) else str(v) for v in values])


def _beyond(order: Sequence[str], values: Sequence[str | int]) -> str:
    """Return the condition for rows after a key: a > x, or a = x and b > y. Servers use an index for this form."""
    parts = []
    for n, column in enumerate(order):
        same = [f"{_quoted(c)} = {_constant(v)}" for c, v in zip(order[:n], values, strict=False)]
        parts.append(f"({' and '.join([*same, f'{_quoted(column)} > {_constant(values[n])}'])})")
    return f"({' or '.join(parts)})"


def _constant(value: str | int) -> str:
    return str(int(value)) if isinstance(value, int) else _literal(value)
