"""Fields by expression, against the real store: what they say, what they refuse, and that a bad one closes only its product."""

from __future__ import annotations

from typing import Any

import pytest

from contract.products.conftest import number_of, public, read, relation_of, told
from support.data_api import person_product, plan, subject
from support.keeper import Bench

MAPPED = [
    {
        "name": "fullName",
        "from": "concat_ws(' ', split_part(full_name, ' ', 1), split_part(full_name, ' ', 2))",
        "type": "String",
        "required": True,
    },
    {"name": "birthYear", "from": "extract(year from born)::int", "type": "Integer", "semantic": "person:birthYear"},
    {"name": "label", "from": "upper(coalesce(nullif(btrim(postcode), ''), 'none')) || '/' || lpad(score::text, 3, '0')", "type": "String"},
    {
        "name": "band",
        "from": "case when score < 10 then 'low' when score between 10 and 49 then 'middle' else 'high' end",
        "type": "String",
    },
    {"name": "rounded", "from": "round(income / 10, 1)", "type": "Number"},
    {"name": "odd", "from": "not active and income is not null", "type": "Boolean"},
    {"name": "day", "from": "seen::date", "type": "Date"},
    {"name": "district", "mask": {"of": "label", "kind": "FirstThree"}},
]


def mapped(bench: Bench, fields: list[dict[str, Any]] | None = None, **over: Any) -> dict[str, Any]:
    return person_product(bench.heritage, fields=fields or MAPPED, **over)


def test_expressions_say_what_they_say_and_consumers_read_it(bench: Bench) -> None:
    wanted = plan({"mapped": mapped(bench)}, {"all": public(product="mapped", fields=[f["name"] for f in MAPPED if f["name"] != "label"])})

    async def script(root: Any) -> None:
        number = await number_of(root, "all")
        assert await read(bench.store, number, subject("P7")) == {
            "fullName": "Person 7", "birthYear": 1950, "band": "low", "rounded": 1.1, "odd": True, "day": "2026-01-01", "district": "AB7",
        }  # fmt: skip
        assert (
            await root.fetchval(f"select label from {await relation_of(root, 'mapped')} where subject = $1", subject("P7")) == "AB7 0CD/007"
        )
        columns = await root.fetch(
            "select attname from pg_attribute where attrelid = $1::text::regclass and attnum > 0", await relation_of(root, "mapped")
        )
        assert not {"full_name", "income", "postcode", "seen"} & {c["attname"] for c in columns}  # source columns do not stay

    bench.run(wanted, script)


def test_a_row_on_which_an_expression_fails_is_set_aside_and_counted(bench: Bench) -> None:
    fields = [
        {"name": "fullName", "column": "full_name", "type": "String"},
        {"name": "ratio", "from": "income / (score - 50)", "type": "Number"},
    ]

    async def script(root: Any) -> None:
        assert (await told(bench, wanted, "broken", "RowsRefused")).quarantined == 2  # P50 and P150
        assert await root.fetchval(f"select count(*) from {await relation_of(root, 'broken')}") == 198

    wanted = plan({"broken": mapped(bench, fields)}, {})
    bench.run(wanted, script, settle=False)


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ({"from": "pg_sleep(1)", "type": "String"}, "«pg_sleep» is not allowed"),
        ({"from": "(select 1)", "type": "Integer"}, "is not allowed"),
        ({"from": "current_date - born", "type": "Integer"}, "spec.answers"),
        ({"from": "'constant'", "type": "String"}, "reads no column"),
        ({"column": "full_name", "type": "String", "semantic": "person:fulName"}, "person:fullName"),
        ({"column": "score", "type": "Integer", "semantic": "person:birthDate"}, "takes Date"),
    ],
)
def test_what_is_not_allowed_closes_the_product_and_names_field_and_remedy(bench: Bench, field: dict[str, Any], words: str) -> None:
    fields = [{"name": "fullName", "column": "full_name", "type": "String"}, {"name": "bad", **field}]
    wanted = plan(
        {"refused": mapped(bench, fields), "people": person_product(bench.heritage)},
        {"bad": public(product="refused", fields=["fullName"]), "good": public(fields=["fullName"])},
    )

    async def script(root: Any) -> None:
        message = (await told(bench, wanted, "refused", "MappingInvalid")).message
        assert "spec.fields bad" in message
        assert words in message
        await told(bench, wanted, "people", "Serving")
        assert await root.fetchval("select to_regclass(relation) from agreement.product where name = 'refused'") is None

    bench.run(wanted, script, settle=False)


def test_an_expression_that_fits_no_row_is_the_products_fault_and_no_rows(bench: Bench) -> None:
    fields = [{"name": "fullName", "column": "full_name", "type": "String"}, {"name": "bad", "from": "full_name - 1", "type": "Integer"}]
    wanted = plan({"misfit": mapped(bench, fields)}, {})

    async def script(root: Any) -> None:
        assert "spec.fields bad" in (await told(bench, wanted, "misfit", "MappingInvalid")).message

    bench.run(wanted, script, settle=False)
