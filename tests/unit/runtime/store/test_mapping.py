"""The mapping language: what each construct becomes, what is refused in which words, and that no text at all gets through otherwise."""

from __future__ import annotations

from typing import Any

import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st

from commonweal_runtime.exceptions import MappingInvalidError
from commonweal_runtime.store import mapping
from commonweal_runtime.store.expressions import DAY, FUNCTIONS, compile_expression
from commonweal_runtime.store.products import shape_of
from support.products import spec


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("concat_ws(' ', fn, sn)", 'pg_catalog.concat_ws(\' \', "fn", "sn")'),
        ("extract(year from dob)::int", '(extract(year from "dob"))::bigint'),
        ("Upper(Name)", 'pg_catalog.upper("Name")'),  # names as they are written, functions in any case
        ("a = 'O''Brien'", "(\"a\" = 'O''Brien')"),
        (r"a = 'back\slash'", r"""("a" = E'back\\slash')"""),
        ("case when a then 1 else 2 end", '(case when "a" then 1 else 2 end)'),
        ("case a when 1 then 'x' end", "(case \"a\" when 1 then 'x' end)"),
        ("a in (1, -2)", '("a" in (1, (- 2)))'),
        ("a not in (1)", '(not ("a" in (1)))'),
        ("a between 1 and 2 or not b", '(("a" between 1 and 2) or (not "b"))'),
        ("a is not null", '("a" is not null)'),
        ("a is distinct from b", '("a" is distinct from "b")'),
        ("a like 'x%'", "(\"a\" like 'x%')"),
        ("a::numeric / 2", '(mapping.finite(("a")::numeric) / 2)'),
        ("a::date + 30", '(mapping.day("a") + 30)'),
        ("date '2026-01-31'", "mapping.day('2026-01-31')"),
        ("d - interval '2 weeks'", "(\"d\" - interval '2 weeks')"),
        ("substring(a, 1, 3)", 'pg_catalog.substr(("a")::text, 1, 3)'),
        ("trim(a) || 'x'", "(pg_catalog.btrim(\"a\") || 'x')"),
        ('"a"', '"a"'),
        ('upper("Date of birth")', 'pg_catalog.upper("Date of birth")'),
        ('"straße" || "a-b"', '("straße" || "a-b")'),
        ('"a"", pg_sleep(9) --"', '"a"", pg_sleep(9) --"'),
        ('"/address/city"', '"/address/city"'),
        ("coalesce(a, null, true)", 'coalesce("a", null, true)'),
        ("to_date(a, 'DD/MM/YYYY')", "mapping.to_date(\"a\", 'DD/MM/YYYY', '^[0-9]{1,2}[/][0-9]{1,2}[/][0-9]{4}$')"),
        ("to_date(a, 'YYYYMMDD')", "mapping.to_date(\"a\", 'YYYYMMDD', '^[0-9]{4}[0-9]{2}[0-9]{2}$')"),
        ("to_char(d, 'YYYY')", "pg_catalog.to_char(mapping.dated(\"d\"), 'YYYY')"),
        ("make_date(a, 1, 2)", 'mapping.make_date("a", 1, 2)'),
    ],
)
def test_each_construct_is_written_anew(text: str, sql: str) -> None:
    assert compile_expression("x", text).text == sql


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pg_sleep(1)", "the function «pg_sleep» is not allowed; use "),
        ("a +", "is no SQL expression"),
        ('":subject"', "«:subject» cannot be read by an expression"),
        (f'"{"ü" * 32}"', "at most 63 bytes"),
        ('"a\tb"', "cannot be read by an expression"),
        ('"xmin"', "«xmin» cannot be read by an expression"),
        ("straße", "cannot be read by an expression; name a column of letters, digits and _, or quote it"),
        ("a; b", "exactly one expression"),
        ("a -- why", "has a comment"),
        ("t.a", "«table» in «Column» is not allowed"),
        ("a::xml", "a cast to XML is not allowed; cast to text, bigint"),
        ("a::varchar(3)", "a cast to VARCHAR(3) is not allowed"),
        ("'now'::timestamptz", "the date «now» is not allowed; write it as '2026-01-31'"),
        ("current_date", "current_date is not allowed in a mapping"),
        ("extract(epoch from a)", "extract year, month or day"),
        ("interval '1 year 2 days'", "whole number of years"),
        ("a like b", "constant pattern"),
        ("left(a, b)", "«left»: the length must be"),
        ("lower(a, b)", "«lower» takes 1 to 1 arguments; it has 2"),
        ("round(a, 99)", "-20 to 20"),
        ("1e9", "at most 18 digits"),
        ("a" * 501, "longer than 500"),
        (" and ".join(["a"] * 60), "levels; simplify it"),
        ("a is 3", "compare with null, true or false"),
        ("a in ()", "needs a list"),
        ("xmin", "cannot be read"),
        ("a = '" + "x" * 201 + "'", "more than 200 characters"),
        ("a\x00", "an invalid character"),
        ("a = '\ud800'", "an invalid character"),
    ],
)
def test_what_is_refused_is_named_with_the_remedy(text: str, words: str) -> None:
    with pytest.raises(MappingInvalidError) as refused:
        compile_expression("spec.fields x.from", text)
    assert str(refused.value).startswith("spec.fields x.from: ")
    assert words in str(refused.value)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60) | st.text(alphabet="ab'\"();,.*/-+|&<>=!%$:@#[]{}\\ \n0123select", max_size=40))
