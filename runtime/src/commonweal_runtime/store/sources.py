# ruff: noqa: S608 - statements are built here; every name and text in them comes through `names`
"""Reads a heritage PostgreSQL database: with a read-only transaction, in batches, only the columns that the product names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from commonweal_api.data_product import DataProductSpec, FieldType
from commonweal_api.reasons import Reason
from commonweal_runtime.pairwise import pairwise
from commonweal_runtime.store.names import identifier
from commonweal_runtime.store.values import MismatchError, converter, key_of

BATCH = 2000
CONNECT_SECONDS = 5.0
FETCH_SECONDS = 60.0
_EXAMPLES = 5

# Source types that can never become the declared one; any other is judged value by value.
_NEVER: dict[FieldType, frozenset[str]] = {
    FieldType.STRING: frozenset({"bool", "bytea"}),
    FieldType.INTEGER: frozenset({"bool", "date", "timestamp", "timestamptz", "bytea", "uuid"}),
    FieldType.NUMBER: frozenset({"bool", "date", "timestamp", "timestamptz", "bytea", "uuid"}),
    FieldType.BOOLEAN: frozenset(
        {"int2", "int4", "int8", "numeric", "float4", "float8", "date", "timestamp", "timestamptz", "bytea", "uuid"}
    ),
    FieldType.DATE: frozenset({"bool", "int2", "int4", "int8", "numeric", "float4", "float8", "timestamp", "timestamptz", "bytea", "uuid"}),
    FieldType.TIMESTAMP: frozenset({"bool", "int2", "int4", "int8", "numeric", "float4", "float8", "date", "bytea", "uuid"}),
}


class SourceError(Exception):
    """Why a source cannot be read: a registered reason and the detail of its message, without the source's own text."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


@dataclass(frozen=True, slots=True)
class Credentials:
    """A login of the source."""

    username: str
    password: str = field(repr=False)

    @classmethod
    def of(cls, name: str, secret: Mapping[str, str] | None) -> Credentials:
        """Return the login in the values of a Secret; a SourceError says which Secret or key is missing."""
        if secret is None:
            raise SourceError(Reason.CREDENTIALS_MISSING, f"There is no Secret «{name}» that the store may read.")
        missing = [key for key in ("username", "password") if not secret.get(key)]
        if missing:
            raise SourceError(Reason.CREDENTIALS_MISSING, f"The Secret «{name}» lacks {' and '.join(missing)}.")
        return cls(secret["username"], secret["password"])


@dataclass(slots=True)
class Refusals:
    """How many rows were refused, and for which fields."""

    count: int = 0
    fields: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, rows: int = 1) -> None:
        """Count rows refused because of one field or key."""
        if rows:
            self.count += rows
            self.fields[name] = self.fields.get(name, 0) + rows

    def detail(self) -> str:
        """Return how many rows, and the fields most to blame."""
        worst = sorted(self.fields.items(), key=lambda item: (-item[1], item[0]))[:_EXAMPLES]
        return f"{self.count} refused: " + ", ".join(f"{name} {rows}" for name, rows in worst) + "."


@asynccontextmanager
async def connect(spec: DataProductSpec, credentials: Credentials) -> AsyncIterator[Any]:
    """Open the source for reading; every way it can fail is a SourceError."""
    source = spec.source.postgres
    where = f"{source.host}:{source.port}"
    try:
        connection = await asyncpg.connect(
            host=source.host,
            port=source.port,
            database=source.database,
            user=credentials.username,
            password=credentials.password,
            timeout=CONNECT_SECONDS,
            command_timeout=FETCH_SECONDS,
            server_settings={"application_name": "commonweal", "default_transaction_read_only": "on"},
        )
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidPasswordError):
        raise SourceError(Reason.CREDENTIALS_REFUSED, f"{where} refuses the user «{credentials.username}».") from None
    except asyncpg.InvalidCatalogNameError:
        raise SourceError(Reason.DATABASE_MISSING, f"{where} has no database «{source.database}».") from None
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        raise SourceError(Reason.SOURCE_UNREACHABLE, f"{where} does not answer.") from None
    try:
        yield connection
    except (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError) as error:
        raise SourceError(Reason.LOAD_FAILED, f"{where} broke off ({type(error).__name__}).") from None
    finally:
        connection.terminate()


