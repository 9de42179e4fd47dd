# ruff: noqa: S608 - statements are built here; every name and text in them comes through `names`
"""A heritage PostgreSQL database: one read-only snapshot, a server-side cursor, only the columns that the product names."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg

from commonweal_api.data_product import DataProductSpec, FieldType, PostgresSource
from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import PasswordExposedError, SourceReadError
from commonweal_runtime.store import passwords
from commonweal_runtime.store.names import identifier
from commonweal_runtime.store.sources import trust
from commonweal_runtime.store.sources.contract import BATCH, Batch, Credentials, Survey, check_types, hidden_column, missing_column, wanted

CONNECT_SECONDS = 5.0
FETCH_SECONDS = 60.0
_NATURAL: dict[str, FieldType] = {
    **dict.fromkeys(("text", "varchar", "bpchar", "name", "citext", "uuid", "json", "jsonb", "xml"), FieldType.STRING),
    **dict.fromkeys(("int2", "int4", "int8"), FieldType.INTEGER),
    **dict.fromkeys(("numeric", "float4", "float8"), FieldType.NUMBER),
    **dict.fromkeys(("timestamp", "timestamptz"), FieldType.TIMESTAMP),
    "bool": FieldType.BOOLEAN,
    "date": FieldType.DATE,
}
_ORDERED = (str, int, Decimal, date, UUID)  # their text is the one that PostgreSQL reads back as the same value
_COLUMNS = """
select a.attname, coalesce(b.typname, t.typname) as typname, t.typtype = 'e' as enumerated, has_column_privilege(a.attrelid, a.attnum, 'select') as readable,
       format_type(a.atttypid, a.atttypmod) as type
from pg_attribute a join pg_type t on t.oid = a.atttypid left join pg_type b on b.oid = nullif(t.typbasetype, 0)
where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped"""
_FACTS = """
select a.attname, case when t.typtype = 'e' then 'enum' else coalesce(b.typname, t.typname) end as typname, t.typtype = 'd' as domain,
       format_type(a.atttypid, a.atttypmod) as type, coalesce((to_jsonb(c) ->> 'collisdeterministic')::boolean, true) as deterministic
from pg_attribute a join pg_type t on t.oid = a.atttypid left join pg_type b on b.oid = nullif(t.typbasetype, 0)
left join pg_collation c on c.oid = a.attcollation
where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped"""
_UNIQUE = """
select array_agg(a.attname::text order by k.n) as columns, bool_and(a.attnotnull) as whole
from pg_index i, unnest(i.indkey::int2[]) with ordinality k(attnum, n), pg_attribute a
where i.indrelid = to_regclass($1) and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
  and a.attrelid = i.indrelid and a.attnum = k.attnum and k.n <= i.indnkeyatts group by i.indexrelid order by count(*), min(i.indexrelid)"""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the source says of a column: its type (`enum` for any enumeration), whether through a domain, and whether equal means the same."""

    type_: str
    domain: bool
    described: str
    deterministic: bool


@asynccontextmanager
async def open_postgres(spec: DataProductSpec, source: PostgresSource, credentials: Credentials) -> AsyncIterator[PostgresReader]:
    """Open the source for reading; every way it can fail is a SourceReadError."""
    where = f"{source.host}:{source.port}"
    try:
        connection = await passwords.connect(
            host=source.host,
            port=source.port,
            database=source.database,
            user=credentials.username,
            password=credentials.password,
            timeout=CONNECT_SECONDS,
            command_timeout=FETCH_SECONDS,
            ssl=trust.context(source.tls, credentials) or "prefer",
            server_settings={"application_name": "commonweal", "default_transaction_read_only": "on"},
        )
    except PasswordExposedError as error:
        raise trust.exposed(where, error.asked) from None
    except ssl.SSLError as error:
        raise trust.unproven(where, error) from None
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidPasswordError):
        raise SourceReadError(Reason.CREDENTIALS_REFUSED, f"{where} refuses the user «{credentials.username}».") from None
    except asyncpg.InvalidCatalogNameError:
        raise SourceReadError(Reason.DATABASE_MISSING, f"{where} has no database «{source.database}».") from None
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        if "rejected SSL upgrade" in str(error):
            raise trust.unproven(where) from None
        raise SourceReadError(Reason.SOURCE_UNREACHABLE, f"{where} does not answer.") from None
    try:
        yield PostgresReader(connection, spec, source)
    finally:
        connection.terminate()


