# ruff: noqa: S608 - statements are built here; every name and text in them comes through `names`
"""How people find their record: what a plan says of it, put into the store once the product's table has an index for each unique attribute."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import asyncpg

from commonweal_api.matching import Matching, MatchingAttribute
from commonweal_api.plan import StorePlan
from commonweal_runtime.exceptions import TableBusyError
from commonweal_runtime.store.names import column_of, identifier, literal, table
from commonweal_runtime.store.product_tables import TableLocks

_PREFIX = "matching_"
_OTHERS = f"select indexrelid::regclass::text from pg_index where indexrelid::regclass::text like 'product.{_PREFIX}%' and indexrelid::regclass::text <> all ($1)"
_SET = "update agreement.department set matching = $1::text::jsonb where matching is distinct from $1::text::jsonb"


def index_of(relation: str, attribute: MatchingAttribute) -> tuple[str, str]:
    """Return name and statement of the index over one attribute as it is compared. By hash, for values are of any length and only equality is asked."""
    name = _PREFIX + hashlib.sha256(f"{relation} {attribute.field} {attribute.normalise}".encode()).hexdigest()[:16]
    compared = f"matching.written({identifier(column_of(attribute.field))}, {literal(attribute.normalise)})"
    return name, f"create index if not exists {name} on {table(relation)} using hash (({compared}))"


class MatchingRules:
    """Keeps what the store asks of people equal to the plan. A matching whose indexes cannot be made is not offered."""

    def __init__(self, connection: Any, tables: TableLocks) -> None:
        self._db, self._tables = connection, tables

    async def apply(self, plan: StorePlan) -> None:
        """Offer what the plan says, or nothing. Doing it again changes nothing."""
        offered = plan.matching if plan.matching is not None and await self._indexed(plan.matching) else None
        if offered is None:
            await self._drop_all_but([])
        await self._db.execute(_SET, json.dumps(offered.wire()) if offered is not None else None)

    async def _indexed(self, matching: Matching) -> bool:
        row = await self._db.fetchrow("select uid, relation from agreement.product where name = $1", matching.product)
        if row is None:
            return False
        wanted = [index_of(row["relation"], a) for a in matching.attributes if a.unique]
        try:
            async with self._tables.held(row["uid"]):
                for _, statement in wanted:
                    await self._db.execute(statement)
        except (TableBusyError, asyncpg.PostgresError):
            self._tables.unfinished = True
            return False
        await self._drop_all_but([f"product.{name}" for name, _ in wanted])
        return True

    async def _drop_all_but(self, wanted: list[str]) -> None:
        for row in await self._db.fetch(_OTHERS, wanted):
            try:
                await self._db.execute(f"drop index if exists {row[0]}")
            except asyncpg.LockNotAvailableError:
                self._tables.unfinished = True
