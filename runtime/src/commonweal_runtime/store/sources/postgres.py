# ruff: noqa: S608 - statements are built here; every name and text in them comes through `names`
"""A heritage PostgreSQL database: one read-only transaction, one COPY of only the columns that the product names, as the source prints them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pyarrow as pa

from commonweal_api.data_product import DataProductSpec, PostgresSource
from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store import passwords
from commonweal_runtime.store.names import identifier, literal
from commonweal_runtime.store.sources import trust
from commonweal_runtime.store.sources.blocks_postgres import PostgresBlocks
from commonweal_runtime.store.sources.contract import (
    BATCH,
    UNREADABLE,
    Batch,
    Credentials,
    Survey,
    check_types,
    hidden_column,
    missing_column,
    wanted,
    watched,
)
from commonweal_runtime.store.sources.lines import probe
from commonweal_runtime.store.sources.listing import Listed
from commonweal_runtime.store.sources.postgres_copy import CopyOut, columns_of
from commonweal_runtime.store.sources.postgres_refusals import FAILURES, broke_off, hidden_rows, not_let_in, shut_schema
from commonweal_runtime.store.sources.postgres_text import CODECS, NATURAL, SETTINGS, Facts, former, printed, shortest

CONNECT_SECONDS = 5.0
LOOK_SECONDS = 60.0  # for questions to the catalogue, which no amount of data makes longer
_COLUMNS = """
with recursive below(attnum, oid, typmod) as (
  select attnum, atttypid, atttypmod from pg_attribute where attrelid = to_regclass($1) and attnum > 0 and not attisdropped
  union all select b.attnum, t.typbasetype, t.typtypmod from below b join pg_type t on t.oid = b.oid where t.typtype = 'd')
select a.attname, case t.typtype when 'e' then 'enum' when 'b' then t.typname::text else '' end as type, t.oid <> a.atttypid as domain,
       format_type(a.atttypid, a.atttypmod) as described, format_type(t.oid, b.typmod) as base, coalesce((to_jsonb(c) ->> 'collisdeterministic')::boolean, true) as deterministic,
       has_column_privilege(a.attrelid, a.attnum, 'select') as readable, case when b.typmod > 4 then b.typmod - 4 end as length
