"""Fields made by an expression, evaluated batch by batch: what fails is one row, named by field; what fits no row at all is the product's fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from support.data_api import plan, subject
from support.keeper import Bench

Spec = dict[str, Any]
ROWS = 5000
BAD = {17, 2500, 2501, 4999}


def product(fields: list[Spec]) -> Spec:
    return {
        "title": "People",
        "version": "1.0.0",
        "class": "Person",
        "source": {"parquet": {"location": "volume://files/mapped.parquet"}},
        "subject": {"column": "ref"},
        "serve": {"refreshSeconds": 5},
        "fields": fields,
    }


def write(volumes: Path, bad: set[int], empty: set[int]) -> None:
    data = {
        "ref": [f"P{n}" for n in range(ROWS)],
        "given": ["  " if n in empty else "Ada" for n in range(ROWS)],
        "family": [f"Lovelace {n}" for n in range(ROWS)],
        "parts": [0 if n in bad else 2 for n in range(ROWS)],
    }
    fresh = volumes / "files" / "mapped.fresh"
    pq.write_table(pa.table(data), fresh, row_group_size=1500)
    fresh.replace(volumes / "files" / "mapped.parquet")


FIELDS = [
    {"name": "family", "column": "family", "type": "String"},
    {"name": "fullName", "from": "given || ' ' || family", "type": "String", "required": True},
    {"name": "share", "from": "10 / parts", "type": "Number"},
    {"name": "given", "from": "nullif(trim(given), '')", "type": "String", "required": True},
]


def test_rows_whose_expression_fails_or_comes_out_empty_are_quarantined_and_come_back(bench: Bench, volumes: Path) -> None:
    write(volumes, BAD, {5, 2500})

    async def script(root: Any) -> None:
        message = await bench.exchange.until("mapped", "RowsRefused")
        assert "5 refused: share 3, given 2." in message
        kept = await root.fetch("select subject, field, reason, place from staging.quarantine order by place")
        assert [tuple(r) for r in kept] == [
            (subject("P5"), "given", "Missing", 6),
            (subject("P17"), "share", "MappingFailed", 18),
            (subject("P2500"), "given", "Missing", 2501),
            (subject("P2501"), "share", "MappingFailed", 2502),
            (subject("P4999"), "share", "MappingFailed", 5000),
        ]
        relation = await root.fetchval("select relation from agreement.product where name = 'mapped'")
        row = await root.fetchrow(f'select * from product."{relation}" where subject = $1', subject("P7"))
        assert (row["fullName"], row["family"], float(row["share"]), row["given"]) == ("Ada Lovelace 7", "Lovelace 7", 5.0, "Ada")
        assert "parts" not in row
        assert await root.fetchval(f'select count(*) from product."{relation}"') == ROWS - 5
        write(volumes, set(), set())
        await bench.exchange.until("mapped", "Serving")
        assert await root.fetchval("select count(*) from staging.quarantine") == 0
        assert await root.fetchval(f'select count(*) from product."{relation}"') == ROWS

    bench.run(plan({"mapped": product(FIELDS)}, {}), script, settle=False)


def test_an_expression_that_fits_no_row_is_said_of_the_product(bench: Bench, volumes: Path) -> None:
    write(volumes, set(), set())
    odd = [{"name": "odd", "from": "given + 1", "type": "Number"}]

    async def script(root: Any) -> None:
        message = await bench.exchange.until("odd", "MappingInvalid")
        assert "odd" in message
        assert await root.fetchval("select loaded_at from agreement.product where name = 'odd'") is None

    bench.run(plan({"odd": product(odd)}, {}), script, settle=False)


def test_an_expression_over_a_column_that_is_not_there_or_holds_no_plain_value_is_refused(bench: Bench, volumes: Path) -> None:
    pq.write_table(pa.table({"ref": ["P1"], "many": [[1]]}), volumes / "files" / "mapped.parquet")
    gone = [{"name": "gone", "from": "nothing || 'x'", "type": "String"}]
    many = [{"name": "many", "from": "many || 'x'", "type": "String"}]

    async def script(root: Any) -> None:
        assert "«nothing»" in await bench.exchange.until("gone", "ColumnMissing")
        assert "«many»" in await bench.exchange.until("many", "ColumnTypeMismatch")
        assert await root.fetchval("select count(*) from agreement.product where loaded_at is not null and name in ('gone', 'many')") == 0

    bench.run(plan({"gone": product(gone), "many": product(many)}, {}), script, settle=False)
