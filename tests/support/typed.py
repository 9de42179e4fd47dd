"""Products with a field for each example of docs/reference/types.md, and what a store makes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from commonweal_api.data_product import DataProductSpec
from commonweal_runtime.store.sources import Credentials, open_source
from commonweal_runtime.store.sources.contract import UNREADABLE
from support.data_api import plan, subject
from support.keeper import Bench
from support.types_page import Example

Seen = dict[int, tuple[str, str]]


def product(source: dict[str, Any], examples: Sequence[Example]) -> dict[str, Any]:
    """Return a product with a field `v<n>` from the column `v<n>` for each example; the subject's column is `ref`."""
    fields = [{"name": f"v{n}", "column": f"v{n}", "type": e.field} for n, e in enumerate(examples)]
    body = {"title": "Typed", "version": "1.0.0", "class": "Person", "source": source, "subject": {"column": "ref"}}
    return {**body, "serve": {"refreshSeconds": 3600}, "fields": fields}


def texts(body: dict[str, Any], credentials: Credentials | None) -> dict[int, str]:
    """Return the text of each example, whose row has its number as key; nothing for one that has none or cannot be read."""

    async def read() -> dict[int, str]:
        async with open_source(DataProductSpec.model_validate(body), credentials) as source:
            await source.inspect()
            batches = [b async for b in source.batches(None)]
        rows = [row for b in batches for row in zip(*(c.to_pylist() for c in b.columns), strict=True)]
        fields = len(body["fields"])
        return {
            int(row[0]): "" if row[1 + int(row[0])] in {None, UNREADABLE} else row[1 + int(row[0])] for row in rows if int(row[0]) < fields
        }

    return asyncio.run(read())


async def answers(root: Any, name: str, count: int) -> dict[int, str]:
    """Return the JSON of each example, or the reason why its row is in quarantine, once the product is loaded."""
    relation, uid = await root.fetchrow("select relation, uid from agreement.product where name = $1", name)
    people, fields = [subject(str(n)) for n in range(count)], [f"v{n}" for n in range(count)]
    await root.execute("set timezone = 'UTC'")
    served = f'select k.f, (row_to_json(r) -> k.f)::text from unnest($1::uuid[], $2::text[]) k(s, f) join product."{relation}" r on r.subject = k.s'
    held = "select k.f, q.reason from unnest($1::uuid[], $2::text[]) k(s, f) join staging.quarantine q on q.subject = k.s and q.field = k.f where q.product = $3"
    found = [*await root.fetch(served, people, fields), *await root.fetch(held, people, fields, uid)]
    return {int(field.removeprefix("v")): answer for field, answer in found}


def seen(bench: Bench, bodies: Mapping[str, tuple[dict[str, Any], Credentials | None]]) -> dict[str, Seen]:
    """Load the products, each of which has rows in quarantine; return text and answer of each example of each."""

    async def script(root: Any) -> dict[str, dict[int, str]]:
        for name in bodies:
            await bench.exchange.until(name, "RowsRefused")
        return {name: await answers(root, name, len(body["fields"])) for name, (body, _) in bodies.items()}

    told: dict[str, dict[int, str]] = bench.run(plan({n: b for n, (b, _) in bodies.items()}, {}), script, settle=False)
    read = {name: texts(*bodies[name]) for name in bodies}
    return {
        name: {n: (read[name].get(n, "no row"), told[name].get(n, "no row")) for n in range(len(bodies[name][0]["fields"]))}
        for name in bodies
    }
