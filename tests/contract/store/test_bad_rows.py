"""Rows that no table can hold, or whose expression makes no date: each is set aside by itself, with the field that is to blame."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from commonweal_api.data_product import FieldType
from commonweal_runtime.store import loading
from commonweal_runtime.store.loading.rows import LONGEST_KEY
from commonweal_runtime.store.product_tables import served_product
from support.data_api import SECTOR_KEY, plan
from support.doors import Doors
from support.texts import Row, Texts

Spec = dict[str, Any]
SERIAL = itertools.count()
SOURCE = {"host": "127.0.0.1", "database": "heritage", "table": "rows", "credentials": {"name": "heritage"}}
LOST = "".join(chr(33 + n * n % 94) for n in range(LONGEST_KEY))  # nothing that compression makes short


def product(subject: Spec, *fields: Spec) -> Spec:
    return {
        "title": "Rows",
        "version": "1.0.0",
        "class": "Person",
        "source": {"postgres": SOURCE},
        "subject": subject,
        "fields": list(fields),
    }


def loaded(doors: Doors, texts: Texts, spec: Spec, rows: list[Row]) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Return the values that are served, and field, reason and place of what is in quarantine."""

    async def script(doors: Doors) -> Any:
        texts.tables["rows"] = [{"ref": "P0", "id": "0", "v": "2026-01-31", "n": "2026"}]
        await doors.carry_out(plan({"rows": spec}, {}, uid=f"-bad{next(SERIAL)}"))
        root = await doors.store.superuser("department")
        try:
            texts.tables["rows"] = rows
            served = await served_product(root, "rows")
            assert served is not None
            await loading.load(root, served, None, SECTOR_KEY, asyncio.Lock())
            values = await root.fetch(f'select v::text from product."{served.relation}" order by 1')
            held = "select field, reason, place from staging.quarantine where product = $1 order by place"
            return [tuple(r) for r in values], [tuple(r) for r in await root.fetch(held, served.uid)]
        finally:
            await root.close()

    found: tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]] = doors.run(script)
    return found


def test_one_long_key_is_one_bad_row(doors: Doors, texts: Texts) -> None:
    spec = product({"column": "ref", "records": "Many", "recordKey": "id"}, {"name": "v", "column": "v", "type": "String"})
    rows: list[Row] = [
        {"ref": "P1", "id": LOST, "v": "longest"},
        {"ref": "P1", "id": LOST + "x", "v": "too long"},
        {"ref": "P2", "id": "é" * (LONGEST_KEY // 2 + 1), "v": "too many bytes"},
        {"ref": LOST + LOST, "id": "1", "v": "a long subject"},
    ]
    values, held = loaded(doors, texts, spec, rows)
    assert values == [("a long subject",), ("longest",)]
    assert held == [("spec.subject.recordKey", "LongKey", 2), ("spec.subject.recordKey", "LongKey", 3)]


DATES: list[tuple[str, FieldType, str, list[str], list[str]]] = [
    ("to_date(v, 'DD/MM/YYYY')", FieldType.STRING, "Date", ["31/01/1980", " 1/2/1980 "], ["", "1/1", "31/13/1980", "30/02/1980", "01/01/0000", "31-01-1980", "31/01/19801"]),
    ("to_date(v, 'YYYYMMDD')", FieldType.STRING, "Date", ["19800131"], ["1980131", "198001", "00000101"]),
    ("to_char(to_date(v, 'YYYY-MM-DD'), 'DD.MM.YYYY')", FieldType.STRING, "String", ["1980-01-31"], ["0000-01-01", ""]),
    ("to_char(v::date + interval '1 year', 'YYYY')", FieldType.STRING, "String", ["1980-01-31"], ["9999-12-31"]),
    ("v::date + interval '1 day'", FieldType.STRING, "Date", ["9999-12-30"], ["9999-12-31", "infinity", "10000-01-01"]),
    ("v::timestamptz", FieldType.STRING, "Timestamp", ["9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00Z"], ["9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00"]),
    ("v::timestamptz", FieldType.STRING, "Date", ["9999-12-31T23:59:59Z"], ["9999-12-31T23:59:59-01:00"]),
    ("make_date(v, 2, 1)", FieldType.INTEGER, "Date", ["1", "9999"], ["0", "-1", "10000", "99999999999"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "type_", "of", "good", "bad"), DATES)
def test_what_is_no_date_of_the_calendar_is_a_bad_row(
    text: str, type_: FieldType, of: str, good: list[str], bad: list[str], doors: Doors, texts: Texts
) -> None:
    texts.types = {"v": type_}
    spec = product({"column": "ref"}, {"name": "v", "from": text, "type": of})
    if type_ is FieldType.INTEGER:
        spec["fields"][0]["from"] = text.replace("v", "n", 1)
        texts.types = {"n": type_}
    rows: list[Row] = [{"ref": f"P{n}", "v": value, "n": value} for n, value in enumerate([*good, *bad])]
    values, held = loaded(doors, texts, spec, rows)
    assert len(values) == len(good)
    assert not any("BC" in str(v) or "infinity" in str(v) for (v,) in values)
    assert held == [("v", "MappingFailed", len(good) + n) for n in range(1, len(bad) + 1)]
