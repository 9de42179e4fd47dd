"""A first load fills the product's own table: what each batch brings is what a merge would, and whatever ends it early leaves nothing that is served."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from commonweal_runtime.exceptions import SourceChangedError
from commonweal_runtime.store import loading
from commonweal_runtime.store.postgres import binary
from commonweal_runtime.store.product_tables import served_product
from support.data_api import SECTOR_KEY, plan, subject
from support.keeper import Bench

ROWS, BATCH = 12_000, 5000
NUMBER = 900
FIELDS: list[dict[str, Any]] = [
    {"name": "fullName", "column": "full_name", "type": "String"},
    {"name": "joined", "from": "to_date(joined, 'DD/MM/YYYY')", "type": "Date", "required": True},
    {"name": "half", "from": "(amount || '')::bigint / 2", "type": "Integer"},
]
BAD: dict[int, dict[str, str | None]] = {
    7: {"joined": "31/02/2001"},
    8: {"joined": None},
    6007: {"joined": "31/02/2001"},
    6008: {"amount": "1.0"},
    6009: {"joined": "x", "amount": "y"},
}
WRONG = {("joined", "MappingFailed"): 3, ("joined", "Missing"): 1, ("half", "MappingFailed"): 1}


class CutError(Exception):
    """The test's own end of a load."""


def table(**over: list[Any]) -> pa.Table:
    good: dict[str, str | None] = {"joined": "01/02/2003", "amount": "8"}
    rows = [{"ref": f"P{n}", "full_name": f'"Person"\t{n}\\', **good, **BAD.get(n, {})} for n in range(ROWS)]
    return pa.table({name: [row[name] for row in rows] for name in rows[0]} | over)


class Filled:
    """A product whose table has been made and never loaded."""

    def __init__(self, bench: Bench, volumes: Path, name: str, data: pa.Table, fields: list[dict[str, Any]] = FIELDS) -> None:
        self.bench, self.name, self.file = bench, name, volumes / "files" / f"{name}.parquet"
        pq.write_table(data, self.file)
        base = {"title": "People", "version": "1.0.0", "class": "Person", "subject": {"column": "ref"}, "fields": fields}
        gone = {**base, "source": {"parquet": {"location": "volume://none/x"}}}
        there = {**base, "source": {"parquet": {"location": f"volume://files/{name}.parquet"}}}

        async def script(root: Any) -> None:
            await bench.exchange.until(name, "VolumeMissing")
            wire = plan({name: there}, {}).products[0].spec.model_dump_json(by_alias=True, exclude_none=True)
            await root.execute("update agreement.product set spec = $2::text::jsonb where name = $1", name, wire)

        bench.run(plan({name: gone}, {}), script, settle=False)

    async def load(self, root: Any, tell: Callable[[str], None] = lambda _: None) -> loading.Loaded:
        product = await served_product(root, self.name)
        assert product is not None
        return await loading.load(root, product, None, SECTOR_KEY, asyncio.Lock(), tell)

    async def again(self) -> loading.Loaded:
        """Load in a session of its own, as if the file were another one now."""
        os.utime(self.file)
        root = await self.bench.store.superuser("department")
        done = await self.load(root)
        await root.close()
        return done

    async def state(self, root: Any) -> tuple[bool, bool, int]:
        """Return whether the table is being filled, whether it has its primary key, and its rows."""
        relation = await root.fetchval("select relation from agreement.product where name = $1", self.name)
        filling = await root.fetchval("select bool_or(filling) from staging.progress")
        key = await root.fetchval(
            "select exists (select from pg_constraint where contype = 'p' and conrelid = to_regclass($1))", f'product."{relation}"'
        )
        return bool(filling), key, await root.fetchval(f'select count(*) from product."{relation}"')

    async def rows(self, root: Any) -> dict[Any, Any]:
        relation = await root.fetchval("select relation from agreement.product where name = $1", self.name)
        return {row["subject"]: row for row in await root.fetch(f'select * from product."{relation}"')}

    async def wrong(self, root: Any) -> dict[tuple[str, str], int]:
        found = await root.fetch(
            "select field, reason, count(*) from staging.quarantine q join agreement.product p on p.uid = q.product where p.name = $1 group by 1, 2",
            self.name,
        )
        return {(row["field"], row["reason"]): row["count"] for row in found}

    def run(self, script: Callable[[Any], Any]) -> None:
        async def go() -> None:
            root = await self.bench.store.superuser("department")
            try:
                await script(root)
            finally:
                await root.close()

        asyncio.run(go())


PLAIN: list[dict[str, Any]] = [
    FIELDS[0],
    {"name": "joined", "column": "joined", "type": "String"},
    {"name": "first", "mask": {"of": "fullName", "kind": "FirstThree"}},
]


