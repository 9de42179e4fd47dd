# ruff: noqa: S608 - statements are built here; every name and text in them comes through `names`
"""Rows of a load on their way: a table beside the product's own, filled batch by batch, each with the position to go on from.

The table is logged: an unlogged one is emptied when PostgreSQL recovers from a kill, and the load would begin anew. Batches are committed
without waiting for the disk instead; rows and position go together, so a crash of the machine costs the last batches and nothing else.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from commonweal_runtime.store.agreements import Served
from commonweal_runtime.store.loading import quarantine
from commonweal_runtime.store.loading.copying import copy, lines_of
from commonweal_runtime.store.loading.filling import Filling
from commonweal_runtime.store.loading.mapped import Mapped
from commonweal_runtime.store.loading.members import Members
from commonweal_runtime.store.loading.renaming import NOTED, Noted
from commonweal_runtime.store.loading.rows import Flaw, Read, Refused
from commonweal_runtime.store.loading.scope import Scope
from commonweal_runtime.store.loading.trials import INCOMING
from commonweal_runtime.store.names import column_of, identifier, literal
from commonweal_runtime.store.products import SQL_TYPE
from commonweal_runtime.store.sources import Survey

RESUME_HOURS = 6  # an older beginning is thrown away: in a database that goes on changing, its rows would be too old to be served
_FORM = 3  # of the texts and positions that sources give: what was read in an earlier one is read again
# The search path is the one that functions of `mapping` set: with another, PostgreSQL would plan what they do again in every call.
_SESSION = "set timezone = 'UTC'; set datestyle = 'ISO, YMD'; set synchronous_commit = off; set search_path = pg_catalog"


def staging_of(relation: str) -> str:
    """Return the qualified, quoted name of the staging table of a product's table."""
    return f"staging.{identifier(relation)}"


def plan_of(product: Served, survey: Survey) -> str:
    """Return a digest of what is read, from where, into what: only a load of the same may go on where one broke off."""
    wire = product.spec.wire()
    parts = [_FORM, product.relation, {k: wire[k] for k in ("source", "subject", "fields")}, sorted(survey.types.items()), survey.order]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class Seal:
    """Encrypts positions, which can hold a source key, under a key that follows from the department's sector key."""

    def __init__(self, sector_key: bytes, plan: str) -> None:
        key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"commonweal load position").derive(sector_key)
        self._cipher, self._plan = AESGCM(key), plan.encode()

    def close(self, position: str) -> bytes:
        """Return a position that only the same plan can read."""
        nonce = os.urandom(12)
        return nonce + self._cipher.encrypt(nonce, position.encode(), self._plan)

    def open(self, sealed: bytes) -> str | None:
        """Return the position; None if it is none of this key and plan."""
        try:
            return self._cipher.decrypt(sealed[:12], sealed[12:], self._plan).decode()
        except InvalidTag:
            return None


