# ruff: noqa: S608 - statements are built here; every name and text in them comes through `names`
"""The end of a load: one transaction that makes the product's table equal to the staged rows, and writes only what differs."""

from __future__ import annotations

from typing import Any

from commonweal_runtime.store.agreements import Served
from commonweal_runtime.store.loading.loss import check_loss
from commonweal_runtime.store.names import literal, table
from commonweal_runtime.store.product_tables import CHANNEL

_WORK = "32MB"  # one statement at a time, and a million rows


async def merge(store: Any, product: Served, staged: str, among: str | None = None) -> tuple[int, int, int]:
    """Make the table equal to the staged rows; return rows inserted, updated and deleted. The caller holds the transaction.

    `among` names a table of the subjects whose rows were read; what the product has of others stays.

    What differs is found first and kept aside, so nothing is looked up in a table that grows meanwhile. The people concerned are then locked, in
    one order, as consent events lock theirs: neither can wait for the other in a circle. Whoever has been erased is left out after that: an
    erasure either came before or waits, and then finds the row. Raises SourceReadError if it would lose more rows than the product allows.
    """
    await store.execute(f"set local work_mem = '{_WORK}'")
    if await store.fetchval(f"select not exists (select from {table(product.relation)})"):
        return await _fill(store, product, staged, among), 0, 0
    await _find(store, product, staged, among)
    await check_loss(store, product)
    await lock_people(store, "delta")
    base = base_of(product)
    await store.execute("delete from delta d using consent.erased e where e.product = $1 and e.subject = d.subject and d.act <> 'D'", base)
    await _note_gone(store, product, staged, among)
    t, shape = table(product.relation), product.shape
    names = [c.name for c in shape.raw]
    here, there = (" and ".join(f"{alias}.{k} = d.{k}" for k in shape.key) for alias in "ts")
    delete = f"delete from {t} t using delta d where d.act = 'D' and {here}"
    update = (
        f"update {t} t set {', '.join(f'{n} = s.{n}' for n in names)} from delta d join {staged} s on {there} where d.act = 'U' and {here}"
    )
    insert = _insert(product, f"delta d join {staged} s on {there}") + " where d.act = 'I'"
    await store.execute("set local commonweal.standings = 'brought'")  # see consent.on_arrival
    deleted, updated, inserted = [_count(await store.execute(statement)) for statement in (delete, update, insert)]
    return inserted, updated, deleted


async def _fill(store: Any, product: Served, staged: str, among: str | None) -> int:
    """Fill a table that is empty, as at a product's first load: every staged row is a new one, so nothing is looked for."""
    await lock_people(store, staged)
    await _note_gone(store, product, staged, among)
    await store.execute("set local commonweal.standings = 'brought'")
    erased = f"select from consent.erased e where e.product = {literal(base_of(product))} and e.subject = s.subject"
    return _count(await store.execute(f"{_insert(product, f'{staged} s')} where not exists ({erased})"))


async def lock_people(store: Any, people: str | None) -> None:
    """Lock the people of a relation with a column `subject`, or everybody, until the transaction ends, in the order that all keep."""
    buckets = "generate_series(0, 1023) b"
    if people is not None:
        buckets = f"(select distinct consent.bucket(subject) as b from {people} order by b) o"
    await store.execute(f"select pg_advisory_xact_lock(1, b) from {buckets}")


async def _note_gone(store: Any, product: Served, staged: str, among: str | None) -> None:
    """Note of people who were erased here that their source no longer gives them, so its owner has erased them too."""
    await store.execute(
        f"update consent.erased e set at_source = clock_timestamp() where product = $1 and at_source is null "
        f"and not exists (select from {staged} s where s.subject = e.subject) "
        "and not exists (select from staging.refused r where r.product = $2 and r.subject = e.subject)"
        + (f" and e.subject in (select subject from {among})" if among else ""),
        base_of(product),
        product.uid,
    )


def base_of(product: Served) -> str:
    """Return what a tombstone names: it holds for every version of a product."""
    return product.uid.partition("@")[0]


def _insert(product: Served, rows: str) -> str:
    """Return the statement, up to its condition, that inserts staged rows `s` with where their people stand."""
    columns = [*product.shape.key, *(c.name for c in product.shape.raw)]
    return (
        f"insert into {table(product.relation)} ({', '.join(columns)}, _consent, _objection, _lapse) select {', '.join('s.' + c for c in columns)}, "
        f"coalesce(w.consent, '{{}}'), coalesce(w.objection, '{{}}'), coalesce(w.lapse, 'infinity') from {rows} "
        f"left join (select * from consent.standings where product = {literal(product.uid)}) w on w.subject = s.subject"
    )


async def _find(store: Any, product: Served, staged: str, among: str | None) -> None:
    """Make the temporary table `delta`: the key of each row that differs, and whether it is to be inserted, updated or deleted."""
    t, shape = table(product.relation), product.shape
    same = " and ".join(f"t.{k} = s.{k}" for k in shape.key)
    names = [c.name for c in shape.raw]
    mine, theirs = (", ".join(f"{alias}.{n}" for n in names) for alias in "ts")
    differs = f"({mine}) is distinct from ({theirs})" if len(names) > 1 else f"{mine} is distinct from {theirs}"
    keys = ", ".join(f"coalesce(t.{k}, s.{k}) as {k}" for k in shape.key)
    old = f"(select * from {t} where subject in (select subject from {among}))" if among else t
    await store.execute(
        f"create temporary table delta on commit drop as select {keys}, "
        "case when s.subject is null then 'D' when t.subject is null then 'I' else 'U' end as act "
        f"from {old} t full join {staged} s on {same} where t.subject is null or s.subject is null or {differs}"
    )
    await store.execute("analyze delta")


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