class PostgresReader:
    """The table or view of one product."""

    def __init__(self, connection: Any, spec: DataProductSpec, source: PostgresSource) -> None:
        self._connection, self._spec, self._source = connection, spec, source
        self._relation = f"{identifier(source.schema_)}.{identifier(source.table)}"
        self._order: list[tuple[str, str]] = []  # column and type of the key that rows are read in the order of

    async def inspect(self) -> Survey:
        """Look at the table; see `Source.inspect`."""
        try:
            return await self._inspect()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise self._broke_off(error) from None

    async def _inspect(self) -> Survey:
        name = f"{self._source.schema_}.{self._source.table}"
        if await self._connection.fetchval("select to_regclass($1) is null", self._relation):
            raise SourceReadError(Reason.TABLE_MISSING, f"There is no table «{name}» in «{self._source.database}».")
        found = {r["attname"]: r for r in await self._connection.fetch(_COLUMNS, self._relation)}
        for want in wanted(self._spec):
            if want.column not in found:
                raise missing_column(name, want)
            if not found[want.column]["readable"]:
                raise hidden_column(name, want)
        natural = {c: FieldType.STRING if r["enumerated"] else _NATURAL.get(r["typname"]) for c, r in found.items()}
        types = check_types(self._spec, natural, {c: r["type"] for c, r in found.items()})
        self._order = await self._key({c: r["type"] for c, r in found.items()})
        rows = await self._connection.fetchval("select reltuples::bigint from pg_class where oid = to_regclass($1)", self._relation)
        return Survey(types, order=json.dumps(self._order) if self._order else None, total=rows if rows > 0 else None)

    async def _key(self, types: dict[str, str]) -> list[tuple[str, str]]:
        """Return the key of a unique index that subject and record key contain, or nothing: then a load that breaks off begins anew."""
        mine = [c for c in (self._spec.subject.column, self._spec.subject.record_key) if c is not None]
        for row in await self._connection.fetch(_UNIQUE, self._relation):
            if row["whole"] and set(row["columns"]) <= set(mine):
                return [(c, types[c]) for c in row["columns"]]
        return []

    async def columns(self) -> dict[str, Facts]:
        """Return the columns of the table as the source declares them."""
        try:
            rows = await self._connection.fetch(_FACTS, self._relation)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise self._broke_off(error) from None
        return {r["attname"]: Facts(r["typname"], r["domain"], r["type"], r["deterministic"]) for r in rows}

    async def explained(self, columns: Sequence[str], keys: str) -> str:
        """Return the source's plan, as JSON, for reading these columns by a SQL array of keys when it would rather not read the whole table."""
        listed = ", ".join(identifier(c) for c in columns)
        statement = f"select {listed} from {self._relation} where {identifier(self._spec.subject.column)} = any ({keys})"
        try:
            async with self._connection.transaction(readonly=True):
                await self._connection.execute("set local enable_seqscan = off")
                plan: str = await self._connection.fetchval(f"explain (format json) {statement}")
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise self._broke_off(error) from None
        return plan

    async def batches(self, after: str | None) -> AsyncIterator[Batch]:
        """Read in one snapshot; see `Source.batches`."""
        columns = [w.column for w in wanted(self._spec)]
        statement = f"select {', '.join(identifier(c) for c in columns)} from {self._relation}"
        values: list[str] = []
        if self._order:
            order = ", ".join(identifier(c) for c, _ in self._order)
            if after is not None:
                values = json.loads(after)
                given = ", ".join(f"${n}::text::{type_}" for n, (_, type_) in enumerate(self._order, 1))
                statement += f" where ({order}) > ({given})"
            statement += f" order by {order}"
        at = [columns.index(c) for c, _ in self._order]
        try:
            async with self._connection.transaction(isolation="repeatable_read", readonly=True):
                cursor = await self._connection.cursor(statement, *values)
                while rows := await cursor.fetch(BATCH):
                    yield Batch(rows, _position([rows[-1][i] for i in at]) if at else None)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise self._broke_off(error) from None

    async def verify(self) -> None:
        """One snapshot is one content; nothing to do."""

    def _broke_off(self, error: Exception) -> SourceReadError:
        where = f"{self._source.host}:{self._source.port}"
        return SourceReadError(Reason.LOAD_FAILED, f"{where} broke off ({type(error).__name__}).")


def _position(values: list[Any]) -> str | None:
    return json.dumps([str(v) for v in values]) if all(isinstance(v, _ORDERED) for v in values) else None
