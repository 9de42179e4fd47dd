"""What a column's values come to in a draft: types, ranges, proposals; never a value that nobody asked for."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
import yaml

from commonweal_api import DataProduct
from commonweal_api.data_product import FieldType
from commonweal_cli.source import whereabouts
from commonweal_cli.source.draft import NO_KEY, Draft, written
from commonweal_cli.source.profile import Profile
from commonweal_cli.source.proposals import proposed
from commonweal_local.exceptions import LocalError
from commonweal_runtime.store.sources.contract import UNREADABLE
from commonweal_runtime.store.sources.listing import Listed


def profile(name: str, *values: str | None, natural: FieldType = FieldType.STRING) -> Profile:
    found = Profile(name, natural)
    found.add(pa.array(values, pa.string()))
    return found


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        (["1", "-2"], "Integer"),
        (["1", "2.50"], "Number"),
        (["007", "123"], "String"),
        (["0", "10"], "Integer"),
        (["true", "false"], "Boolean"),
        (["2024-01-31", None], "Date"),
        (["2024-01-31T12:00:00Z"], "Timestamp"),
        (["20240131"], "Integer"),
        (["2024-01-31", "31/01/2024"], "String"),
        ([None, None], "String"),
        (["1", UNREADABLE], "Integer"),
        (["1e400"], "Number"),
    ],
)
def test_a_type_is_what_all_values_are(values: list[str | None], type_: str) -> None:
    assert profile("v", *values).type_ == type_


@pytest.mark.parametrize(
    ("values", "format_"),
    [(["31/01/1990", "1/2/1990"], "DD/MM/YYYY"), (["01.31.1990"], "MM.DD.YYYY"), (["01/02/1990"], None), (["31/01/1990", "01-02-1990"], None), (["31/01/1990", "x"], None)],
)  # fmt: skip
def test_dates_of_the_country_are_told_where_a_day_says_which_is_the_month(values: list[str], format_: str | None) -> None:
    assert profile("v", *values).date_format == format_


@pytest.mark.parametrize(
    ("column", "type_", "values", "semantic"),
    [
        ("Surname", FieldType.STRING, [], "person:familyName"),
        ("date_of_birth", FieldType.DATE, [], "person:birthDate"),
        ("date_of_birth", FieldType.STRING, [], None),
        ("contact", FieldType.STRING, ["a@b.example"], "person:email"),
        ("pc", FieldType.STRING, ["LS1 4AP", "SW1A 1AA"], "address:postCode"),
        ("note", FieldType.STRING, ["a@b.example", "none"], None),
        ("COMPANY_NAME", FieldType.STRING, [], "business:legalName"),
    ],
)
def test_a_meaning_is_proposed_by_name_or_by_all_values(column: str, type_: FieldType, values: list[str], semantic: str | None) -> None:
    found = proposed(column, type_, values)
    assert (found.semantic if found else None) == semantic


def test_identifiers_of_people_are_marked() -> None:
    for column, values in (("nino", []), ("x", ["AB123456C"])):
        found = proposed(column, FieldType.STRING, values)
        assert found is not None
        assert (found.semantic, found.identifier) == (None, "National Insurance numbers")


def draft(*profiles: Profile, **over: Any) -> str:
    listed = [Listed(p.name, p.natural, "text") for p in profiles]
    given = {"name": "people", "namespace": "dept-tax", "kind": "csv", "section": {"location": "volume://a/b"}, "rows": 2, "whole": True}
    return written(Draft(**{**given, "listed": listed, "profiles": {p.name: p for p in profiles}, **over}))


def test_a_draft_is_a_product_and_holds_no_value() -> None:
    text = draft(
        profile("ref", "K7", "K8"), profile("full_name", "Ada Secret", None), profile("amount", "1,50", "2"), profile("subject", "5", "7")
    )
    spec = DataProduct.model_validate(yaml.safe_load(text)).spec
    assert spec.subject.column == "ref"
    assert [(f.name, f.column, f.from_, f.type, f.required) for f in spec.fields] == [
        ("fullName", "full_name", None, "String", False),
        ("amount", None, "cast(replace(amount, ',', '.') as numeric)", "Number", True),
        ("subject2", "subject", None, "Integer", True),
    ]
    assert "Secret" not in text
    assert "10 to 10 characters like Aa+ Aa+" in text
    assert "from 5 to 7" in text
    assert "Ada Secret" in draft(profile("ref", "K7", "K8"), profile("full_name", "Ada Secret", None), examples=True)


def test_a_draft_without_a_key_says_so_and_takes_the_one_that_is_given() -> None:
    columns = profile("a", "x", "x"), profile("b", "y", None)
    assert f"column: {NO_KEY}" in draft(*columns)
    assert "column: b" in draft(*columns, key="b")


def test_what_a_text_of_the_source_says_stays_a_comment() -> None:
    evil = profile("ref", "1", "2\nkind: Secret")
    listed = [Listed("ref", FieldType.STRING, "text\nkind: Secret"), Listed("x\nkind: Secret", FieldType.STRING, "text")]
    text = draft(evil, listed=listed, examples=True)
    assert [line for line in text.splitlines() if line.startswith("kind:")] == ["kind: DataProduct"]


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("postgres://u:hunter2@h/db/t", "a password in the address"),
        ("postgres://u@h/db", "does not say which table"),
        ("mysql://h/db/t", "does not say who logs in"),
        ("mysql://u@h:port/db/t", "cannot be read"),
    ],
)
def test_an_address_that_does_not_say_enough_is_refused_and_a_password_never_shown(address: str, told: str) -> None:
    with pytest.raises(LocalError, match=told) as refused:
        whereabouts.of_database(address, "login")
    assert "hunter2" not in str(refused.value)


def test_an_address_is_taken_apart() -> None:
    found = whereabouts.of_database("postgres://a%40b@db.example:5433/registry/public.person", "login")
    assert found.user == "a@b"
    where = {
        "host": "db.example",
        "port": 5433,
        "database": "registry",
        "schema": "public",
        "table": "person",
        "credentials": {"name": "login"},
    }
    assert (found.kind, dict(found.section)) == ("postgres", where)
