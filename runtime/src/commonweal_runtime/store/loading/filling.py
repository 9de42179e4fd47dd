# ruff: noqa: S608 - statements are built here; every name and text in them comes through `names` or from the compiler of expressions
"""The first load of a product, straight into its table: nobody is served from it before that load has ended, so no row has to wait beside it.

Each batch does for its own people what a merge does for all: it locks them, leaves out the erased and brings where they stand. What only the whole can
tell, that two rows have one key or that an id has become another one, ends the filling, and the load begins again beside the table.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import asyncpg

from commonweal_runtime.exceptions import FillingEndedError, SourceChangedError
from commonweal_runtime.store.agreements import Served
from commonweal_runtime.store.loading.mapped import Mapped
from commonweal_runtime.store.loading.merging import base_of, lock_people
from commonweal_runtime.store.loading.rows import Read, Refused
from commonweal_runtime.store.loading.trials import INCOMING
from commonweal_runtime.store.names import literal, table

_SPEC = "select md5(spec::text) from agreement.product where uid = $1"


@dataclass(frozen=True, slots=True)
class Filling:
    """What adding a batch to the table itself takes. `lock` is the table's; `spec` tells the product's specification from a later one."""

    store: Any
    product: Served
    mapped: Mapped
    lock: asyncio.Lock
    spec: str

    @classmethod
    async def of(cls, store: Any, product: Served, mapped: Mapped, lock: asyncio.Lock) -> Filling:
        """Return the filling of a table; what the product is now is what it has to stay."""
        return cls(store, product, mapped, lock, await store.fetchval(_SPEC, product.uid) or "")

    async def add(self, read: Read) -> list[Refused]:
        """Add a batch to the table, in the caller's transaction and under the table's lock; return the rows whose expressions cannot be evaluated.

        Raises FillingEndedError if a key comes twice, and SourceChangedError if the product has changed.
        """
        store, t = self.store, table(self.product.relation)
        if await store.fetchval(_SPEC, self.product.uid) != self.spec:
            raise SourceChangedError
        if not read.taken.num_rows:
            return []
        await self.mapped.bring(store, read)
        await lock_people(store, f'(select ":subject" as subject from {INCOMING}) i')
        await store.execute(f'delete from {INCOMING} i using consent.erased e where e.product = $1 and e.subject = i.":subject"', base_of(self.product))
        await store.execute("set local commonweal.standings = 'brought'")  # see consent.on_arrival
        said = "select from consent.state s join agreement.register r on r.number = s.agreement where r.product = $1"
        standing = await store.fetchval(f"select exists ({said})", self.product.uid)
        rows = f"insert into {t} ({self.mapped.columns}{', _consent, _objection, _lapse' if standing else ''}) select {self.mapped.values}"
        rows += f"{_STOOD} from {INCOMING} i {self._standings()}" if standing else f" from {INCOMING} i"
        try:
            return await self.mapped.put(store, rows)
        except asyncpg.UniqueViolationError:
            raise FillingEndedError from None

    def _standings(self) -> str:
        """Return the join with where each person stands, looked up person by person: a batch is few of all who have ever said something."""
        return f'left join lateral (select {_NAMED} from consent.standings w where w.product = {literal(self.product.uid)} and w.subject = i.":subject") w on true'


# names with a colon: no source column that an expression reads has one
_NAMED = 'w.consent as ":consent", w.objection as ":objection", w.lapse as ":lapse"'
_STOOD = """, coalesce(":consent", '{}'), coalesce(":objection", '{}'), coalesce(":lapse", 'infinity')"""


async def may_fill(store: Any, product: Served) -> bool:
    """Return whether a product's table can be filled directly: it has never been loaded and is empty, and there is nobody for whom rows would have to be compared."""
    return bool(
        await store.fetchval(
            f"select loaded_at is null and not exists (select from {table(product.relation)}) and not exists (select from consent.renamed) "
            "and not exists (select from consent.erased where product = $2) from agreement.product where uid = $1",
            product.uid,
            base_of(product),
        )
    )


async def filled(store: Any, product: Served) -> int:
    """Return how many rows the filling has brought, in the transaction that ends it; raise FillingEndedError if an id has become another one meanwhile."""
    if await store.fetchval("select exists (select from consent.renamed)"):
        raise FillingEndedError
    rows: int = await store.fetchval(f"select count(*) from {table(product.relation)}")
    return rows


async def empty(store: Any, product: Served) -> None:
    """Take out what a filling that is not gone on with has brought, in the caller's transaction and under the table's lock."""
    await store.execute(f"truncate {table(product.relation)}")
