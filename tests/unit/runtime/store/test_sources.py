"""What sources and loads decide without any server: types, rows, positions."""

from __future__ import annotations

from typing import Any

import pytest

from commonweal_api.data_product import DataProductSpec, FieldType
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.loading import quarantine
from commonweal_runtime.store.loading.staging import Seal
from commonweal_runtime.store.sources import secret_of, wanted
from commonweal_runtime.store.sources.contract import UNREADABLE, check_types
from commonweal_runtime.store.sources.mysql_keys import beyond, literal
from commonweal_runtime.store.sources.mysql_text import Column, texts

KEY = b"k" * 32


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


def column(kind: str, charset: str = "") -> Column:
    return Column("a", kind, kind, charset, "", None)


def test_a_text_of_mysql_that_is_no_utf_8_is_a_value_that_cannot_be_read() -> None:
    assert texts([b"a", b"\xff", None, "ü".encode()], None).to_pylist() == ["a", UNREADABLE, None, "ü"]
    assert texts([b"2024-01-31 00:00:00", b"\xff"], column("datetime").form(truth=False)).to_pylist() == ["2024-01-31T00:00:00", UNREADABLE]


def test_each_key_of_mysql_is_a_constant_of_its_own_kind() -> None:
    assert literal("a'\\\"") == "_utf8mb4 x'61275c22'"
    key = [column("decimal"), column("varchar", "latin1")]
    assert beyond(key, ["0.10", "41"]) == "((`a` > 0.10) or (`a` = 0.10 and `a` > _latin1 x'41'))"
    assert beyond([column("float")], ["1.5"]) == "((`a` > 1.5e0))"
    assert beyond([column("enum")], ["3"]) == "((cast(`a` as unsigned) > 3))"
    assert beyond([column("bigint")], ["1 or 1"]) == "((`a` > _utf8mb4 x'31206f722031'))"


def test_the_quarantine_in_words() -> None:
    assert quarantine.described({}) == ""
    assert quarantine.described({"b": 1, "a": 1, "c": 5}) == "7 refused: c 5, a 1, b 1."