@dataclass(slots=True)
class Staging:
    """The staging table of one product, for one load. `position` is where to go on; `complete` says that all is there.

    `filling`: the rows lie in the product's own table already, and here is none.
    """

    store: Any
    product: Served
    plan: str
    seal: Seal
    mapped: Mapped
    lock: asyncio.Lock
    filler: Filling
    members: Members
    rows: int = 0
    position: str | None = None
    complete: bool = False
    filling: bool = False
    resumed: bool = False

    @property
    def table(self) -> str:
        """The qualified, quoted name of the table."""
        return staging_of(self.product.relation)

    @classmethod
    async def open(
        cls, store: Any, product: Served, survey: Survey, sector_key: bytes, scope: Scope, lock: asyncio.Lock, *, fill: bool
    ) -> Staging:
        """Go on with the load of the same scope that broke off, or begin one. `store` is a connection as superuser, for this load alone; `lock` is that of the table.

        `fill`: a table that has never been loaded may be filled without staging.
        """
        await store.execute(_SESSION)
        plan = scope.plan(plan_of(product, survey))
        mapped = Mapped.of(product, survey.types)
        filler, members = await Filling.of(store, product, mapped), Members(product, scope.parts)
        staging = cls(store, product, plan, Seal(sector_key, plan), mapped, lock, filler, members)
        row = await store.fetchrow(
            "select position, rows, complete, filling from staging.progress where product = $1 and plan = $2 "
            f"and at > clock_timestamp() - interval '{RESUME_HOURS} hours' and to_regclass($3) is not null",
            product.uid,
            plan,
            staging.table,
        )
        position = staging.seal.open(row["position"]) if row is not None and row["position"] is not None else None
        if row is not None and (row["complete"] or position is not None) and (fill or not row["filling"]):
            staging.rows, staging.position, staging.complete, staging.filling = row["rows"], position, row["complete"], row["filling"]
            staging.resumed = True
        else:
            await staging._begin(fill=fill)
        await mapped.prepare(store)
        return staging

    async def _begin(self, *, fill: bool) -> None:
        shape = self.product.shape
        keys = ["subject uuid not null", *(["record text not null"] if shape.many else [])]
        columns = ", ".join([*keys, *(f"{c.name} {SQL_TYPE[c.type_]}" for c in shape.raw), "_key text not null", "_place bigint not null"])
        async with self.lock, self.store.transaction():
            await self.store.execute(f"drop table if exists {self.table}; create table {self.table} ({columns})")
            await self.store.execute(f"alter table {self.table} owner to cw_owner")
            if await self.store.fetchval("select filling from staging.progress where product = $1", self.product.uid):
                await self.filler.undo()
            self.filling = fill and await self.filler.begin()
            await self._forget("refused", "former")
            await self.members.begin(self.store)
            await self.store.execute(
                "insert into staging.progress (product, plan, filling, parts) values ($1, $2, $3, $4) on conflict (product) do update set "
                "plan = excluded.plan, filling = excluded.filling, parts = excluded.parts, position = null, rows = 0, complete = false, "
                "begun_at = clock_timestamp(), at = clock_timestamp()",
                self.product.uid,
                self.plan,
                self.filling,
                self.members.parts,
            )

    def written(self, read: Read) -> Read:
        """Return a batch with the lines that `add` sends. It may run in another thread."""
        rows = self.mapped.sent(read) if self.filling or self.mapped.fields else read.taken
        return replace(read, lines=lines_of(rows), member_lines=b"" if read.members is None else lines_of(read.members))

    async def add(self, read: Read, noted: Sequence[Noted], position: str | None) -> None:
        """Keep one batch, which `written` has given its lines, what is noted of former ids in it, and the position after it: all or nothing."""
        async with self.lock if self.filling else nullcontext(), self.store.transaction():
            await self._refuse(read.refused)
            await self._keep(read)
            await self._place(read)
            await self.members.add(self.store, read)
            if noted:
                await self.store.copy_records_to_table("former", schema_name="staging", records=noted, columns=NOTED)
            self.rows += read.rows
            sealed = self.seal.close(position) if position is not None else None
            await self.store.execute(
                "update staging.progress set position = $2, rows = $3, at = clock_timestamp() where product = $1",
                self.product.uid,
                sealed,
                self.rows,
            )

    async def _keep(self, read: Read) -> None:
        """Put a batch where it belongs, and refuse the rows whose expressions cannot be evaluated."""
        mapped = self.mapped
        if not read.taken.num_rows:
            return
        if self.filling:
            await self.filler.add(read)
        elif mapped.fields:
            await mapped.bring(self.store, read)
            rows = f'select {mapped.values}, {mapped.key}, ":place" from {INCOMING}'
            await mapped.put(self.store, f"insert into {self.table} ({mapped.columns}, _key, _place) {rows}")
        else:
            await copy(self.store, read.lines, self.product.relation, self._columns, "staging")

    @property
    def _columns(self) -> list[str]:
        shape = self.product.shape
        return [*shape.key, *(column_of(c.field) for c in shape.raw), "_key", "_place"]

    async def _place(self, read: Read) -> None:
        """Note of the batch's refused rows where they stand in the source, if it can say so. The batch comes after all that is staged."""
        if read.origin is None:
            return
        begun = self.rows + 1
        unplaced = "select place from staging.refused where product = $1 and place >= $2 and origin is null"
        places = [row["place"] for row in await self.store.fetch(unplaced, self.product.uid, begun)]
        if places:
            await self.store.execute(
                "update staging.refused r set origin = u.origin from unnest($2::bigint[], $3::text[]) u (place, origin) "
                "where r.product = $1 and r.place = u.place",
                self.product.uid,
                places,
                [read.origin(place - begun) for place in places],
            )

    async def _refuse(self, refused: Sequence[Refused]) -> None:
        if refused:
            rows = (
                "select * from unnest($2::text[], $3::text[], $4::text[], $5::uuid[], $6::bigint[]) u (key, field, reason, subject, place)"
            )
            each = ((r.key, r.field, str(r.flaw), r.subject, r.place) for r in refused)
            await self.store.execute(quarantine.refusing(rows), self.product.uid, *map(list, zip(*each, strict=True)))

    async def finish(self) -> None:
        """Note that the source has been read to its end, and move rows whose key another row has to the refused ones.

        Raises FillingEndedError if a table that was filled holds a key twice.
        """
        async with self.lock if self.filling else nullcontext(), self.store.transaction():
            await (self.filler.finish() if self.filling else self._settle_doubles())
            await self.store.execute("update staging.progress set complete = true where product = $1", self.product.uid)
        self.complete = True

    async def _settle_doubles(self) -> None:
        shape = self.product.shape
        key, named = ", ".join(shape.key), "spec.subject.recordKey" if shape.many else "spec.subject.column"
        values = ", ".join([*shape.key, *(c.name for c in shape.raw)])
        await self.store.execute(f"analyze {self.table}")
        await self.store.execute(  # of rows with one key the same one stays each time, however they were ordered
            f'with ranked as (select s.ctid, row_number() over (partition by {key} order by ({values})::text collate "C", _place) as n from {self.table} s '
            f"               where ({key}) in (select {key} from {self.table} group by {key} having count(*) > 1)), "
            f"gone as (delete from {self.table} s using ranked r where s.ctid = r.ctid and r.n > 1 returning s.subject, s._key, s._place, r.n) "
            "insert into staging.refused (product, key, field, reason, subject, place) "
            f"select $1::text, _key || ' double ' || n, {literal(named)}, {literal(Flaw.DOUBLE_KEY)}, subject, _place from gone",
            self.product.uid,
        )

    async def clear(self) -> None:
        """Remove the table and what was noted of the load, in the caller's transaction."""
        await self.store.execute(f"drop table if exists {self.table}")
        await self.members.clear(self.store)
        await self._forget("progress", "refused", "former", "asked")

    async def discard(self) -> None:
        """Remove all that this load has brought, wherever it lies."""
        async with self.lock, self.store.transaction():
            if self.filling:
                await self.filler.undo()
            await self.clear()

    async def _forget(self, *tables: str) -> None:
        for table in tables:
            await self.store.execute(f"delete from staging.{table} where product = $1", self.product.uid)
