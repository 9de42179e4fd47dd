# ruff: noqa: S608 - statements are built here; every name and text in them comes through `names`
"""Rows of a load on their way: a table beside the product's own, filled batch by batch, each with the position to go on from.

The table is logged: an unlogged one is emptied when PostgreSQL recovers from a kill, and the load would begin anew. Batches are committed
without waiting for the disk instead; rows and position go together, so a crash of the machine costs the last batches and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from commonweal_runtime.store.agreements import Served
from commonweal_runtime.store.loading.copying import copy
from commonweal_runtime.store.loading.mapped import Mapped
from commonweal_runtime.store.loading.members import Members
from commonweal_runtime.store.loading.renaming import NOTED, Noted
from commonweal_runtime.store.loading.rows import Flaw, Read, Refused
from commonweal_runtime.store.loading.scope import Scope
from commonweal_runtime.store.names import column_of, identifier, literal
from commonweal_runtime.store.products import SQL_TYPE
from commonweal_runtime.store.sources import Survey

RESUME_HOURS = 6  # an older beginning is thrown away: in a database that goes on changing, its rows would be too old to be served
_FORM = 2  # of the texts that sources give: what was read in an earlier one is read again
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
    """The staging table of one product, for one load. `position` is where to go on; `complete` says that all is there."""

    store: Any
    product: Served
    plan: str
    seal: Seal
    mapped: Mapped
    members: Members
    rows: int = 0
    position: str | None = None
    complete: bool = False
    resumed: bool = False

    @property
    def table(self) -> str:
        """The qualified, quoted name of the table."""
        return staging_of(self.product.relation)

    @classmethod
    async def open(cls, store: Any, product: Served, survey: Survey, sector_key: bytes, scope: Scope) -> Staging:
        """Go on with the load of the same scope that broke off, or begin one. `store` is a connection as superuser, for this load alone."""
        await store.execute(_SESSION)
        plan = scope.plan(plan_of(product, survey))
        staging = cls(store, product, plan, Seal(sector_key, plan), Mapped.of(product, survey.types), Members(product, scope.parts))
        row = await store.fetchrow(
            "select position, rows, complete from staging.progress where product = $1 and plan = $2 "
            f"and at > clock_timestamp() - interval '{RESUME_HOURS} hours' and to_regclass($3) is not null",
            product.uid,
            plan,
            staging.table,
        )
        position = staging.seal.open(row["position"]) if row is not None and row["position"] is not None else None
        if row is not None and (row["complete"] or position is not None):
            staging.rows, staging.position, staging.complete, staging.resumed = row["rows"], position, row["complete"], True
        else:
            await staging._begin()
        await staging.mapped.prepare(store)
        return staging

    async def _begin(self) -> None:
        shape = self.product.shape
        keys = ["subject uuid not null", *(["record text not null"] if shape.many else [])]
        columns = ", ".join([*keys, *(f"{c.name} {SQL_TYPE[c.type_]}" for c in shape.raw), "_key text not null", "_place bigint not null"])
        async with self.store.transaction():
            await self.store.execute(f"drop table if exists {self.table}; create table {self.table} ({columns})")
            await self.store.execute(f"alter table {self.table} owner to cw_owner")
            await self._forget("refused", "former")
            await self.members.begin(self.store)
            await self.store.execute(
                "insert into staging.progress (product, plan, parts) values ($1, $2, $3) on conflict (product) do update set plan = excluded.plan, "
                "parts = excluded.parts, position = null, rows = 0, complete = false, begun_at = clock_timestamp(), at = clock_timestamp()",
                self.product.uid,
                self.plan,
                self.members.parts,
            )

    async def add(self, read: Read, noted: Sequence[Noted], position: str | None) -> None:
        """Keep one batch, what is noted of former ids in it, and the position after it: all or nothing."""
        async with self.store.transaction():
            refused = list(read.refused)
            if self.mapped.fields:
                refused += await self.mapped.evaluate(self.store, self.table, read)
            else:
                await copy(self.store, read.taken, self.product.relation, self._columns, "staging")
            await self._refuse(refused)
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

    @property
    def _columns(self) -> list[str]:
        shape = self.product.shape
        return [*shape.key, *(column_of(c.field) for c in shape.raw), "_key", "_place"]

    async def _refuse(self, refused: Sequence[Refused]) -> None:
        """Note refused rows; of two with one key the later is told apart by its place."""
        if refused:
            await self.store.executemany(
                "insert into staging.refused (product, key, field, reason, subject, place) "
                "select $1, case when exists (select from staging.refused where product = $1 and key = $2) then $2 || ' at ' || $6::bigint else $2 end, "
                "$3, $4, $5::uuid, $6::bigint on conflict (product, key) do nothing",
                [(self.product.uid, r.key, r.field, str(r.flaw), r.subject, r.place) for r in refused],
            )

    async def finish(self) -> None:
        """Note that the source has been read to its end, and move rows whose key another row has to the refused ones."""
        shape = self.product.shape
        key, named = ", ".join(shape.key), "spec.subject.recordKey" if shape.many else "spec.subject.column"
        values = ", ".join([*shape.key, *(c.name for c in shape.raw)])
        async with self.store.transaction():
            await self.store.execute(f"analyze {self.table}")
            await self.store.execute(  # of rows with one key the same one stays each time, however they were ordered
                f'with ranked as (select s.ctid, row_number() over (partition by {key} order by ({values})::text collate "C", _place) as n from {self.table} s '
                f"               where ({key}) in (select {key} from {self.table} group by {key} having count(*) > 1)), "
                f"gone as (delete from {self.table} s using ranked r where s.ctid = r.ctid and r.n > 1 returning s.subject, s._key, s._place, r.n) "
                "insert into staging.refused (product, key, field, reason, subject, place) "
                f"select $1::text, _key || ' double ' || n, {literal(named)}, {literal(Flaw.DOUBLE_KEY)}, subject, _place from gone",
                self.product.uid,
            )
            await self.store.execute("update staging.progress set complete = true where product = $1", self.product.uid)
        self.complete = True

    async def clear(self) -> None:
        """Remove the table and what was noted of the load, in the caller's transaction."""
        await self.store.execute(f"drop table if exists {self.table}")
        await self.members.clear(self.store)
        await self._forget("progress", "refused", "former", "asked")

    async def _forget(self, *tables: str) -> None:
        for table in tables:
            await self.store.execute(f"delete from staging.{table} where product = $1", self.product.uid)