from below b join pg_type t on t.oid = b.oid and t.typtype <> 'd' join pg_attribute a on a.attrelid = to_regclass($1) and a.attnum = b.attnum
left join pg_collation c on c.oid = a.attcollation"""
_UNIQUE = """
select array_agg(a.attname::text order by k.n) as columns, bool_and(a.attnotnull) as whole
from pg_index i, unnest(i.indkey::int2[]) with ordinality k(attnum, n), pg_attribute a
where i.indrelid = to_regclass($1) and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
  and a.attrelid = i.indrelid and a.attnum = k.attnum and k.n <= i.indnkeyatts group by i.indexrelid order by count(*), min(i.indexrelid)"""


@asynccontextmanager
async def open_postgres(spec: DataProductSpec, source: PostgresSource, credentials: Credentials) -> AsyncIterator[PostgresReader]:
    """Open the source for reading; every way it can fail is a SourceReadError."""
    try:
        connection = await passwords.connect(
            host=source.host,
            port=source.port,
            database=source.database,
            user=credentials.paired(source.credentials.name).username,
            password=credentials.password,
            timeout=CONNECT_SECONDS,
            ssl=trust.context(source.tls, credentials) or "prefer",
            # all that a pooler may refuse is set in the transaction; after it the session is another's, so no statement is prepared by name
            server_settings={"application_name": "commonweal"},
            statement_cache_size=0,
        )
    except FAILURES as error:
        raise not_let_in(source, credentials.username, error) from None
    reader = PostgresReader(connection, spec, source, credentials.username)
    try:
        yield reader
        await reader.end()
    finally:
        await reader.stop()
        connection.terminate()


class PostgresReader:
    """The table or view of one product."""

    def __init__(self, connection: Any, spec: DataProductSpec, source: PostgresSource, username: str) -> None:
        self._connection, self._spec, self._source, self._username = connection, spec, source, username
        self._relation = f"{identifier(source.schema_)}.{identifier(source.table)}"
        self._order: list[tuple[str, str]] = []  # column and type of the key that rows are read in the order of
        self._columns: dict[str, Facts] = {}
        self._encoding, self._codec = "UTF8", ""
        self._blocks: PostgresBlocks | None = None
        self._copying: CopyOut | None = None
        probe(connection._transport.get_extra_info("socket"))  # noqa: SLF001 - the driver has no other name for it

    async def inspect(self) -> Survey:
        """Look at the table; see `Source.inspect`. What is read later is what was there now."""
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._connection.execute(f"begin isolation level repeatable read read only; {SETTINGS}")
                return await self._inspect()
        except FAILURES as error:
            raise broke_off(self._source, error) from None

    async def listed(self) -> list[Listed]:
        """Return the columns; see `Listing.listed`."""
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._connection.execute(f"begin isolation level repeatable read read only; {SETTINGS}")
                found = await self._found()
                keys = [
                    row["columns"][0]
                    for row in await self._connection.fetch(_UNIQUE, self._relation)
                    if row["whole"] and len(row["columns"]) == 1
                ]
        except FAILURES as error:
            raise broke_off(self._source, error) from None
        return [Listed(c, NATURAL.get(facts.type_), facts.described, c in keys) for c, facts in found.items() if facts.readable]

    async def _found(self) -> dict[str, Facts]:
        """Return the columns of the table."""
        source, ask = self._source, self._connection.fetchval
        name = f"{source.schema_}.{source.table}"
        if await ask("select not has_schema_privilege(oid, 'usage') from pg_namespace where nspname = $1", source.schema_):
            raise shut_schema(source, self._username)
        if await ask("select to_regclass($1) is null", self._relation):
            raise SourceReadError(Reason.TABLE_MISSING, f"There is no table «{name}» in «{source.database}».")
        if await ask("select row_security_active(to_regclass($1)::oid)", self._relation):
            raise hidden_rows(source)
        return {r["attname"]: Facts(*r[1:]) for r in await self._connection.fetch(_COLUMNS, self._relation)}

    async def _inspect(self) -> Survey:
        ask, name = self._connection.fetchval, f"{self._source.schema_}.{self._source.table}"
        found = await self._found()
        for want in [*wanted(self._spec), *watched(self._spec)]:
            if want.column not in found:
                raise missing_column(name, want)
            if not found[want.column].readable:
                raise hidden_column(name, want)
        self._columns = found
        natural = {c: NATURAL.get(facts.type_) for c, facts in found.items()}
        types = check_types(self._spec, natural, {c: facts.described for c, facts in found.items()})
        self._order = await self._key()
        # of a database without an encoding, or with a simple one, the bytes are read as they are; any other converts its texts itself
        encoding = await ask("select getdatabaseencoding()")
        self._codec = CODECS.get(encoding, "")
        self._encoding = "SQL_ASCII" if encoding == "SQL_ASCII" or self._codec else "UTF8"
        rows = await ask("select reltuples::bigint from pg_class where oid = to_regclass($1)", self._relation)
        before = {c: make for c in self._keys() if (make := former(found[c])) is not None}
        self._blocks = self._divided()
        order = json.dumps(self._order) if self._order else None
        return Survey(types, order, total=rows if rows > 0 else None, former=before, blocks=self._blocks)

    def _divided(self) -> PostgresBlocks:
        subject, marks = self._spec.subject.column, [w.column for w in watched(self._spec)]
        compared = [*self._keys(), *marks] if marks else [w.column for w in wanted(self._spec)]
        texts = [f"r.{identifier(c)}" for c in dict.fromkeys(compared)]
        return PostgresBlocks(self._connection, self._source, self._relation, printed("r", subject, self._columns[subject]), texts)

    def _keys(self) -> list[str]:
        return [c for c in (self._spec.subject.column, self._spec.subject.record_key) if c is not None]

    async def _key(self) -> list[tuple[str, str]]:
        """Return the key of a unique index that subject and record key contain, or nothing: then a load that breaks off begins again."""
        for row in await self._connection.fetch(_UNIQUE, self._relation):
            if row["whole"] and set(row["columns"]) <= set(self._keys()):
                return [(c, self._columns[c].base) for c in row["columns"]]
        return []

    @property
    def columns(self) -> dict[str, Facts]:
        """The columns of the table as the source declares them; only after `inspect`."""
        return self._columns

    async def explained(self, columns: Sequence[str], keys: str) -> str:
        """Return the source's plan, as JSON, for reading these columns by a SQL array of keys when it would rather not read the whole table."""
        listed = ", ".join(identifier(c) for c in columns)
        statement = f"select {listed} from {self._relation} where {identifier(self._spec.subject.column)} = any ({keys})"
        try:
            await self._connection.execute("set local enable_seqscan = off")
            plan: str = await self._connection.fetchval(f"explain (format json) {statement}", timeout=LOOK_SECONDS)
        except FAILURES as error:
            raise broke_off(self._source, error) from None
        return plan

    async def batches(self, after: str | None) -> AsyncIterator[Batch]:
        """Read in the snapshot of `inspect`; see `Source.batches`."""
        names = [w.column for w in wanted(self._spec)]
        at = [names.index(c) for c, _ in self._order]
        self._copying = CopyOut(self._connection, self._statement(names, after), self._encoding)
        try:
            divided = len(self._blocks.columns) if self._blocks is not None else 0
            async for block in self._copying.blocks():
                columns = await asyncio.to_thread(self._columns_of, block, names, divided)
                size = -(-len(columns[0]) // -(-len(columns[0]) // BATCH))  # as few parts as may be, of one size
                for first in range(0, len(columns[0]), size):
                    part = [column.slice(first, size) for column in columns]
                    blocks = part.pop() if divided else None
                    yield Batch(part, _position([part[i] for i in at]), blocks=blocks)
        except FAILURES as error:
            raise broke_off(self._source, error) from None

    def _columns_of(self, block: bytes, names: Sequence[str], more: int) -> list[pa.Array]:
        columns = columns_of(block, len(names) + more, self._codec)
        return [*(shortest(column, self._columns[c]) for c, column in zip(names, columns, strict=False)), *columns[len(names) :]]

    def _statement(self, names: Sequence[str], after: str | None) -> str:
        """Return what reads these columns as text, in the order of the key, after a position. Keys are compared as the source sorts them, by their own types."""
        texts, conditions = [printed("r", c, self._columns[c]) for c in names], []
        if self._blocks is not None:
            texts += self._blocks.columns
            conditions += self._blocks.conditions
        if self._order and after is not None:
            given = ", ".join(f"{literal(v)}::{type_}" for v, (_, type_) in zip(json.loads(after), self._order, strict=True))
            # of a domain over an enumeration PostgreSQL compares only what lies below it
            keys = ", ".join(f"r.{identifier(c)}::{type_}" for c, type_ in self._order)
            conditions.append(f"({keys}) > ({given})")
        statement = f"select {', '.join(texts)} from {self._relation} r"
        if conditions:
            statement += f" where {' and '.join(conditions)}"
        if self._order:
            statement += f" order by {', '.join(f'r.{identifier(c)}' for c, _ in self._order)}"
        return statement

    async def verify(self) -> None:
        """One snapshot is one content; nothing to do."""

    async def end(self) -> None:
        """End the transaction, so that a pooler keeps its connection, unless rows are still being read. What goes wrong here takes nothing back."""
        if self._copying is None or self._copying.done:
            try:
                await self._connection.execute("rollback", timeout=CONNECT_SECONDS)
            except FAILURES:
                return

    async def stop(self) -> None:
        """Stop reading, however far it is."""
        if self._copying is not None:
            await self._copying.stop()


def _position(keys: Sequence[pa.StringArray]) -> str | None:
    last = [column[-1].as_py() for column in keys]
    return json.dumps(last) if last and all(text is not None and text != UNREADABLE for text in last) else None