def cut(progress: str) -> None:
    raise CutError(progress)


def test_each_batch_brings_where_its_people_stand_and_the_rest_goes_on_after_a_cut(bench: Bench, volumes: Path) -> None:
    product = Filled(bench, volumes, "filled", table())
    said = f"insert into consent.event (subject, agreement, kind, contract) values ($1, {NUMBER}, $2, 'x')"

    async def script(root: Any) -> None:
        await root.execute(f"insert into agreement.register (number, uid, name, product) values ({NUMBER}, 'a-filled', 'yes', 'p-filled')")
        for who, what in (("P1", "Given"), ("P11000", "Objected")):
            await root.execute(said, subject(who), what)
        with pytest.raises(CutError):
            await product.load(root, cut)
        assert await product.state(root) == (True, False, BATCH - 2)
        assert await root.fetchval("select loaded_at is null and cardinality(unfilled) = 3 from agreement.product where name = 'filled'"), (
            "not served"
        )
        await root.execute(said, subject("P2"), "Given")
        for who in ("P3", "P11001"):
            await root.execute("select consent.erase_rows($1, 'p-filled', 'subject')", subject(who))
        done = await product.load(root)
        assert (done.resumed, done.inserted, done.refused) == (BATCH, ROWS - 5 - 2, 5)
        assert await product.state(root) == (False, True, ROWS - 7)
        rows = await product.rows(root)
        stands = {who: (rows[subject(who)]["_consent"], rows[subject(who)]["_objection"]) for who in ("P1", "P2", "P5", "P11000")}
        assert stands == {"P1": ([NUMBER], []), "P2": ([NUMBER], []), "P5": ([], []), "P11000": ([], [NUMBER])}
        assert not {subject("P3"), subject("P11001")} & set(rows)
        assert (rows[subject("P5")]["fullName"], rows[subject("P5")]["half"]) == ('"Person"\t5\\', 4)
        assert await product.wrong(root) == WRONG
        assert (await product.again()).written == 0, "a merge finds nothing to change"
        assert await product.wrong(root) == WRONG

    product.run(script)


def test_a_key_that_comes_twice_is_settled_beside_the_table(bench: Bench, volumes: Path) -> None:
    product = Filled(bench, volumes, "twice", table(ref=[f"P{n if n != 11_000 else 5}" for n in range(ROWS)]))

    async def script(root: Any) -> None:
        done = await product.load(root)
        assert (done.inserted, done.refused, done.resumed) == (ROWS - 6, 6, 0)
        assert await product.state(root) == (False, True, ROWS - 6)
        assert await product.wrong(root) == {**WRONG, ("spec.subject.column", "DoubleKey"): 1}
        assert (await product.again()).written == 0, "the same of the two stays"

    product.run(script)


def test_a_product_that_changes_meanwhile_is_filled_from_the_beginning(bench: Bench, volumes: Path) -> None:
    product = Filled(bench, volumes, "changed", table())
    change = "update agreement.product set spec = jsonb_set(spec, '{fields,0,column}', '\"amount\"') where name = 'changed'"

    def changed(_: str) -> None:
        where = ["-h", str(bench.store.sockets), "-p", str(bench.store.port), "-U", "postgres", "department"]
        subprocess.run([binary("psql"), "-X", "-q", "-c", change, *where], check=True)

    async def script(root: Any) -> None:
        with pytest.raises(SourceChangedError):
            await product.load(root, changed)
        assert await product.state(root) == (True, False, BATCH - 2)
        done = await product.load(root)
        assert (done.resumed, done.inserted) == (0, ROWS - 5)
        assert await product.state(root) == (False, True, ROWS - 5)
        assert {row["fullName"] for row in (await product.rows(root)).values()} == {"8"}

    product.run(script)


def test_rows_without_an_expression_go_straight_into_the_table_unless_somebody_has_been_erased(bench: Bench, volumes: Path) -> None:
    product = Filled(bench, volumes, "plain", table(), PLAIN)

    async def script(root: Any) -> None:
        with pytest.raises(CutError):
            await product.load(root, cut)
        await root.execute("select consent.erase_rows($1, 'p-plain', 'subject')", subject("P11001"))
        done = await product.load(root)
        assert (done.resumed, done.inserted, done.refused) == (BATCH, ROWS - 1, 0)
        rows = await product.rows(root)
        assert [rows[subject("P7")][name] for name in ("fullName", "joined", "first", "_consent")] == [
            '"Person"\t7\\',
            "31/02/2001",
            '"Pe',
            [],
        ]
        assert rows[subject("P8")]["joined"] is None
        assert (await product.again()).written == 0

    product.run(script)
