"""Made-up rows keep the contract, are the same at each run, and are about the same people everywhere."""

from __future__ import annotations

from datetime import date

from commonweal_api.data_product import DataProduct, DataProductSpec, FieldType
from commonweal_cli.dev.synthetic import PEOPLE, Table, create, key, table
from support.dev import EXAMPLE, PRODUCT
from support.kube_api import manifests_in

LOANS = DataProduct.model_validate(manifests_in(PRODUCT)[0]).spec
EXAMPLES = [DataProduct.model_validate(m) for m in manifests_in(EXAMPLE / "30-products.yaml")]


def column(made: Table, name: str) -> list[object]:
    at = [c.name for c in made.columns].index(name)
    return [row[at] for row in made.rows]


def test_two_runs_agree_and_another_seed_does_not() -> None:
    assert table("tax", "loans", LOANS) == table("tax", "loans", LOANS)
    assert table("tax", "loans", LOANS, seed=1).rows != table("tax", "loans", LOANS).rows


def test_every_person_is_in_every_product_under_the_key_by_which_they_sign_in() -> None:
    people = {key(n) for n in range(1, PEOPLE + 1)}
    assert "P000001" in people
    for product in EXAMPLES:
        made = table("any", product.metadata.name, product.spec)
        assert set(column(made, product.spec.subject.column)) == people


def test_many_records_have_keys_that_stand_once() -> None:
    numbers = column(table("tax", "loans", LOANS), "loan_no")
    assert len(numbers) > PEOPLE
    assert len(set(numbers)) == len(numbers)


def test_required_values_are_there_valid_ones_alone_are_taken_and_others_are_missing_now_and_then() -> None:
    made = table("tax", "loans", LOANS)
    assert None not in column(made, "title")
    assert all(isinstance(value, date) for value in column(made, "due_on"))
    assert set(column(made, "kind")) - {None} == {"Book", "Map"}
    assert None in column(made, "kind")


def test_what_an_expression_compares_with_is_among_the_values() -> None:
    assert "late" in column(table("tax", "loans", LOANS), "state")
    (companies,) = [p.spec for p in EXAMPLES if p.metadata.name == "companies"]
    assert set(column(table("r", "companies", companies), "status")) - {None} == {"active", "dormant"}


def test_columns_have_the_types_of_their_fields() -> None:
    fields = [{"name": t.lower(), "column": t.lower(), "type": t} for t in FieldType]
    spec = DataProductSpec.model_validate(LOANS.wire() | {"quality": [], "fields": fields})
    made = table("tax", "all", spec)
    statement = create("s", "all", made.columns)
    for type_, sql in {"integer": "bigint", "boolean": "boolean", "timestamp": "timestamptz", "date": "date", "number": "numeric"}.items():
        assert f'"{type_}" {sql}' in statement
