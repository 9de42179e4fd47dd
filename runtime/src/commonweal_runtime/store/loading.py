# ruff: noqa: S608 - statements are built here; every name and text in them comes through `names`
"""Brings a product's table up to its source: staged first, then merged in one transaction that writes only what differs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from commonweal_runtime.store import sources
from commonweal_runtime.store.agreements import Served
from commonweal_runtime.store.names import column_of, table
from commonweal_runtime.store.products import SQL_TYPE, Shape
from commonweal_runtime.store.shelving import CHANNEL, served_product

_STAGING = "staging"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did to a product's table."""

    inserted: int
    updated: int
    deleted: int
    refused: int
    detail: str

    @property
    def written(self) -> int:
        """Rows that were written."""
        return self.inserted + self.updated + self.deleted


class ChangedError(Exception):
    """The product was changed while its source was being read; the load begins again with the new shape."""


async def load(store: Any, product: Served, credentials: sources.Credentials, sector_key: bytes, lock: asyncio.Lock) -> Loaded:
    """Read the source and merge it through `store`, a connection as superuser.

    `lock` is held for the merge alone, so a slow source blocks nobody. Raises SourceError and leaves the table as it was if the source
    breaks off, and ChangedError if the plan changed the product meanwhile.
    """
    refusals = sources.Refusals()
    async with sources.connect(product.spec, credentials) as source:
        await sources.inspect(source, product.spec)
        await _stage(store, product.shape, sources.records(source, product.spec, sector_key, refusals))
    await _drop_doubles(store, product.shape, refusals)
    async with lock, store.transaction():
        if await served_product(store, product.name) != product:
            raise ChangedError
        inserted, updated, deleted = await _merge(store, product)
        await _note(store, product, refusals.count, changed=bool(inserted or updated or deleted))
    return Loaded(inserted, updated, deleted, refusals.count, refusals.detail() if refusals.count else "")


async def _stage(store: Any, shape: Shape, rows: AsyncIterator[tuple[Any, ...]]) -> None:
    keys = ["subject uuid", *(["record text"] if shape.many else [])]
    columns = ", ".join([*keys, *(f"{c.name} {SQL_TYPE[c.type_]}" for c in shape.raw)])
    await store.execute(f"drop table if exists pg_temp.{_STAGING}; create temporary table {_STAGING} ({columns})")
    names = [*shape.key, *(column_of(c.field) for c in shape.raw)]
    await store.copy_records_to_table(_STAGING, records=rows, columns=names)
    await store.execute(f"analyze {_STAGING}")


async def _drop_doubles(store: Any, shape: Shape, refusals: sources.Refusals) -> None:
    """Keep one row per key, the same one each time, and count the others."""
    key = ", ".join(shape.key)
    doubles = await store.fetchval(
        f'with ranked as (select s.ctid, row_number() over (partition by {key} order by s::text collate "C") as n from {_STAGING} s '
        f"               where ({key}) in (select {key} from {_STAGING} group by {key} having count(*) > 1)), "
        f"gone as (delete from {_STAGING} s using ranked r where s.ctid = r.ctid and r.n > 1 returning 1) select count(*) from gone"
    )
    refusals.add("spec.subject.recordKey" if shape.many else "spec.subject.column", doubles)


async def _merge(store: Any, product: Served) -> tuple[int, int, int]:
    """Make the table equal to the staged rows; return rows inserted, updated and deleted.

    The people concerned are locked first, in one order, as consent events lock theirs: neither can wait for the other in a circle.
    """
    t, shape = table(product.relation), product.shape
    same = " and ".join(f"t.{k} = s.{k}" for k in shape.key)
    names = [c.name for c in shape.raw]
    mine, theirs = (", ".join(f"{alias}.{n}" for n in names) for alias in "ts")
    differs = f"({mine}) is distinct from ({theirs})" if len(names) > 1 else f"{mine} is distinct from {theirs}"
    await store.execute(
        f"create temporary table touched on commit drop as select distinct consent.bucket(coalesce(t.subject, s.subject)) as b "
        f"from {t} t full join {_STAGING} s on {same} where t.subject is null or s.subject is null or {differs}"
    )
    await store.execute("select pg_advisory_xact_lock(1, b) from (select b from touched order by b) o")
    insert = (
        f"insert into {t} ({', '.join([*shape.key, *names])}) select {', '.join(['s.' + c for c in [*shape.key, *names]])} from {_STAGING} s "
        f"where not exists (select from {t} t where {same})"
    )
    update = f"update {t} t set {', '.join(f'{n} = s.{n}' for n in names)} from {_STAGING} s where {same} and {differs}"
    delete = f"delete from {t} t where not exists (select from {_STAGING} s where {same})"
    deleted, updated, inserted = [_count(await store.execute(statement)) for statement in (delete, update, insert)]
    return inserted, updated, deleted


def _count(tag: str) -> int:
    return int(tag.rsplit(" ", 1)[1])


async def _note(store: Any, product: Served, refused: int, *, changed: bool) -> None:
    """Record the load. A refresh that changed nothing writes this one row and no other."""
    rows = await store.fetchval(f"select count(*) from {table(product.relation)}") if changed or product.unfilled else None
    await store.execute(
        "update agreement.product set loaded_at = clock_timestamp(), rows = coalesce($2, rows), refused = $3, unfilled = '{}' where uid = $1",
        product.uid,
        rows,
        refused,
    )
    if product.unfilled:
        await store.execute(f"notify {CHANNEL}")
