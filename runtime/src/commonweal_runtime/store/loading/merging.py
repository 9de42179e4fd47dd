# ruff: noqa: S608 - statements are built here; every name and text in them comes through `names`
"""The end of a load: one transaction that makes the product's table equal to the staged rows, and writes only what differs."""

from __future__ import annotations

from typing import Any

from commonweal_runtime.store.agreements import Served
from commonweal_runtime.store.names import table
from commonweal_runtime.store.shelving import CHANNEL

_WORK = "32MB"  # one statement at a time, and a million rows


async def merge(store: Any, product: Served, staged: str) -> tuple[int, int, int]:
    """Make the table equal to the staged rows; return rows inserted, updated and deleted. The caller holds the transaction.

    The people concerned are locked first, in one order, as consent events lock theirs: neither can wait for the other in a circle. Whoever has
    been erased is left out after that: an erasure either came before or waits, and then finds the row.
    """
    t, shape = table(product.relation), product.shape
    same = " and ".join(f"t.{k} = s.{k}" for k in shape.key)
    names = [c.name for c in shape.raw]
    mine, theirs = (", ".join(f"{alias}.{n}" for n in names) for alias in "ts")
    differs = f"({mine}) is distinct from ({theirs})" if len(names) > 1 else f"{mine} is distinct from {theirs}"
    await store.execute(f"set local work_mem = '{_WORK}'")
    await store.execute(
        f"create temporary table touched on commit drop as select distinct consent.bucket(coalesce(t.subject, s.subject)) as b "
        f"from {t} t full join {staged} s on {same} where t.subject is null or s.subject is null or {differs}"
    )
    await store.execute("select pg_advisory_xact_lock(1, b) from (select b from touched order by b) o")
    base = product.uid.partition("@")[0]  # a tombstone holds for every version of a product
    await store.execute(f"delete from {staged} s using consent.erased e where e.product = $1 and e.subject = s.subject", base)
    insert = (
        f"insert into {t} ({', '.join([*shape.key, *names])}) select {', '.join(['s.' + c for c in [*shape.key, *names]])} from {staged} s "
        f"where not exists (select from {t} t where {same})"
    )
    update = f"update {t} t set {', '.join(f'{n} = s.{n}' for n in names)} from {staged} s where {same} and {differs}"
    delete = f"delete from {t} t where not exists (select from {staged} s where {same})"
    deleted, updated, inserted = [_count(await store.execute(statement)) for statement in (delete, update, insert)]
    return inserted, updated, deleted


def _count(tag: str) -> int:
    return int(tag.rsplit(" ", 1)[1])


async def note(store: Any, product: Served, refused: int, *, changed: bool) -> None:
    """Record the load. A refresh that changed nothing writes this one row of the register and no other."""
    rows = await store.fetchval(f"select count(*) from {table(product.relation)}") if changed or product.unfilled else None
    await store.execute(
        "update agreement.product set loaded_at = clock_timestamp(), rows = coalesce($2, rows), refused = $3, unfilled = '{}' where uid = $1",
        product.uid,
        rows,
        refused,
    )
    if product.unfilled:
        await store.execute(f"notify {CHANNEL}")
