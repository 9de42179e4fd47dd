# ruff: noqa: S608 - statements are built here; every name and text in them comes through `names`
"""Rows that no load could take: which ones, since when, and why; never what is in them. A row that has become good leaves."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

_EXAMPLES = 5


def refusing(rows: str) -> str:
    """Return the statement that notes refused rows of a load: key, field, reason, subject and place, from a query or what a statement returns.

    Of rows with one key the later are told apart by their place. The product is $1. What is there already is found by the index alone, however many there are.
    """
    into = "insert into staging.refused (product, key, field, reason, subject, place) select $1::text"
    return (
        f"with gone as ({rows}), first as ({into}, key, field, reason, subject, place from gone order by place on conflict (product, key) do nothing "
        f"returning place) {into}, key || ' at ' || place, field, reason, subject, place from gone where place not in (select place from first) "
        "on conflict (product, key) do nothing"
    )


async def settle(store: Any, product: str, only: Collection[int] | None, blocks: str) -> dict[str, int]:
    """Make the quarantine of a product equal to what its load has refused, in the caller's transaction; return rows by field.

    `only`: the blocks that were read; what other blocks have in quarantine stays. `blocks` is the query that tells key and block of what was refused.
    """
    await store.execute(
        "delete from staging.quarantine q where product = $1 and ($2::int[] is null or block = any ($2)) "
        "and not exists (select from staging.refused r where r.product = q.product and r.key = q.key)",
        product,
        only,
    )
    await store.execute(
        "insert into staging.quarantine (product, key, field, reason, subject, place, origin, block) "
        f"select product, key, field, reason, subject, place, origin, b.number from staging.refused left join ({blocks}) b using (key) where product = $1 "
        "on conflict (product, key) do update set field = excluded.field, reason = excluded.reason, subject = excluded.subject, "
        "place = excluded.place, origin = excluded.origin, block = excluded.block, last_seen = clock_timestamp()",
        product,
    )
    return await held(store, product)


async def held(store: Any, product: str) -> dict[str, int]:
    """Return how many rows of a product are in quarantine, by the field that is to blame."""
    rows = await store.fetch("select field, count(*) from staging.quarantine where product = $1 group by field", product)
    return {row["field"]: row["count"] for row in rows}


def described(fields: Mapping[str, int]) -> str:
    """Return how many rows are in quarantine, and the fields most to blame; nothing for none."""
    if not fields:
        return ""
    worst = sorted(fields.items(), key=lambda item: (-item[1], item[0]))[:_EXAMPLES]
    return f"{sum(fields.values())} refused: " + ", ".join(f"{name} {rows}" for name, rows in worst) + "."
