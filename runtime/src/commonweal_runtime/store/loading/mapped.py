# ruff: noqa: S608 - statements are built here; every name and text in them comes through `names` or from the compiler of expressions
"""Mapping expressions, evaluated by the store over one batch at a time: the source's columns lie in a temporary table and go with the session."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg
import pyarrow as pa

from commonweal_api.data_product import FieldType, ProductField
from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.agreements import Served
from commonweal_runtime.store.loading import quarantine
from commonweal_runtime.store.loading.copying import copy
from commonweal_runtime.store.loading.rows import Flaw, Read
from commonweal_runtime.store.loading.trials import INCOMING, known_of, learn, told, trial
from commonweal_runtime.store.mapping import expression
from commonweal_runtime.store.names import identifier
from commonweal_runtime.store.products import SQL_TYPE
from commonweal_runtime.store.words import misfit

_MOST_KNOWN = 1000
_BAD_VALUES = ("22", "23")  # SQLSTATE classes: the row is to blame, not the expression


@dataclass(frozen=True, slots=True)
class Mapped:
    """What one product's expressions need. No fields: the product has none, and rows go straight to where they belong."""

    product: Served
    fields: Mapping[str, str]
    types: Mapping[str, FieldType]
    known: dict[int, int] = dataclasses.field(default_factory=dict)  # by the number of an expression, how much it is known to fail for

    @classmethod
    def of(cls, product: Served, types: Mapping[str, FieldType]) -> Mapped:
        """`types` are those of the columns that the expressions read."""
        texts = {f.name: expression(product.spec, f.name) for f in product.spec.fields if f.from_ is not None}
        return cls(product, texts, types)

    def _plain(self) -> list[tuple[int, ProductField]]:
        """Return the fields with a column, each with the number that its incoming column is named by."""
        return list(enumerate(f for f in self.product.spec.fields if f.column is not None))

    def _mapped(self) -> list[ProductField]:
        return [f for f in self.product.spec.fields if f.from_ is not None]

    def _incoming(self) -> dict[str, str]:
        """Return names and types of the incoming columns, in the order of `Read.taken`: ours have a colon, which no source column that may be named has."""
        own = {":key": "text"} if self.product.shape.many else {}  # else it is the person's id
        own = {**own, ":place": "bigint"} if self.fields else {}  # a row that nothing is evaluated for is not refused
        ours = {":subject": "uuid", **({":record": "text"} if self.product.shape.many else {})}
        plain = {f":{n}": SQL_TYPE[f.type] for n, f in self._plain() if f.type is not None}
        return {**ours, **plain, **{column: SQL_TYPE[type_] for column, type_ in self.types.items()}, **own}

    async def prepare(self, store: Any) -> None:
        """Make the temporary table, and find the expression that fits no row before there is one."""
        columns = ", ".join(f"{identifier(name)} {type_}" for name, type_ in self._incoming().items())
        await store.execute(f"drop table if exists {INCOMING}; create temporary table incoming ({columns}) on commit delete rows")
        self.known.clear()
        for n, field in enumerate(self._mapped()):
            try:
                async with store.transaction():
                    await store.execute(f"select {self.fields[field.name]} from {INCOMING} limit 0")
                    await store.execute(trial(n, field, self.fields[field.name], self.types))
            except asyncpg.PostgresError as error:
                self._blame(error, field.name)

    def sent(self, read: Read) -> pa.Table:
        """Return what of a batch goes into the temporary table, or into a product's table that is filled."""
        taken, last = read.taken, read.taken.num_columns
        if not self.fields:
            return taken.select(range(last - 2))
        return taken if self.product.shape.many else taken.remove_column(last - 2)

    async def bring(self, store: Any, read: Read) -> None:
        """Put a batch, whose lines are those of `sent`, into the temporary table, in the caller's transaction, at whose end it is gone."""
        await copy(store, read.lines, "incoming", list(self._incoming()))

    async def put(self, store: Any, statement: str) -> None:
        """Carry out a statement that reads `values`, and refuse the rows whose expressions cannot be evaluated or that lack what is required."""
        try:
            async with store.transaction():
                await self._sort_out(store)
                await store.execute(statement)
                return
        except asyncpg.UniqueViolationError:
            raise
        except asyncpg.PostgresError as error:
            self._blame(error, None)
        for n, field in enumerate(self._mapped()):
            await self._learn(store, n, field)
        await self._sort_out(store)
        await store.execute(statement)

    async def _learn(self, store: Any, number: int, field: ProductField) -> None:
        """Find out what an expression fails for in the batch. Only so much is known at a time: each batch is held against it."""
        if self.known.get(number, 0) > _MOST_KNOWN:
            await store.execute(f"truncate {known_of(number)}")
            self.known[number] = 0
        found = int((await store.execute(learn(number, field))).rsplit(" ", 1)[1])
        self.known[number] = self.known.get(number, 0) + found

    async def _sort_out(self, store: Any) -> None:
        """Refuse the rows whose required field comes out empty, then those for which an expression is known to fail, which are not asked whether it is."""
        for n, field in enumerate(self._mapped()):
            if field.required:
                await self._refuse(
                    store, f"case when {self._fails(n, field)} then false else {self.fields[field.name]} is null end", field, Flaw.MISSING
                )
        for n, field in enumerate(self._mapped()):
            if self.known.get(n):
                await self._refuse(store, self._fails(n, field), field, Flaw.MAPPING_FAILED)

    @staticmethod
    def _fails(number: int, field: ProductField) -> str:
        return f"{told(field)} in (select told from {known_of(number)})"

    async def _refuse(self, store: Any, condition: str, field: ProductField, flaw: Flaw) -> None:
        gone = f'delete from {INCOMING} where {condition} returning {self.key} as key, $2 as field, $3 as reason, ":subject" as subject, ":place" as place'
        await store.execute(quarantine.refusing(gone), self.product.uid, field.name, str(flaw))

    @property
    def values(self) -> str:
        """What `columns` are filled with, over the temporary table."""
        plain = {f.name: identifier(f":{n}") for n, f in self._plain()}
        own = [self.fields.get(c.field) or plain[c.field] for c in self.product.shape.raw]
        return ", ".join([*(identifier(f":{k}") for k in self.product.shape.key), *own])

    @property
    def key(self) -> str:
        """What a row is told apart by, over the temporary table."""
        return '":key"' if self.product.shape.many else '":subject"::text'

    @property
    def columns(self) -> str:
        """The columns of the product that a load fills, keys before."""
        shape = self.product.shape
        return ", ".join([*shape.key, *(c.name for c in shape.raw)])

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
