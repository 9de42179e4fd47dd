# ruff: noqa: S608 - statements are built here; every name and text in them comes through `names`
"""Which block each row of the load under way is in: by the person's id, or by what tells a row without one apart. It lies beside the rows, wherever those go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from commonweal_runtime.store.agreements import Served
from commonweal_runtime.store.loading.copying import copy
from commonweal_runtime.store.loading.rows import Read
from commonweal_runtime.store.names import identifier, literal


@dataclass(frozen=True, slots=True)
class Members:
    """The table of one load of a product, each in the caller's transaction; none where `parts` says that the source is not divided."""

    product: Served
    parts: int | None

    async def begin(self, store: Any) -> None:
        """Make it, with nothing in it."""
        await self.clear(store)
        if self.parts is not None:
            await store.execute(
                f"create table {self.table} (number int not null, subject uuid, key text); alter table {self.table} owner to cw_owner"
            )

    async def add(self, store: Any, read: Read) -> None:
        """Add the rows of a batch, refused ones too."""
        if read.member_lines:
            await copy(store, read.member_lines, self._name, ["number", "subject", "key"], "staging")

    async def clear(self, store: Any) -> None:
        """Remove it."""
        await store.execute(f"drop table if exists {self.table}")

    @property
    def table(self) -> str:
        """The qualified, quoted name of the table."""
        return f"staging.{identifier(self._name)}"

    @property
    def _name(self) -> str:
        return f"members_{self.product.relation[-10:]}"  # which every product has another one of

    @property
    def refused(self) -> str:
        """The query for key and block of each refused row."""
        if self.parts is None:
            return "select null::text as key, null::int as number limit 0"
        mine = f"staging.refused where product = {literal(self.product.uid)}"
        return (
            f"select r.key, m.number from (select distinct subject, number from {self.table} where subject in (select subject from {mine})) m "
            f"join (select key, subject from {mine}) r using (subject) union all select key, number from {self.table} where subject is null"
        )

    @property
    def subjects(self) -> str:
        """The query for all people of each block."""
        each = "distinct subject" if self.product.shape.many else "subject"
        return f"select number, array_agg({each}) as subjects from {self.table} where subject is not null group by number"