def test_no_text_does_anything_but_compile_or_be_refused(text: str) -> None:
    try:
        compiled = compile_expression("x", text)
    except MappingInvalidError:
        return
    assert len(sqlglot.parse(compiled.text, read="postgres")) == 1
    assert compile_expression("x", text).text == compiled.text


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=100))
def test_any_constant_stays_one_constant(text: str) -> None:
    compiled = compile_expression("x", "a = '" + text.replace("'", "''") + "'").text
    found = sqlglot.parse_one(compiled, read="postgres")
    assert [literal.name for literal in found.find_all(sqlglot.exp.Literal)] in ([text], [])  # [] where it is written E'…'


def test_every_listed_function_can_be_called() -> None:
    constants = {"concat_ws": "' ', a", "replace": "a, 'x', 'y'", "split_part": "a, ' ', 1", "lpad": "a, 3, '0'", "to_date": "a, 'YYYY'",
                 "to_char": "a, 'MM'", "left": "a, 3", "right": "a, 3", "nullif": "a, b", "make_date": "a, b, c"}  # fmt: skip
    for name, function in FUNCTIONS.items():
        arguments = constants.get(name) or ", ".join(["a"] * function.least)
        assert f"{name}(" in compile_expression("x", f"{name}({arguments})").text


def test_an_answer_may_ask_for_today_and_reads_only_what_it_is_given() -> None:
    compiled = compile_expression("x", "born <= current_date - interval '18 years'", names=["born"], today=DAY)
    assert (compiled.text, compiled.columns, compiled.dated) == (f"(\"born\" <= ({DAY} - interval '18 years'))", ("born",), True)
    with pytest.raises(MappingInvalidError, match="no raw field «bron» here; write one of born"):
        compile_expression("x", "bron is null", names=["born"], today=DAY)


def test_a_field_with_an_expression_is_a_raw_column_whose_meaning_is_the_text() -> None:
    product = spec(
        {"name": "fullName", "from": "concat_ws(' ', fn, sn)", "type": "String"},
        {"name": "initial", "mask": {"of": "fullName", "kind": "FirstThree"}},
        {"name": "year", "from": "extract(year from dob)", "type": "Integer"},
    )
    assert mapping.source_columns(product) == ("fn", "sn", "dob")
    assert mapping.expression(product, "year") == '(extract(year from "dob"))::bigint'
    shape = shape_of(product)
    assert [c.field for c in shape.raw] == ["fullName", "year"]
    column = shape.of("fullName")
    assert column is not None
    assert column.origin == "String from concat_ws(' ', fn, sn)"
    with pytest.raises(MappingInvalidError, match="initial: has no expression"):
        mapping.expression(product, "initial")


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ({"from": "'constant'", "type": "String"}, "spec.fields x.from: reads no column"),
        ({"column": "a", "type": "String", "semantic": "person:fulName"}, "spec.fields x.semantic: «person:fulName» is no property"),
        ({"column": "a", "type": "String", "semantic": "person:birthDate"}, "takes Date, and the field is String"),
    ],
)
def test_a_field_that_is_not_what_it_says_is_refused(field: dict[str, Any], words: str) -> None:
    with pytest.raises(MappingInvalidError) as refused:
        shape_of(spec({"name": "x", **field}))
    assert words in str(refused.value)


def test_a_mask_is_judged_by_the_type_that_it_makes() -> None:
    born = {"name": "born", "column": "born", "type": "Date", "semantic": "person:birthDate"}
    shape_of(spec(born, {"name": "year", "mask": {"of": "born", "kind": "Year"}, "semantic": "person:birthYear"}))
    with pytest.raises(MappingInvalidError, match="takes Date, and the field is Integer"):
        shape_of(spec(born, {"name": "year", "mask": {"of": "born", "kind": "Year"}, "semantic": "person:birthDate"}))
