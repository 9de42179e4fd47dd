# ruff: noqa: S608 - statements are built here; every name and text in them comes through `names` or from the compiler of expressions
"""Mapping expressions, evaluated by the store over one batch at a time: the source's columns lie in a temporary table and go with the session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from commonweal_api.data_product import FieldType, ProductField
from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.agreements import Served
from commonweal_runtime.store.loading.rows import Flaw, Refused, Taken
from commonweal_runtime.store.mapping import expression
from commonweal_runtime.store.names import column_of, identifier
from commonweal_runtime.store.products import SQL_TYPE
from commonweal_runtime.store.words import misfit

_INCOMING = "pg_temp.incoming"
_BAD_VALUES = ("22", "23")  # SQLSTATE classes: the row is to blame, not the expression


@dataclass(frozen=True, slots=True)
class Mapped:
    """What one product's expressions need. No fields: the product has none, and rows go straight to the staging table."""

    product: Served
    fields: Mapping[str, str]
    required: frozenset[str]
    types: Mapping[str, FieldType]

    @classmethod
    def of(cls, product: Served, types: Mapping[str, FieldType]) -> Mapped:
        """`types` are those of the columns that the expressions read."""
        found = [f for f in product.spec.fields if f.from_ is not None]
        texts = {f.name: expression(product.spec, f.name) for f in found}
        return cls(product, texts, frozenset(f.name for f in found if f.required), types)

    def _plain(self) -> list[tuple[int, ProductField]]:
        """Return the fields with a column, each with the number that its incoming column is named by."""
        return list(enumerate(f for f in self.product.spec.fields if f.column is not None))

    def _incoming(self) -> dict[str, str]:
        """Return names and types of the incoming columns: ours have a colon, which no source column that may be named has."""
        ours = {":place": "bigint", ":key": "text", ":subject": "uuid", **({":record": "text"} if self.product.shape.many else {})}
        plain = {f":{n}": SQL_TYPE[f.type] for n, f in self._plain() if f.type is not None}
        return {**ours, **plain, **{column: SQL_TYPE[type_] for column, type_ in self.types.items()}}

    async def prepare(self, store: Any) -> None:
        """Make the temporary table, and find the expression that fits no row before there is one."""
        if self.fields:
            columns = ", ".join(f"{identifier(name)} {type_}" for name, type_ in self._incoming().items())
            await store.execute(f"drop table if exists {_INCOMING}; create temporary table incoming ({columns})")
        for name, text in self.fields.items():
            try:
                async with store.transaction():
                    await store.execute(f"select {text} from {_INCOMING} limit 0")
            except asyncpg.PostgresError as error:
                self._blame(error, name)

    async def evaluate(self, store: Any, into: str, taken: Sequence[Taken]) -> list[Refused]:
        """Put rows into the staging table with their expressions evaluated, and return those that cannot be."""
        if not taken:
            return []
        await store.execute(f"truncate {_INCOMING}")
        records = [(t.place, t.key, *t.values) for t in taken]
        await store.copy_records_to_table("incoming", records=records, columns=list(self._incoming()))
        refused = await self._missing(store)
        places = [t.place for t in taken]
        return refused + await self._insert(store, into, places[0], places[-1] + 1)

    async def _missing(self, store: Any) -> list[Refused]:
        """Take out rows whose required field comes out empty. An expression that fails is dealt with when it is evaluated for good."""
        out: list[Refused] = []
        for name in sorted(self.required):
            statement = f'delete from {_INCOMING} where {self.fields[name]} is null returning ":key", ":subject", ":place"'
            try:
                async with store.transaction():
                    rows = await store.fetch(statement)
            except asyncpg.PostgresError as error:
                self._blame(error, name)
                rows = await self._missing_one_by_one(store, name)
            out += [Refused(key, name, Flaw.MISSING, subject, place) for key, subject, place in rows]
        return out

    async def _missing_one_by_one(self, store: Any, name: str) -> list[Any]:
        """As above, where some row of the batch makes the expression fail: those stay for `_insert`."""
        found: list[Any] = []
        for (place,) in await store.fetch(f'select ":place" from {_INCOMING}'):
            try:
                async with store.transaction():
                    found += await store.fetch(
                        f'delete from {_INCOMING} where ":place" = $1 and {self.fields[name]} is null returning ":key", ":subject", ":place"',
                        place,
                    )
            except asyncpg.PostgresError as error:
                self._blame(error, name)
        return found

    async def _insert(self, store: Any, into: str, first: int, end: int) -> list[Refused]:
        """Insert the rows from one place to before another; where that fails, each half by itself, down to the row to blame."""
        try:
            async with store.transaction():
                await store.execute(self._statement(into), first, end)
        except asyncpg.PostgresError as error:
            if end - first == 1:
                return await self._culprit(store, first)
            self._blame(error, None)
            middle = (first + end) // 2
            return await self._insert(store, into, first, middle) + await self._insert(store, into, middle, end)
        return []

    def _statement(self, into: str) -> str:
        shape, plain = self.product.shape, {f.name: identifier(f":{n}") for n, f in self._plain()}
        values = [identifier(f":{k}") for k in shape.key]
        values += [self.fields.get(c.field) or plain[c.field] for c in shape.raw]
        names = [*shape.key, *(identifier(column_of(c.field)) for c in shape.raw), "_key", "_place"]
        return (
            f'insert into {into} ({", ".join(names)}) select {", ".join(values)}, ":key", ":place" from {_INCOMING} '
            'where ":place" >= $1 and ":place" < $2'
        )

    async def _culprit(self, store: Any, place: int) -> list[Refused]:
        row = await store.fetchrow(f'select ":key", ":subject" from {_INCOMING} where ":place" = $1', place)
        key, subject = str(row[0]), UUID(str(row[1]))
        for name, text in self.fields.items():
            try:
                async with store.transaction():
                    await store.fetchval(f'select {text} from {_INCOMING} where ":place" = $1', place)
            except asyncpg.PostgresError as error:
                self._blame(error, name)
                return [Refused(key, name, Flaw.MAPPING_FAILED, subject, place)]
        return [Refused(key, next(iter(self.fields)), Flaw.MAPPING_FAILED, subject, place)]

    def _blame(self, error: asyncpg.PostgresError, name: str | None) -> None:
        """Return if a row is to blame; raise if the expression is, or anything else."""
        state = error.sqlstate or ""
        if state.startswith(_BAD_VALUES):
            return
        if state.startswith("42"):
            field = f"spec.fields {name}" if name else "an expression of spec.fields"
            raise SourceReadError(
                Reason.MAPPING_INVALID, f"PostgreSQL cannot evaluate {field} on the source's types: {misfit(state)}."
            ) from None
        raise error
