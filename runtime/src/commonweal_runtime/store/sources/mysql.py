# ruff: noqa: S608 - statements are built here; every name in them comes through `quoted`, every value through `literal`
"""A MySQL or MariaDB database: one read-only snapshot, streamed row by row from the server, only the columns that the product names."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from typing import Any

import pymysql
from pymysql.constants import ER

from commonweal_api.data_product import DataProductSpec, FieldType, MysqlSource
from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.sources.blocks_mysql import MysqlBlocks
from commonweal_runtime.store.sources.contract import (
    BATCH,
    BATCH_BYTES,
    Batch,
    Credentials,
    Survey,
    Wanted,
    check_types,
    hidden_column,
    missing_column,
    wanted,
    watched,
)
from commonweal_runtime.store.sources.listing import Listed
from commonweal_runtime.store.sources.mysql_keys import beyond, literal, ordered, place, quoted
from commonweal_runtime.store.sources.mysql_refusals import FAILURES, broke_off, number_of, too_large
from commonweal_runtime.store.sources.mysql_text import Column, Form, texts
from commonweal_runtime.store.sources.mysql_wire import Wire
from commonweal_runtime.store.sources.own_thread import own_thread

_HIDDEN = {ER.TABLEACCESS_DENIED_ERROR, ER.COLUMNACCESS_DENIED_ERROR}


@asynccontextmanager
async def open_mysql(spec: DataProductSpec, source: MysqlSource, credentials: Credentials) -> AsyncIterator[MysqlReader]:
    """Open the source for reading; every way it can fail is a SourceReadError. The driver blocks, so it has a thread of its own."""
    wire = Wire(source, credentials)
    async with own_thread("mysql", wire.cut) as thread:
        await asyncio.get_running_loop().run_in_executor(thread, wire.connect)
        yield MysqlReader(wire, thread, spec, source)


class MysqlReader:
    """The table or view of one product."""

    def __init__(self, wire: Wire, thread: Executor, spec: DataProductSpec, source: MysqlSource) -> None:
        self._wire, self._thread, self._spec, self._source = wire, thread, spec, source
        self._table = f"{quoted(source.database)}.{quoted(source.table)}"
        self._columns: list[Column] = []  # one for each of `wanted`
        self._order: list[Column] = []
        self._blocks: MysqlBlocks | None = None

    async def _do(self, work: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)
        except FAILURES as error:
            found = broke_off(self._source, error)
        except MemoryError:
            found = too_large(self._source)
        raise found  # here, where nothing holds the frames of what failed, and with them the rows

    async def inspect(self) -> Survey:
        """Look at the table; see `Source.inspect`."""
        survey: Survey = await self._do(self._inspect)
        return survey

    def _inspect(self) -> Survey:
        here = f"table_schema = {literal(self._source.database)} and table_name = {literal(self._source.table)}"
        found = self._described(here)
        self._probe(["1"], None)  # tells a table that is missing from one that may not be read
        wants = wanted(self._spec)
        for want in [*wants, *watched(self._spec)]:  # a column that may not be read is not listed either; the probe tells which it is
            self._probe([quoted(want.column)], want)
            if want.column.casefold() not in found:
                raise missing_column(self._source.table, want)
        columns = {w.column: found[w.column.casefold()] for w in wants}
        natural = {name: c.natural for name, c in columns.items()}
        types = check_types(self._spec, natural, {n: c.described for n, c in columns.items()}, {n for n, c in columns.items() if c.flag})
        self._columns = [columns[w.column] for w in wants]
        self._order = self._key(here, found)
        count = self._wire.query(f"select table_rows from information_schema.tables where {here}")
        order = json.dumps([(c.name, c.described, c.collation) for c in self._order]) if self._order else None
        keys = [self._spec.subject.column, *filter(None, [self._spec.subject.record_key])]
        former = {name: was for name in keys if (was := columns[name].former()) is not None}
        self._blocks = self._divided(found)
        return Survey(types, order, total=int(count[0][0]) if count and count[0][0] else None, former=former, blocks=self._blocks)

    def _divided(self, found: dict[str, Column]) -> MysqlBlocks:
        keys = [found[c.casefold()] for c in (self._spec.subject.column, self._spec.subject.record_key) if c is not None]
        marks = [found[w.column.casefold()] for w in watched(self._spec)]
        compared = [*keys, *marks] if marks else self._columns
        return MysqlBlocks(self._wire, self._do, self._source, keys[0], list(dict.fromkeys(compared)))

    async def listed(self) -> list[Listed]:
        """Return the columns; see `Listing.listed`."""
        found: list[Listed] = await self._do(self._listed)
        return found

    def _listed(self) -> list[Listed]:
        here = f"table_schema = {literal(self._source.database)} and table_name = {literal(self._source.table)}"
        self._probe(["1"], None)
        single = self._wire.query(
            f"select max(column_name) from information_schema.statistics where {here} and non_unique = 0 group by index_name "
            "having count(*) = 1 and max(nullable) <> 'YES' and max(sub_part) is null"
        )
        keys = {str(row[0]).casefold() for row in single}
        return [Listed(c.name, c.natural, c.described, c.name.casefold() in keys) for c in self._described(here).values()]

    def _described(self, here: str) -> dict[str, Column]:
        """Return the columns that the login sees, by name without case."""
        rows = self._wire.query(
            "select column_name, lower(data_type), column_type, character_set_name, collation_name, numeric_scale "
            f"from information_schema.columns where {here} order by ordinal_position"
        )
        return {str(row[0]).casefold(): Column.of(row) for row in rows}

    def _forms(self) -> list[Form | None]:
        """Return how the text of each column that is read comes about: numbers of flags are truth values in a Boolean, and where an expression reads them."""
        keys = 1 + (self._spec.subject.record_key is not None)
        fields = [f.type is FieldType.BOOLEAN for f in self._spec.fields if f.column is not None]
        rest = [True] * (len(self._columns) - keys - len(fields))
        truths = [False] * keys + fields + rest
        return [c.form(truth=truth and c.flag) for c, truth in zip(self._columns, truths, strict=True)]

    def _probe(self, columns: Sequence[str], want: Wanted | None) -> None:
        try:
            self._wire.query(f"select {', '.join(columns)} from {self._table} limit 0")
        except pymysql.MySQLError as error:
            found = self._refusal(number_of(error), want)
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
        if code not in _HIDDEN:
            return None
        if want is not None:
            return hidden_column(self._source.table, want)
        return SourceReadError(Reason.CREDENTIALS_REFUSED, f"The login may not read {where}.")

    def _key(self, here: str, found: dict[str, Column]) -> list[Column]:
        """Return the key of a unique index that subject and record key contain, or nothing: then a load that breaks off begins again."""
        mine = {c.casefold() for c in (self._spec.subject.column, self._spec.subject.record_key) if c is not None}
        indexes: dict[str, list[tuple[str, bool]]] = {}
        for index, column, nullable, part in self._wire.query(
            f"select index_name, column_name, nullable, sub_part from information_schema.statistics where {here} and non_unique = 0 "
            "order by index_name, seq_in_index"
        ):
            indexes.setdefault(index or "", []).append(((column or "").casefold(), nullable == "YES" or part is not None))
        fit = [
            [found[c] for c, _ in key] for key in indexes.values() if all(c in mine and not loose and ordered(found[c]) for c, loose in key)
        ]
        return min(fit, key=len, default=[])

    async def batches(self, after: str | None) -> AsyncIterator[Batch]:
        """Read in one snapshot; see `Source.batches`."""
        printed = [c.printed(quoted(c.name)) for c in self._columns] + [place(c) for c in self._order]
        conditions = [beyond(self._order, json.loads(after))] if self._order and after is not None else []
        if self._blocks is not None:
            printed += self._blocks.columns
            conditions += self._blocks.conditions
        statement = f"select {', '.join(printed)} from {self._table}"
        if conditions:
            statement += f" where {' and '.join(conditions)}"
        if self._order:
            statement += f" order by {', '.join(quoted(c.name) for c in self._order)}"
        await self._do(self._wire.stream, statement)
        while (batch := await self._do(self._batch, self._forms())) is not None:
            yield batch

    def _batch(self, forms: Sequence[Form | None]) -> Batch | None:
        rows = self._wire.take(BATCH, BATCH_BYTES)
        if not rows:
            return None
        columns, first = list(zip(*rows, strict=True)), len(forms)
        ordered_by = rows[-1][first : first + len(self._order)]
        position = json.dumps([v.decode() for v in ordered_by if v is not None]) if self._order else None
        blocks = texts(columns[-1], None) if self._blocks is not None and self._blocks.columns else None
        return Batch([texts(values, form) for values, form in zip(columns[:first], forms, strict=True)], position, blocks=blocks)

    async def verify(self) -> None:
        """One snapshot is one content; nothing to do."""
