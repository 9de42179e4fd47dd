"""What a batch comes to: rows that are taken, and rows that are refused for a field, without a value of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from commonweal_api.data_product import DataProductSpec, FieldType
from commonweal_api.pairwise import pairwise
from commonweal_runtime.store.loading.rows import Flaw, Reading, Refused
from commonweal_runtime.store.sources.contract import UNREADABLE, Batch
from support.products import spec

KEY = b"k" * 32
FIELDS: list[dict[str, Any]] = [
    {"name": "name", "column": "full_name", "type": "String", "required": True},
    {"name": "born", "column": "born", "type": "Date"},
    {"name": "loud", "from": "upper(nick)", "type": "String"},
]
MANY = {"subject": {"column": "ref", "records": "Many", "recordKey": "id"}}


def people(**over: Any) -> DataProductSpec:
    return spec(*FIELDS, **over)


def batch(*rows: Sequence[str | None], blocks: Sequence[str] | None = None) -> Batch:
    numbers = None if blocks is None else pa.array(blocks, pa.string())
    return Batch([pa.array(column, pa.string()) for column in zip(*rows, strict=True)], None, blocks=numbers)


@pytest.mark.parametrize(
    ("row", "field", "flaw"),
    [
        ((None, "Ada", None, None), "spec.subject.column", Flaw.NO_KEY),
        (("  ", "Ada", None, None), "spec.subject.column", Flaw.NO_KEY),
        (("a\0b", "Ada", None, None), "spec.subject.column", Flaw.NO_KEY),
        (("P1", None, None, None), "name", Flaw.MISSING),
        (("P1", "Ada", "soon", None), "born", Flaw.MISMATCH),
        (("P1", None, "soon", None), "name", Flaw.MISSING),
        (("P1", "Ada", UNREADABLE, None), "born", Flaw.UNREADABLE),
        (("P1", "A\0da", None, None), "name", Flaw.MISMATCH),
    ],
)
def test_a_row_is_refused_for_the_first_field_to_blame_and_none_of_its_values_is_kept(
    row: tuple[str | None, ...], field: str, flaw: Flaw
) -> None:
    good = ("P2", "Bea", "1990-02-28", "b")
    read = Reading(people(), {"nick": FieldType.STRING}, KEY, 41).read(batch(row, good))
    who = pairwise(KEY, "P1") if row[0] == "P1" else None
    assert read.refused == [Refused(str(who) if who else "at 42", field, flaw, who, 42)]
    assert not any(isinstance(v, str) and v.strip() and v in repr(read.refused) for v in row)
    (other,) = zip(*read.taken.to_pydict().values(), strict=True)
    assert other == (str(pairwise(KEY, "P2")), "Bea", "1990-02-28", "b", str(pairwise(KEY, "P2")), 43), "and stops no other"
    assert read.rows == 2


def test_a_good_row_carries_the_pairwise_id_and_a_key_that_hides_the_record() -> None:
    reading = Reading(people(**MANY), {"nick": FieldType.STRING}, KEY, 0)
    read = reading.read(batch(("P1", "7", "Ada", "1990-02-28", "a"), ("P1", "8", "Ada", None, None)))
    assert read.refused == []
    one, two = zip(*read.taken.to_pydict().values(), strict=True)
    assert one[:5] == (str(pairwise(KEY, "P1")), "7", "Ada", "1990-02-28", "a")
    (key, place), (other, after) = one[5:], two[5:]
    assert (place, after) == (1, 2)
    assert key != other
    assert key not in {"7", str(pairwise(KEY, "P1")), str(pairwise(KEY, "P17"))}


def test_a_row_without_a_record_key_is_refused_by_name() -> None:
    read = Reading(people(**MANY), {"nick": FieldType.STRING}, KEY, 0).read(batch(("P1", " ", "Ada", None, None)))
    assert read.refused == [Refused("at 1", "spec.subject.recordKey", Flaw.NO_KEY, pairwise(KEY, "P1"), 1)]
    assert read.taken.num_rows == 0


def test_each_row_has_its_block_and_one_without_a_key_is_told_apart_by_it() -> None:
    rows = ("P1", "Ada", None, None), (None, "Bea", None, None), ("P2", None, None, None)
    read = Reading(people(), {"nick": FieldType.STRING}, KEY, 0).read(batch(*rows, blocks=("7", "0", "8")))
    assert [(r.key, r.flaw) for r in read.refused] == [("at 2 of 0", Flaw.NO_KEY), (str(pairwise(KEY, "P2")), Flaw.MISSING)]
    assert read.members is not None
    members = list(zip(*read.members.to_pydict().values(), strict=True))
    assert members == [("7", str(pairwise(KEY, "P1")), None), ("0", None, "at 2 of 0"), ("8", str(pairwise(KEY, "P2")), None)]
