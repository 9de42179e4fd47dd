"""The same table read live and copied: the same people under the same keys, the same text of each value, and the same days of the calendar."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from support.data_api import GRANTS, READER, agreement, person_product, plan, subject
from support.doors import Doors, page
from support.live import LIVE
from support.postgres import HeritageServer, StoreServer

COLUMNS = "kind char(5), amount numeric(20,8), ended date, seen timestamptz"
LAST = "9999-12-31T23:59:59.999999+00:00"
# Key, values, and whether a row of them is served.
ROWS = [
    ("10000", "'A', 0.00000001, '9999-12-31', '9999-12-31 23:59:59.999999+00'", True),
    ("120000000", "'B b', 0, '0001-01-01', '0001-01-01 00:00+00'", True),
    ("7", "'C', 12.5, '0044-03-15 BC', null", False),
    ("8", "'C', 12.5, '20240-02-08', null", False),
    ("9", "'C', 12.5, 'infinity', null", False),
    ("11", "'C', 12.5, null, '10000-01-01 00:00+00'", False),
    ("12", "'C', 12.5, null, null", True),
]
KEYS = {"by_numeric": "numeric(20,0)", "by_char": "char(12)", "by_varchar": "varchar(12)", "by_bigint": "bigint"}
FIELDS = [
    {"name": "kind", "column": "kind", "type": "String"},
    {"name": "word", "column": "kind", "type": "String"},
    {"name": "first", "mask": {"of": "word", "kind": "FirstThree"}},
    {"name": "amount", "column": "amount", "type": "Number"},
    {"name": "printed", "column": "amount", "type": "String"},
    {"name": "ended", "column": "ended", "type": "Date"},
    {"name": "end", "column": "ended", "type": "Date"},
    {"name": "endYear", "mask": {"of": "end", "kind": "Year"}},
    {"name": "seen", "column": "seen", "type": "Timestamp"},
]


@pytest.fixture(scope="module")
def doors(store: StoreServer) -> Iterator[Doors]:
    """A store, and a heritage database with one table for each type of key."""
    rows = {table: "; ".join(f"insert into {table} values ('{key}', {values})" for key, values, _ in ROWS) for table in KEYS}
    script = "; ".join(f"create table {table} (ref {type_} primary key, {COLUMNS}); {rows[table]}" for table, type_ in KEYS.items())
    with HeritageServer() as server:
        asyncio.run(server.make("heritage", f"{script}; {READER}; {GRANTS}"))
        yield Doors(store, server)


def product(doors: Doors, table: str, serve: dict[str, Any]) -> dict[str, Any]:
    spec = person_product(doors.heritage, fields=FIELDS, serve=serve)
    return {**spec, "source": {"postgres": {**spec["source"]["postgres"], "table": table}}}


@pytest.mark.parametrize("table", KEYS)
def test_a_page_of_the_one_is_a_page_of_the_other(doors: Doors, table: str) -> None:
    async def script(_: Doors) -> list[dict[str, Any]]:
        products = {"live": product(doors, table, LIVE), "copy": product(doors, table, {"refreshSeconds": 5})}
        fields = [f["name"] for f in FIELDS if f["name"] not in ("word", "end")]  # what a mask masks is not agreed beside it
        report = await doors.carry_out(
            plan(products, {way: agreement("PublicTask", product=way, fields=fields) for way in products}, table)
        )
        pages = []
        for way in products:
            number = report.agreements[way].number or 0
            reader = await doors.reader(number)
            pages.append({item["subject"]: item["record"] for item in json.loads(await page(reader, number), parse_float=str)["items"]})
            await reader.close()
        return pages

    live, copy = doors.run(script)
    assert live == copy
    assert set(copy) == {str(subject(key)) for key, _, served in ROWS if served}
    far, early = copy[str(subject("10000"))], copy[str(subject("120000000"))]
    assert [far[name] for name in ("kind", "first", "amount", "printed", "ended", "endYear", "seen")] == [
        *("A", "A", "0.00000001", "0.00000001"),
        *("9999-12-31", 9999, LAST),
    ]
    assert [early[name] for name in ("first", "printed", "ended", "endYear", "seen")] == [
        *("B b", "0.00000000"),
        *("0001-01-01", 1, "0001-01-01T00:00:00+00:00"),
    ]
