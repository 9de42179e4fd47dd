"""Loads of one product, one by one, as its keeper does them: what each has read, and what the store then has."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any, Self

from commonweal_runtime.store import loading
from commonweal_runtime.store.agreements import Served
from commonweal_runtime.store.product_tables import served_product
from commonweal_runtime.store.sources import Credentials
from support.data_api import PASSWORD, SECTOR_KEY, USER, plan
from support.keeper import Bench

Spec = dict[str, Any]


class CutError(Exception):
    """A test's own end of a load."""


def _unheard(_: str) -> None:
    return


class Loads:
    """A product that is in the store and that no keeper loads."""

    def __init__(self, bench: Bench, name: str) -> None:
        self.bench, self.name = bench, name

    @classmethod
    def of(cls, bench: Bench, **specs: Spec) -> list[Self]:
        """Make the products' tables, and leave them without rows: their source is not there while the keeper works."""
        gone = {name: {**spec, "source": {"parquet": {"location": "volume://none/x"}}} for name, spec in specs.items()}
        wires = {p.name: p.spec.model_dump_json(by_alias=True, exclude_none=True) for p in plan(specs, {}).products}

        async def script(root: Any) -> None:
            for name, wire in wires.items():
                await bench.exchange.until(name, "VolumeMissing")
                await root.execute("update agreement.product set spec = $2::text::jsonb where name = $1", name, wire)

        bench.run(plan(gone, {}), script, settle=False)
        return [cls(bench, name) for name in specs]

    def on(self, work: Callable[[Any], Any]) -> Any:
        """Run `work` with a connection to the store."""

        async def go() -> Any:
            root = await self.bench.store.superuser("department")
            try:
                return await work(root)
            finally:
                root.terminate()

        return asyncio.run(go())

    def load(self, tell: Callable[[str], None] = _unheard) -> loading.Loaded:
        """Load the product once."""

        async def go(root: Any) -> loading.Loaded:
            return await loading.load(root, await served(root, self.name), Credentials(USER, PASSWORD), SECTOR_KEY, asyncio.Lock(), tell)

        done: loading.Loaded = self.on(go)
        return done

    def execute(self, statement: str) -> None:
        """Change the store."""

        async def go(root: Any) -> None:
            await root.execute(statement)

        self.on(go)

    def value(self, query: str) -> Any:
        """Return one value of the store."""

        async def go(root: Any) -> Any:
            return await root.fetchval(query)

        return self.on(go)

    def has(self) -> tuple[Counter[Any], Counter[Any]]:
        """Return the rows of the product, and what is in its quarantine; neither says when or where in the reading."""

        async def go(root: Any) -> tuple[Counter[Any], Counter[Any]]:
            product = await served(root, self.name)
            columns = ", ".join([*product.shape.key, *(c.name for c in product.shape.columns)])
            rows = await root.fetch(f'select {columns} from product."{product.relation}"')
            bad = await root.fetch("select field, reason, subject from staging.quarantine where product = $1", product.uid)
            return Counter(map(tuple, rows)), Counter(map(tuple, bad))

        found: tuple[Counter[Any], Counter[Any]] = self.on(go)
        return found


async def served(root: Any, name: str) -> Served:
    """Return the product as it lies in the store."""
    product = await served_product(root, name)
    assert product is not None
    return product
