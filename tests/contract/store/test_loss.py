"""What one load may take away: a source that is empty for a moment does not empty the copy, and a loss that is meant is accepted once."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store import loading
from commonweal_runtime.store.product_tables import served_product
from support.data_api import SECTOR_KEY, agreement, plan
from support.doors import Doors
from support.texts import Texts

Spec = dict[str, Any]
SERIAL = itertools.count()
SOURCE = {"host": "127.0.0.1", "database": "heritage", "table": "people", "credentials": {"name": "heritage"}}
PRODUCT: Spec = {
    "title": "People",
    "version": "1.0.0",
    "class": "Person",
    "source": {"postgres": SOURCE},
    "subject": {"column": "ref"},
    "fields": [{"name": "fullName", "column": "full_name", "type": "String"}],
}


def hold(texts: Texts, *numbers: int) -> None:
    texts.tables["people"] = [{"ref": f"P{n}", "full_name": f"Person {n}"} for n in numbers]


class Product:
    """A product of 100 people that is served, and its loads one by one."""

    def __init__(self, root: Any) -> None:
        self.root = root

    async def load(self, **serve: object) -> loading.Loaded:
        for key, value in serve.items():
            patch = f"update agreement.product set spec = jsonb_set(spec, '{{serve,{key}}}', to_jsonb($1::{type_of(value)})) where name = 'people'"
            await self.root.execute(patch, value)
        served = await served_product(self.root, "people")
        assert served is not None
        return await loading.load(self.root, served, None, SECTOR_KEY, asyncio.Lock())

    async def refused(self, **serve: object) -> str:
        """Return the detail of a load that is refused, which has changed nothing."""
        before = await self.rows()
        with pytest.raises(SourceReadError) as stopped:
            await self.load(**serve)
        assert stopped.value.reason is Reason.LOSS_REFUSED
        assert await self.rows() == before
        return stopped.value.detail

    async def rows(self) -> int:
        relation = await self.root.fetchval("select relation from agreement.product where name = 'people'")
        return int(await self.root.fetchval(f'select count(*) from product."{relation}"'))


def type_of(value: object) -> str:
    return "int" if isinstance(value, int) else "text"


def lasting(doors: Doors, texts: Texts, script: Any, people: int = 100) -> None:
    """Serve a new product, stop its keeper, and run the script."""

    async def run(doors: Doors) -> None:
        hold(texts, *range(people))
        await doors.carry_out(plan({"people": PRODUCT}, {"yes": agreement(fields=["fullName"])}, uid=f"-loss{next(SERIAL)}"))
        root = await doors.store.superuser("department")
        try:
            await script(Product(root))
        finally:
            await root.close()

    doors.run(run)


def test_a_nightly_truncate_and_reload_keeps_the_copy(doors: Doors, texts: Texts) -> None:
    async def script(product: Product) -> None:
        hold(texts)
        told = await product.refused()
        assert told.startswith("100 of 100 records would go; spec.serve.maxLossPercent allows 20 %. To accept exactly this loss: ")
        assert "commonweal product accept-loss people --department registry --site " in told
        hold(texts, *range(79))
        assert (await product.refused()).startswith("21 of 100 records would go;")
        hold(texts, *range(100))
        assert (await product.load()).written == 0
        hold(texts, *range(80))
        assert (await product.load()).deleted == 20, "a fifth may go"
        hold(texts, *range(200, 280))
        assert (await product.refused()).startswith("80 of 80 records would go;"), "others in their place are no matter"

    lasting(doors, texts, script)


def test_an_accepted_loss_passes_once_and_a_later_one_is_asked_about_again(doors: Doors, texts: Texts) -> None:
    async def script(product: Product) -> None:
        hold(texts, *range(50))
        loss = (await product.refused()).rpartition("--loss ")[2]
        hold(texts, *range(1, 51))
        assert loss not in await product.refused(acceptLoss=loss), "as many records, but others"
        hold(texts, *range(50))
        assert (await product.load()).deleted == 50
        hold(texts, *range(100))
        assert (await product.load()).inserted == 50
        hold(texts, *range(50))
        again = (await product.refused()).rpartition("--loss ")[2]
        assert again != loss
        hold(texts)
        assert again not in await product.refused(acceptLoss=again)

    lasting(doors, texts, script)


def test_a_small_table_may_lose_a_few_but_not_all(doors: Doors, texts: Texts) -> None:
    async def script(product: Product) -> None:
        hold(texts, 0)
        assert (await product.load()).deleted == 2
        hold(texts)
        assert (await product.refused()).startswith("1 of 1 records would go;")
        assert (await product.load(maxLossPercent=100)).deleted == 1

    lasting(doors, texts, script, people=3)


def test_every_record_of_a_product_that_allows_no_loss_is_asked_about(doors: Doors, texts: Texts) -> None:
    async def script(product: Product) -> None:
        hold(texts, *range(90))
        assert (await product.refused(maxLossPercent=0)).startswith("10 of 100 records would go; spec.serve.maxLossPercent allows 0 %.")

    lasting(doors, texts, script)
