"""What sources and loads decide without any server: types, rows, positions."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from commonweal_api.data_product import DataProductSpec, FieldType
from commonweal_api.pairwise import pairwise
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.loading import quarantine
from commonweal_runtime.store.loading.rows import Flaw, Reading, Refused, Taken
from commonweal_runtime.store.loading.staging import Seal
from commonweal_runtime.store.sources import secret_of, wanted
from commonweal_runtime.store.sources.contract import UNREADABLE, Batch, check_types
from commonweal_runtime.store.sources.mysql import _beyond, _date, _flag, _literal
from commonweal_runtime.store.sources.parquet import natural_of, values_of

KEY = b"k" * 32


def batch(*rows: tuple[str | None, ...]) -> Batch:
    return Batch([pa.array(column, pa.string()) for column in zip(*rows, strict=True)], None)


def spec(*, many: bool = False, **over: Any) -> DataProductSpec:
    subject = {"column": "ref", **({"records": "Many", "recordKey": "id"} if many else {})}
    fields = [
        {"name": "name", "column": "full_name", "type": "String", "required": True},
        {"name": "born", "column": "born", "type": "Date"},
        {"name": "loud", "from": "upper(nick)", "type": "String"},
    ]
    source = {"parquet": {"location": "volume://files/people"}}
    body = {"title": "People", "version": "1.0.0", "class": "Person", "source": source, "subject": subject, "fields": fields, **over}
    return DataProductSpec.model_validate(body)


def test_what_is_read_is_keys_then_columns_then_what_expressions_read() -> None:
    assert [w.column for w in wanted(spec(many=True))] == ["ref", "id", "full_name", "born", "nick"]
    assert secret_of(spec()) is None


@pytest.mark.parametrize(
    ("row", "field", "flaw"),
    [
        ((None, "Ada", None, None), "spec.subject.column", Flaw.NO_KEY),
        (("  ", "Ada", None, None), "spec.subject.column", Flaw.NO_KEY),
        (("a\0b", "Ada", None, None), "spec.subject.column", Flaw.NO_KEY),
        (("P1", None, None, None), "name", Flaw.MISSING),
        (("P1", "Ada", "soon", None), "born", Flaw.MISMATCH),
        (("P1", "Ada", UNREADABLE, None), "born", Flaw.UNREADABLE),
        (("P1", "A\0da", None, None), "name", Flaw.MISMATCH),
    ],
)
def test_a_row_is_refused_for_the_first_field_to_blame_and_none_of_its_values_is_kept(row: Any, field: str, flaw: Flaw) -> None:
    taken, refused = Reading(spec(), {"nick": FieldType.STRING}, KEY, 41).read(batch(row))
    assert taken == []
    who = pairwise(KEY, "P1") if row[0] == "P1" else None
    assert refused == [Refused(str(who) if who else "at 42", field, flaw, who, 42)]
    assert not any(isinstance(v, str) and v.strip() and v in repr(refused) for v in row)


def test_a_good_row_carries_the_pairwise_id_and_a_key_that_hides_the_record() -> None:
    ((one, two), refused) = Reading(spec(many=True), {"nick": FieldType.STRING}, KEY, 0).read(
        batch(("P1", "7", "Ada", "1990-02-28", "a"), ("P1", "8", "Ada", None, None))
    )
    assert refused == []
    assert isinstance(one, Taken)
    assert one.values[:3] == (pairwise(KEY, "P1"), "7", "Ada")
    assert one.values[-1] == "a"
    assert one.key != two.key
    assert one.key != "7"
    assert one.key not in {str(pairwise(KEY, "P1")), str(pairwise(KEY, "P17"))}


def test_a_column_of_a_type_that_no_field_can_hold_is_refused_by_name() -> None:
    natural: dict[str, FieldType | None] = {"full_name": FieldType.STRING, "born": FieldType.DATE, "nick": None}
    described = {"full_name": "text", "born": "date", "nick": "point"}
    with pytest.raises(SourceReadError, match=r"«nick», which is point"):
        check_types(spec(), natural, described)
    with pytest.raises(SourceReadError, match=r"«born» declares Date, and its column «born» is boolean"):
        check_types(spec(), {**natural, "born": FieldType.BOOLEAN, "nick": FieldType.STRING}, {**described, "born": "boolean"})
    assert check_types(spec(), {**natural, "nick": FieldType.INTEGER}, described) == {"nick": FieldType.INTEGER}


def test_positions_are_sealed_for_one_key_and_one_plan() -> None:
    sealed = Seal(KEY, "plan").close('["P1"]')
    assert b"P1" not in sealed
    assert Seal(KEY, "plan").open(sealed) == '["P1"]'
    assert Seal(KEY, "other").open(sealed) is None
    assert Seal(b"x" * 32, "plan").open(sealed) is None


@pytest.mark.parametrize(
    "type_", [pa.list_(pa.int64()), pa.struct({"a": pa.int64()}), pa.map_(pa.string(), pa.string()), pa.binary(), pa.time64("us")]
)
def test_nested_and_raw_parquet_types_have_no_field(type_: pa.DataType) -> None:
    assert natural_of(type_) is None
    assert natural_of(pa.dictionary(pa.int32(), pa.string())) is FieldType.STRING


def test_one_value_that_python_cannot_hold_spoils_no_other() -> None:
    far = pa.array([0, 2**55]).cast(pa.timestamp("ms"))
    first, second = values_of(far)
    assert (first.year, second) == (1970, UNREADABLE)


def test_what_mysql_means_by_its_values() -> None:
    assert (_date("0000-00-00"), _date("2000-00-00"), str(_date("2000-02-29"))) == (None, "2000-00-00", "2000-02-29")
    assert [_flag(v) for v in (0, 1, 2, b"\x01", b"\x00", None)] == [False, True, 2, True, False, None]
    assert _literal("a'\\\"") == "_utf8mb4 x'61275c22'"
    assert _beyond(["a", "b"], [1, "x"]) == "((`a` > 1) or (`a` = 1 and `b` > _utf8mb4 x'78'))"


def test_the_quarantine_in_words() -> None:
    assert quarantine.described({}) == ""
    assert quarantine.described({"b": 1, "a": 1, "c": 5}) == "7 refused: c 5, a 1, b 1."