def _wanted(spec: DataProductSpec) -> dict[str, str]:
    """Return the column of each thing that a record needs: the subject, the record key, the raw fields."""
    keys = {"spec.subject.column": spec.subject.column}
    if spec.subject.record_key is not None:
        keys["spec.subject.recordKey"] = spec.subject.record_key
    return keys | {f.name: f.column for f in spec.fields if f.column is not None}


async def inspect(connection: Any, spec: DataProductSpec) -> None:
    """Raise SourceError unless table, columns and their types fit the product."""
    source = spec.source.postgres
    name = f"{source.schema_}.{source.table}"
    relation = f"{identifier(source.schema_)}.{identifier(source.table)}"
    if await connection.fetchval("select to_regclass($1) is null", relation):
        raise SourceError(Reason.TABLE_MISSING, f"There is no table «{name}» in «{source.database}».")
    rows = await connection.fetch(
        "select a.attname, t.typname, has_column_privilege(a.attrelid, a.attnum, 'select') as readable from pg_attribute a "
        "join pg_type t on t.oid = a.atttypid where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped",
        relation,
    )
    found = {r["attname"]: r for r in rows}
    for what, column in _wanted(spec).items():
        if column not in found:
            raise SourceError(Reason.COLUMN_MISSING, f"«{name}» has no column «{column}», which {what} names.")
        if not found[column]["readable"]:
            raise SourceError(Reason.CREDENTIALS_REFUSED, f"The login may not read the column «{column}» of «{name}», which {what} names.")
    for f in spec.fields:
        if f.column is not None and f.type is not None and found[f.column]["typname"] in _NEVER[f.type]:
            kind = found[f.column]["typname"]
            raise SourceError(Reason.COLUMN_TYPE_MISMATCH, f"«{f.name}» declares {f.type}, and its column «{f.column}» is {kind}.")


async def records(connection: Any, spec: DataProductSpec, sector_key: bytes, refusals: Refusals) -> AsyncIterator[tuple[Any, ...]]:
    """Yield (subject, [record,] raw fields …) of each row that keeps the contract; count the others in `refusals`.

    The subject's source value is replaced by its pairwise id here and is kept nowhere.
    """
    source, many = spec.source.postgres, spec.subject.records == "Many"
    raw = [f for f in spec.fields if f.column is not None and f.type is not None]
    columns = ", ".join(identifier(c) for c in _wanted(spec).values())
    statement = f"select {columns} from {identifier(source.schema_)}.{identifier(source.table)}"
    read = [(f.name, f.required, converter(f.type)) for f in raw if f.type is not None]
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        async for row in connection.cursor(statement, prefetch=BATCH):
            try:
                keys = [
                    pairwise(sector_key, _key(row[0], "spec.subject.column")),
                    *([_key(row[1], "spec.subject.recordKey")] if many else []),
                ]
                yield (*keys, *_fields(row[len(keys) :], read))
            except _RefusedRowError as refused:
                refusals.add(refused.name)


class _RefusedRowError(Exception):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _key(value: object, what: str) -> str:
    try:
        return key_of(value)
    except MismatchError:
        raise _RefusedRowError(what) from None


def _fields(values: Any, read: list[Any]) -> list[object]:
    out = []
    for value, (name, required, convert) in zip(values, read, strict=True):
        try:
            converted = convert(value)
        except MismatchError:
            raise _RefusedRowError(name) from None
        if required and converted is None:
            raise _RefusedRowError(name)
        out.append(converted)
    return out
