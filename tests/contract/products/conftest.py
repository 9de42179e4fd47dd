"""A real store and a real heritage database for what products do in the store, and a reader that stands where the data API stands."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import asyncpg

from commonweal_api.plan import Outcome, StorePlan, StoreReport, digest_of
from support.data_api import agreement, login
from support.fixtures import bench, heritage, store
from support.keeper import Bench
from support.postgres import StoreServer

__all__ = ["bench", "heritage", "store"]

PURPOSE = "tax/serve"


def public(**over: Any) -> dict[str, Any]:
    """Return the spec of an agreement that needs nobody's consent."""
    return agreement("PublicTask", **over)


async def read(store: StoreServer, number: int, who: UUID) -> Any:
    """Return what the door of an agreement shows of a person: the record, None, or the SQLSTATE of its refusal."""
    reader = await login(store, f"agr_{number}")
    try:
        text = await reader.fetchval(f"select door.a{number}_point($1, null, 'tax/app', '{PURPOSE}')", who)
    except asyncpg.PostgresError as error:
        return error.sqlstate
    finally:
        await reader.close()
    return None if text is None else json.loads(text)["record"]


async def told(bench: Bench, wanted: StorePlan, product: str, reason: str) -> Outcome:
    """Return what is reported of a product of this plan once it carries `reason`."""
    digest = digest_of(wanted)

    def carries(report: StoreReport) -> Outcome | None:
        return report.products[product] if report.plan == digest and report.products[product].reason == reason else None

    return await bench.exchange.when(carries)


async def agreed(bench: Bench, wanted: StorePlan, name: str, reason: str) -> StoreReport:
    """Return the report on this plan once one of its agreements carries `reason`."""
    digest = digest_of(wanted)

    def carries(report: StoreReport) -> StoreReport | None:
        return report if report.plan == digest and report.agreements[name].reason == reason else None

    return await bench.exchange.when(carries)


async def number_of(root: Any, name: str) -> int:
    """Return the number of an agreement."""
    number: int = await root.fetchval("select number from agreement.register where name = $1", name)
    return number


async def relation_of(root: Any, product: str) -> str:
    """Return the qualified table of a product."""
    name = await root.fetchval("select relation from agreement.product where name = $1", product)
    return f'product."{name}"'
