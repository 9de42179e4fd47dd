# ruff: noqa: S608 - statements are built here; every name in them comes through `names`
"""What the store remembers of a product's blocks: the seal of each, and whose rows are in it, so that rows that went are found without the source's keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from commonweal_runtime.store.agreements import Served
from commonweal_runtime.store.loading.members import Members
from commonweal_runtime.store.loading.scope import WHOLE_HOURS, Asking, Held, Scope
from commonweal_runtime.store.loading.staging import RESUME_HOURS, Staging, plan_of, staging_of
from commonweal_runtime.store.sources import Survey
from commonweal_runtime.store.sources.blocks import agreed

_AMONG = "pg_temp.among"
_BLOCK = ("product", "number", "seal")


async def asking(store: Any, product: Served, survey: Survey, sector_key: bytes) -> Asking:
    """Return what is known of a product's source before it is asked for its blocks."""
    row = await store.fetchrow(
        "select plan, parts, whole_at > clock_timestamp() - make_interval(hours => $2) as fresh from staging.divided where product = $1",
        product.uid,
        WHOLE_HOURS,
    )
    begun = await store.fetch(
        "select plan, parts from staging.progress where product = $1 and parts is not null and at > clock_timestamp() - make_interval(hours => $2)",
        product.uid,
        RESUME_HOURS,
    )
    held = None if row is None else Held(row["plan"], row["parts"], row["fresh"], await _seals(store, "block", product.uid))
    return Asking(product.uid, sector_key, plan_of(product, survey), held, {r["plan"]: r["parts"] for r in begun})


async def keep(staging: Staging, scope: Scope) -> Staging:
    """Keep what the source said of its blocks before its rows are read, and return where they are staged.

    A load that goes on has rows of an earlier moment, too: what was another thing then has no seal, so that the next load reads it again.
    """
    store, uid = staging.store, staging.product.uid
    async with store.transaction():
        said = agreed(await _seals(store, "asked", uid), scope.found) if staging.resumed else scope.found
        await store.execute("delete from staging.asked where product = $1", uid)
        records = [(uid, number, seal) for number, seal in said.items()]
        await store.copy_records_to_table("asked", schema_name="staging", records=records, columns=_BLOCK)
    return staging


async def among(staging: Staging, scope: Scope) -> str | None:
    """Make the table of everybody whose rows a load of some blocks has read, in the caller's transaction, and return its name; None for a load of all."""
    if scope.only is None:
        return None
    await staging.store.execute("create temporary table among (subject uuid not null) on commit drop")
    await staging.store.execute(
        f"insert into {_AMONG} select unnest(subjects) from staging.block where product = $1 and number = any ($2::int[]) "
        f"union select subject from {staging.members.table} where subject is not null",
        staging.product.uid,
        list(scope.only),
    )
    await staging.store.execute(f"analyze {_AMONG}")
    return _AMONG


async def remember(staging: Staging, survey: Survey, scope: Scope) -> None:
    """Remember the blocks that were read, in the transaction of the merge, before what is staged is cleared."""
    store, uid = staging.store, staging.product.uid
    if scope.parts is None:
        await forget(store, uid)
        return
    only = None if scope.only is None else list(scope.only)
    await store.execute("delete from staging.block where product = $1 and ($2::int[] is null or number = any ($2))", uid, only)
    await store.execute(
        f"insert into staging.block (product, number, seal, subjects) select a.product, a.number, a.seal, coalesce(s.subjects, '{{}}') from staging.asked a "
        f"left join ({staging.members.subjects}) s using (number) "
        "where a.product = $1 and ($2::int[] is null or a.number = any ($2))",
        uid,
        only,
    )
    if only is None:
        await store.execute(
            "insert into staging.divided as d (product, plan, parts) values ($1, $2, $3) on conflict (product) do update set "
            "plan = excluded.plan, parts = excluded.parts, whole_at = clock_timestamp()",
            uid,
            plan_of(staging.product, survey),
            scope.parts,
        )


async def forget(store: Any, product: str | None = None) -> None:
    """Remember nothing of the blocks of a product, or of any: the next load reads everything."""
    for table in ("divided", "block"):
        await store.execute(f"delete from staging.{table} where $1::text is null or product = $1", product)


async def leave(store: Any, product: Served) -> None:
    """Remove what a load that broke off has staged, once there is nothing to read."""
    if await store.fetchval("select exists (select from staging.progress where product = $1)", product.uid):
        async with store.transaction():
            await Members(product, None).clear(store)
            await store.execute(f"drop table if exists {staging_of(product.relation)}")
            for table in ("progress", "refused", "former", "asked"):
                await store.execute(f"delete from staging.{table} where product = $1", product.uid)


async def _seals(store: Any, table: str, product: str) -> Mapping[int, bytes | None]:
    return {r["number"]: r["seal"] for r in await store.fetch(f"select number, seal from staging.{table} where product = $1", product)}
