# ruff: noqa: S608 - statements are built here; every name and text in them comes through `names` or from the compiler of expressions
"""Mapping expressions, evaluated by the store over one batch at a time: the source's columns lie in a temporary table and go with the session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

from commonweal_api.data_product import FieldType, ProductField
from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.agreements import Served
from commonweal_runtime.store.loading.copying import copy
from commonweal_runtime.store.loading.rows import Flaw, Read, Refused
from commonweal_runtime.store.mapping import expression, reads
from commonweal_runtime.store.names import column_of, identifier, literal
from commonweal_runtime.store.products import SQL_TYPE
from commonweal_runtime.store.words import misfit

_INCOMING = "pg_temp.incoming"
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
        if self.fields:
            columns = ", ".join(f"{identifier(name)} {type_}" for name, type_ in self._incoming().items())
            await store.execute(f"drop table if exists {_INCOMING}; create temporary table incoming ({columns}) on commit delete rows")
        for n, field in enumerate(self._mapped()):
            try:
                async with store.transaction():
                    await store.execute(f"select {self.fields[field.name]} from {_INCOMING} limit 0")
                    await store.execute(self._trial(n, field))
            except asyncpg.PostgresError as error:
                self._blame(error, field.name)

    def _trial(self, number: int, field: ProductField) -> str:
        """Return the function that says whether an expression fails for a row. Its parameters are named as the columns, so the expression stands as it is."""
        parameters = ", ".join(f"{identifier(column)} {SQL_TYPE[self.types[column]]}" for column in reads(field))
        type_ = SQL_TYPE[field.type or FieldType.STRING]
        body = (
            f'declare ":value" {type_}; begin ":value" := {self.fields[field.name]}; return false; '
            "exception when data_exception or integrity_constraint_violation then return true; end"
        )
        return f"create or replace function pg_temp.fails_{number}({parameters}) returns boolean language plpgsql as {literal(body)}"

    async def evaluate(self, store: Any, into: str, read: Read) -> list[Refused]:
        """Put a batch into the staging table with its expressions evaluated, in the caller's transaction, and return the rows that cannot be."""
        if not read.taken.num_rows:
            return []
        await copy(store, read.taken, "incoming", list(self._incoming()))
        try:
            async with store.transaction():
                refused = await self._missing(store, "{0} is null")
                await store.execute(self._statement(into))
                return refused
        except asyncpg.PostgresError as error:
            self._blame(error, None)
        refused = await self._missing(store, "case when {1} then false else {0} is null end")
        for n, field in enumerate(self._mapped()):
            refused += await self._out(store, self._fails(n, field), field.name, Flaw.MAPPING_FAILED)
        await store.execute(self._statement(into))
        return refused

    @staticmethod
    def _fails(number: int, field: ProductField) -> str:
        """Return the call that says whether an expression fails for a row. Trying each by itself costs something, and is done only where one does fail."""
        return f"pg_temp.fails_{number}({', '.join(identifier(column) for column in reads(field))})"

    async def _missing(self, store: Any, condition: str) -> list[Refused]:
        """Take out the rows whose required field comes out empty, by a condition on its expression and on whether that fails."""
        out: list[Refused] = []
        for n, field in enumerate(self._mapped()):
            if field.required:
                empty = condition.format(self.fields[field.name], self._fails(n, field))
                out += await self._out(store, empty, field.name, Flaw.MISSING)
        return out

    @staticmethod
    async def _out(store: Any, condition: str, name: str, flaw: Flaw) -> list[Refused]:
        rows = await store.fetch(f'delete from {_INCOMING} where {condition} returning ":key", ":subject", ":place"')
        return [Refused(key, name, flaw, subject, place) for key, subject, place in rows]

    def _statement(self, into: str) -> str:
        shape, plain = self.product.shape, {f.name: identifier(f":{n}") for n, f in self._plain()}
        values = [identifier(f":{k}") for k in shape.key]
        values += [self.fields.get(c.field) or plain[c.field] for c in shape.raw]
        names = [*shape.key, *(identifier(column_of(c.field)) for c in shape.raw), "_key", "_place"]
        return f'insert into {into} ({", ".join(names)}) select {", ".join(values)}, ":key", ":place" from {_INCOMING}'

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
