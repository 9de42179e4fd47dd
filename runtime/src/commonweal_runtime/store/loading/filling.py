# ruff: noqa: S608 - statements are built here; every name and text in them comes through `names` or from the compiler of expressions
"""The first load of a product, straight into its table: nobody is served from it before that load has ended, so no row has to wait beside it.

Each batch does for its own people what a merge does for all: it locks them, leaves out the erased and brings where they stand. The primary key is made
at the end, from rows that are sorted once. What only the whole can tell, that two rows have one key or that an id has become another one, ends the
filling, and the load begins again beside the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import asyncpg

from commonweal_runtime.exceptions import FillingEndedError, SourceChangedError
from commonweal_runtime.store.agreements import Served
from commonweal_runtime.store.loading.copying import copy
from commonweal_runtime.store.loading.mapped import Mapped
from commonweal_runtime.store.loading.merging import base_of, lock_people
from commonweal_runtime.store.loading.rows import Read
from commonweal_runtime.store.loading.trials import INCOMING
from commonweal_runtime.store.names import column_of, identifier, literal, table

_MANY = 2000  # people of one batch, for whom nearly all locks there are would be asked for one by one
_SPEC = "encode(sha256(convert_to(spec::text, 'UTF8')), 'hex')"
# What the product is now, whether anybody has said something under an agreement on it; and what `consent.on_arrival` is told.
_ASKED = (
    f"select {_SPEC} as spec, exists (select from consent.state s join agreement.register r on r.number = s.agreement where r.product = $1) as said, "
    "exists (select from consent.erased where product = $2) as erased, set_config('commonweal.standings', 'brought', true) from agreement.product where uid = $1"
)
# names with a colon: no source column that an expression reads has one
_NAMED = 'w.consent as ":consent", w.objection as ":objection", w.lapse as ":lapse"'
_STOOD = """coalesce(":consent", '{}'), coalesce(":objection", '{}'), coalesce(":lapse", 'infinity')"""


@dataclass(frozen=True, slots=True)
class Filling:
    """What is done to the table itself, each in the caller's transaction and under the table's lock. `spec` tells the product from a later one."""

    store: Any
    product: Served
    mapped: Mapped
    spec: str

    @classmethod
    async def of(cls, store: Any, product: Served, mapped: Mapped) -> Filling:
        """Return the filling of a table; what the product is now is what it has to stay."""
        spec = await store.fetchval(f"select {_SPEC} from agreement.product where uid = $1", product.uid)
        return cls(store, product, mapped, spec or "")

    async def begin(self) -> bool:
        """Return whether the table can be filled, and make it ready: it has never been loaded and is empty, and nobody has been erased or renamed."""
        fits: bool = await self.store.fetchval(
            f"select loaded_at is null and not exists (select from {self._table}) and not exists (select from consent.renamed) "
            "and not exists (select from consent.erased where product = $2) from agreement.product where uid = $1",
            self.product.uid,
            base_of(self.product),
        )
        if fits and (key := await self._key()):
            await self.store.execute(f"alter table {self._table} drop constraint {identifier(key)}")
        return fits

    async def add(self, read: Read) -> None:
        """Add a batch; refuse the rows whose expressions cannot be evaluated. Raises SourceChangedError if the product has changed."""
        store, many = self.store, read.taken.num_rows >= _MANY
        if not many:
            await self.mapped.bring(store, read)
        await lock_people(store, None if many else f'(select ":subject" as subject from {INCOMING}) i')
        asked = await store.fetchrow(_ASKED, self.product.uid, base_of(self.product))
        if asked is None or asked["spec"] != self.spec:
            raise SourceChangedError
        if many and not (self.mapped.fields or asked["said"] or asked["erased"]):
            shape = self.product.shape
            await copy(store, read.lines, self.product.relation, [*shape.key, *(column_of(c.field) for c in shape.raw)], "product")
            return
        if many:
            await self.mapped.bring(store, read)
        if asked["erased"]:
            await store.execute(
                f'delete from {INCOMING} i using consent.erased e where e.product = $1 and e.subject = i.":subject"', base_of(self.product)
            )
        await self.mapped.put(store, self._insert(stood=asked["said"]))

    def _insert(self, *, stood: bool) -> str:
        """Return the statement that inserts the batch; `stood` brings where each person stands, looked up one by one, for they are few of all."""
        values, columns = self.mapped.values, self.mapped.columns
        if not stood:
            return f"insert into {self._table} ({columns}) select {values} from {INCOMING}"
        standing = f'select {_NAMED} from consent.standings w where w.product = {literal(self.product.uid)} and w.subject = i.":subject"'
        return (
            f"insert into {self._table} ({columns}, _consent, _objection, _lapse) select {values}, {_STOOD} "
            f"from {INCOMING} i left join lateral ({standing}) w on true"
        )

    async def finish(self) -> None:
        """Give the table its primary key. Raises FillingEndedError if a key comes twice."""
        try:
            await self._give_key()
        except asyncpg.UniqueViolationError:
            raise FillingEndedError from None

    async def filled(self) -> int:
        """Return how many rows have come. Raises FillingEndedError if an id has become another one meanwhile."""
        if await self.store.fetchval("select exists (select from consent.renamed)"):
            raise FillingEndedError
        rows: int = await self.store.fetchval(f"select count(*) from {self._table}")
        return rows

    async def undo(self) -> None:
        """Take out what a filling that is not gone on with has brought."""
        await self.store.execute(f"truncate {self._table}")
        if await self._key() is None:
            await self._give_key()

    @property
    def _table(self) -> str:
        return table(self.product.relation)

    async def _key(self) -> str | None:
        name: str | None = await self.store.fetchval(
            "select conname::text from pg_constraint where conrelid = to_regclass($1) and contype = 'p'", self._table
        )
        return name

    async def _give_key(self) -> None:
        await self.store.execute(f"alter table {self._table} add primary key ({', '.join(self.product.shape.key)})")
