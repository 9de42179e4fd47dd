# ruff: noqa: S608 - statements are built here; every name and text in them comes through `names` or from the compiler of expressions
"""Mapping expressions, evaluated by the store over one batch at a time: the source's columns lie in a temporary table and go with the session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from commonweal_api.data_product import FieldType, ProductField
from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.agreements import Served
from commonweal_runtime.store.loading import quarantine
from commonweal_runtime.store.loading.copying import copy
from commonweal_runtime.store.loading.rows import Flaw, Read
from commonweal_runtime.store.loading.trials import INCOMING, failures, trial
from commonweal_runtime.store.mapping import expression
from commonweal_runtime.store.names import identifier
from commonweal_runtime.store.products import SQL_TYPE
from commonweal_runtime.store.words import misfit

_BAD_VALUES = ("22", "23")  # SQLSTATE classes: the row is to blame, not the expression


@dataclass(frozen=True, slots=True)
class Mapped:
    """What one product's expressions need. No fields: the product has none, and rows go straight to the staging table."""

    product: Served
    fields: Mapping[str, str]
    types: Mapping[str, FieldType]

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
        ours = {":subject": "uuid", **({":record": "text"} if self.product.shape.many else {})}
        plain = {f":{n}": SQL_TYPE[f.type] for n, f in self._plain() if f.type is not None}
        return {**ours, **plain, **{column: SQL_TYPE[type_] for column, type_ in self.types.items()}, ":key": "text", ":place": "bigint"}

    async def prepare(self, store: Any) -> None:
        """Make the temporary table, and find the expression that fits no row before there is one."""
        columns = ", ".join(f"{identifier(name)} {type_}" for name, type_ in self._incoming().items())
        await store.execute(f"drop table if exists {INCOMING}; create temporary table incoming ({columns}) on commit delete rows")
        for n, field in enumerate(self._mapped()):
            try:
                async with store.transaction():
                    await store.execute(f"select {self.fields[field.name]} from {INCOMING} limit 0")
                    await store.execute(trial(n, field, self.fields[field.name], self.types))
            except asyncpg.PostgresError as error:
                self._blame(error, field.name)

    async def bring(self, store: Any, read: Read) -> None:
        """Put a batch into the temporary table, in the caller's transaction, at whose end it is gone."""
        await copy(store, read.taken, "incoming", list(self._incoming()))

    async def put(self, store: Any, statement: str) -> None:
        """Carry out a statement that reads `values`, and refuse the rows whose expressions cannot be evaluated or that lack what is required."""
        try:
            async with store.transaction():
                await self._refuse_missing(store, {})
                await store.execute(statement)
                return
        except asyncpg.UniqueViolationError:
            raise
        except asyncpg.PostgresError as error:
            self._blame(error, None)
        failing = {n: await store.fetchval(failures(n, field, self.types)) for n, field in enumerate(self._mapped())}
        await self._refuse_missing(store, failing)
        for n, field in enumerate(self._mapped()):
            if failing[n]:
                await self._refuse(store, '":place" in (select unnest($4::bigint[]))', failing[n], (field.name, Flaw.MAPPING_FAILED))
        await store.execute(statement)

    async def _refuse_missing(self, store: Any, failing: Mapping[int, Sequence[int]]) -> None:
        """Take out the rows whose required field comes out empty; `failing` are, by the number of an expression, the places where it cannot be asked."""
        for n, field in enumerate(self._mapped()):
            if field.required:
                empty = f'case when ":place" in (select unnest($4::bigint[])) then false else {self.fields[field.name]} is null end'
                await self._refuse(store, empty, failing.get(n, []), (field.name, Flaw.MISSING))

    async def _refuse(self, store: Any, condition: str, places: Sequence[int], why: tuple[str, Flaw]) -> None:
        gone = f'with gone as (delete from {INCOMING} where {condition} returning ":key" as key, ":subject" as subject, ":place" as place) '
        rows = "select key, $2 as field, $3 as reason, subject, place from gone"
        await store.execute(gone + quarantine.refusing(rows), self.product.uid, why[0], str(why[1]), places)

    @property
    def values(self) -> str:
        """What `columns` are filled with, over the temporary table."""
        plain = {f.name: identifier(f":{n}") for n, f in self._plain()}
        own = [self.fields.get(c.field) or plain[c.field] for c in self.product.shape.raw]
        return ", ".join([*(identifier(f":{k}") for k in self.product.shape.key), *own])

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
