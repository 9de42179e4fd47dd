# ruff: noqa: S608 - statements are built here; every name and text in them comes through `names`
"""How much one load may take away of what is served: a source that is emptied for a moment does not empty the copy."""

from __future__ import annotations

import hashlib
from typing import Any

from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.agreements import Served
from commonweal_runtime.store.names import table
from commonweal_runtime.store.versions import MARK

FEW = 10  # records: fewer may go from a small table, whatever share they are, as long as some stay


async def check_loss(store: Any, product: Served) -> None:
    """Raise SourceReadError if more rows would go than `spec.serve.maxLossPercent` allows, and it is not the loss that a steward has accepted.

    `delta` is there, in the caller's transaction. A loss has a name that is good for once: in it is when the product was loaded last.
    """
    lost: int = await store.fetchval("select count(*) from delta where act = 'D'")
    if not lost:
        return
    held: int = await store.fetchval(f"select count(*) from {table(product.relation)}")
    emptied = lost == held and not await store.fetchval("select exists (select from delta where act = 'I')")
    most = product.spec.serve.max_loss_percent
    if lost * 100 <= held * most or (lost < FEW and not emptied):
        return
    name = await _named(store, product, lost, held)
    if product.spec.serve.accept_loss != name:
        said = f"{lost} of {held} records would go; spec.serve.maxLossPercent allows {most} %."
        raise SourceReadError(Reason.LOSS_REFUSED, f"{said} To accept exactly this loss: {await _command(store, product)} --loss {name}")


async def _named(store: Any, product: Served, lost: int, held: int) -> str:
    keys = ", ".join(product.shape.key)
    rows = await store.fetchval(f"select bit_xor(hashtextextended(row({keys})::text, 0)) from delta where act = 'D'")
    loaded = await store.fetchval("select extract(epoch from loaded_at)::text from agreement.product where uid = $1", product.uid)
    return hashlib.sha256(f"{product.uid} {loaded} {lost} {held} {rows}".encode()).hexdigest()[:16]


async def _command(store: Any, product: Served) -> str:
    department = await store.fetchval("select name from agreement.department")
    site = await store.fetchval("select site from feed.self")
    return f"commonweal product accept-loss {product.name.partition(MARK)[0]} --department {department} --site {site or 'SITE'}"
