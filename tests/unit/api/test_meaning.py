"""What the fields mean is part of what is signed: all of the definition, none of the words about it; and no field gives a person's own key."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from commonweal_api import ConsentPolicy, DataProduct
from commonweal_api.agreement_signatures import agreement_hash
from commonweal_api.meaning import Meaning, differences, gives_key, meaning_of
from commonweal_api.versions import meaning_for, served_version
from support.manifests import HTTP, MYSQL, PARQUET, VOLUME, Change, add, consent_policy, data_product, data_product_in_full, drop, put

NOW = datetime(2026, 11, 28, tzinfo=UTC)
NONCE = "0123456789abcdefghijkl"
FIELDS = ["name", "birthYear", "town", "adult"]


def meaning(*changes: Change, fields: list[str] = FIELDS) -> Meaning:
    product = DataProduct.model_validate(data_product_in_full(*changes)).spec
    return meaning_of(fields, product, product)


def signed(found: Meaning | None, *changes: Change) -> str:
    spec = ConsentPolicy.model_validate(consent_policy(put("spec.nonce", NONCE), *changes)).spec
    return agreement_hash("tax", "benefits-reads-people", spec, found)


def test_a_hash_once_signed_stays_what_it_was() -> None:
    """Departments have signed it: a change here would close every agreement there is."""
    product = DataProduct.model_validate(data_product()).spec
    found = signed(meaning_of(["name", "birthYear"], product, product))
    assert found == "sha256:c93686d064b70936528e6822c2812342ed75251e354a8502a61cbd95e7dd5cd5"


def test_a_nonce_makes_the_same_terms_another_agreement_and_needs_the_meaning() -> None:
    assert signed(meaning()) != signed(meaning(), put("spec.nonce", NONCE[::-1]))
    with pytest.raises(ValueError, match="part of what is signed"):
        signed(None)


def test_without_a_nonce_the_meaning_is_no_part_of_it() -> None:
    spec = ConsentPolicy.model_validate(consent_policy()).spec
    assert agreement_hash("tax", "a", spec, meaning()) == agreement_hash("tax", "a", spec)


def test_what_each_field_is_made_from() -> None:
    found = meaning()
    assert {each.name: each.words for each in found.fields} == {
        "name": "String from column full_name",
        "birthYear": "Year of birthDate",
        "town": "String from upper(trim(town))",
        "adult": "whether birthDate <= current_date - interval '18 years'",
    }
    assert {each.name: each.words for each in found.behind} == {"birthDate": "Date from column born"}
    assert found.source == "postgres heritage.internal:5432/heritage/public.person"
    assert (found.subject, found.records) == ("person_ref", "One")


OTHER: dict[str, tuple[Change, ...]] = {
    "column": (put("spec.fields.0.column", "nickname"),),
    "type": (put("spec.fields.4.type", "Integer"),),
    "a column becomes an expression": (drop("spec.fields.0.column"), put("spec.fields.0.from", "full_name")),
    "expression": (put("spec.fields.4.from", "lower(trim(town))"),),
    "white space between quotes": (put("spec.fields.4.from", "replace(town, '  ', ' ')"),),
    "what is behind a mask": (put("spec.fields.1.column", "died"),),
    "kind of mask": (put("spec.fields.2.mask.kind", "Decade"),),
    "an answer's expression": (put("spec.answers.0.expression", "birthDate <= current_date"),),
    "host": (put("spec.source.postgres.host", "elsewhere.internal"),),
    "port": (put("spec.source.postgres.port", 6432),),
    "database": (put("spec.source.postgres.database", "copy"),),
    "schema": (put("spec.source.postgres.schema", "old"),),
    "table": (put("spec.source.postgres.table", "people"),),
    "another kind of source": (put("spec.source", MYSQL),),
    "files": (put("spec.source", PARQUET),),
    "a volume": (put("spec.source", VOLUME),),
    "the person": (put("spec.subject.column", "nino"),),
    "records": (put("spec.subject", {"column": "person_ref", "records": "Many", "recordKey": "row_no"}),),
}


@pytest.mark.parametrize("what", OTHER)
def test_another_definition_is_another_agreement_and_says_so(what: str) -> None:
    changed = meaning(*OTHER[what])
    assert signed(changed) != signed(meaning())
    assert differences(meaning(), changed)
    assert all(text.endswith(".") for text in differences(meaning(), changed))


def test_every_other_definition_is_an_agreement_of_its_own() -> None:
    assert len({signed(meaning(*changes)) for changes in OTHER.values()}) == len(OTHER)


SAME: dict[str, tuple[Change, ...]] = {
    "description": (put("spec.fields.0.description", "In other words."),),
    "classification": (put("spec.fields.0.classification", "OfficialSensitive"),),
    "semantic": (put("spec.fields.0.semantic", "person:fullName"),),
    "required": (drop("spec.fields.0.required"),),
    "login": (put("spec.source.postgres.credentials.name", "another"),),
    "another field": (add("spec.fields", {"name": "more", "column": "more", "type": "String"}),),
    "a field that is not agreed": (put("spec.fields.3.column", "wage"),),
    "an answer that is not agreed": (put("spec.answers.1.expression", "income > 1"),),
    "checks": (put("spec.quality", []),),
    "service": (put("spec.serve", {"refreshSeconds": 5, "auditDurability": "Deferred"}),),
    "title and version": (put("spec.title", "The people"), put("spec.version", "2.2.0")),
    "white space": (put("spec.fields.4.from", "upper(trim(town))\n"),),
}


@pytest.mark.parametrize("what", SAME)
def test_words_and_what_is_not_agreed_are_no_part_of_it(what: str) -> None:
    assert signed(meaning(*SAME[what])) == signed(meaning())
    assert differences(meaning(), meaning(*SAME[what])) == []


@pytest.mark.parametrize("expression", ["income > 0", "INCOME > 0", 'x > 0 and "income" is null', "coalesce(Income,0)>0"])
def test_an_answer_is_signed_with_every_field_whose_name_stands_in_it(expression: str) -> None:
    """However a name is written: to sign too much closes too often, to sign too little would let an answer change its subject."""
    found = meaning(put("spec.answers.1.expression", expression), fields=["earns"])
    assert [each.name for each in found.behind] == ["income"]
    changed = meaning(put("spec.answers.1.expression", expression), put("spec.fields.3.column", "debt"), fields=["earns"])
    assert "income meant «Number from column income» and means «Number from column debt»." in differences(found, changed)


@pytest.mark.parametrize(
    ("key", "field", "gives"),
    [
        ("National No", {"column": "National No"}, True),
        ("National No", {"column": "NATIONAL NO"}, True),
        ("National No", {"from": 'upper("national no")'}, True),
        ("National No", {"from": """concat_ws('"', "National No")"""}, True),
        ("National No", {"from": 'upper("National")'}, False),
        ('a"b', {"from": 'upper("a""b")'}, True),
        ("id", {"column": "/id"}, True),
        ("id", {"from": 'upper("/id")'}, True),
        ("/id", {"column": "id"}, True),
        ("/id", {"from": "upper(id)"}, True),
        ("/a~1b", {"column": "a/b"}, True),
        ("a/b", {"from": 'upper("/a~1b")'}, True),
        ("/person/id", {"column": "id"}, False),
    ],
)
def test_the_key_is_seen_in_every_way_of_writing_its_name(key: str, field: dict[str, Any], gives: bool) -> None:
    body = data_product(
        put("spec.source", HTTP), put("spec.subject.column", key), add("spec.fields", {"name": "key", "type": "String", **field})
    )
    product = DataProduct.model_validate(body).spec
    assert gives_key(meaning_of(["key"], product, product)) == ("key" if gives else None)


def test_an_api_is_told_by_all_that_decides_which_records_it_gives() -> None:
    def told(*changes: Change) -> str:
        product = DataProduct.model_validate(data_product(put("spec.source", HTTP), *changes)).spec
        return meaning_of(["name"], product, product).source

    assert (
        told()
        == "http https://api.tax.example:8443/v1/people?filter%5Btown%5D=Leeds records /data/items with Accept: application/vnd.api+json"
    )
    assert told(put("spec.source.http.credentials.name", "other"), put("spec.source.http.paging.size", 9)) == told()
    long = [{"name": "p" * 60 + str(n), "value": "v" * 300} for n in range(10)]
    assert len(told(put("spec.source.http.query", long))) < 1000
    assert told(put("spec.source.http.query", long)) != told(put("spec.source.http.query", [*long, long[0]]))


KEY = {"name": "key", "column": "person_ref", "type": "String"}


@pytest.mark.parametrize(
    ("field", "gives"),
    [
        (KEY, True),
        ({"name": "key", "from": "upper(person_ref)", "type": "String"}, True),
        ({"name": "key", "from": "left(PERSON_REF, 3)", "type": "String"}, True),
        ({"name": "key", "from": "replace(\"person_ref\", '-', '')", "type": "String"}, True),
        ({"name": "key", "from": "person_ref is not null", "type": "Boolean"}, False),
        ({"name": "key", "from": "upper(person_refs)", "type": "String"}, False),
        ({"name": "key", "column": "full_name", "type": "String"}, False),
    ],
)
def test_no_agreed_field_gives_the_sources_key(field: dict[str, Any], gives: bool) -> None:
    product = DataProduct.model_validate(data_product(add("spec.fields", field))).spec
    assert gives_key(meaning_of(["name", "key"], product, product)) == ("key" if gives else None)
    assert gives_key(meaning_of(["name"], product, product)) is None, (
        "what is not agreed may be there: for a mask, for linkage, for a check"
    )


@pytest.mark.parametrize(("kind", "gives"), [("FirstWord", True), ("FirstThree", False), ("Present", False)])
def test_a_mask_of_the_key_leaves_little_of_it_or_counts_as_the_key(kind: str, gives: bool) -> None:
    masked = {"name": "masked", "mask": {"of": "key", "kind": kind}}
    product = DataProduct.model_validate(data_product(add("spec.fields", KEY), add("spec.fields", masked))).spec
    assert gives_key(meaning_of(["masked"], product, product)) == ("masked" if gives else None)


def test_an_agreement_moves_up_only_to_a_version_that_means_the_same() -> None:
    body = data_product_in_full(put("spec.earlier.0.fields", data_product_in_full()["spec"]["fields"]), put("spec.earlier.0.answers", []))
    agreement = ConsentPolicy.model_validate(consent_policy()).spec
    product = DataProduct.model_validate(body).spec
    assert served_version(product, agreement, NOW) == 2
    other = copy.deepcopy(body)
    put("spec.fields.1.column", "died")(other)
    product = DataProduct.model_validate(other).spec
    assert served_version(product, agreement, NOW) == 1
    found, later = meaning_for(product, agreement, NOW), meaning_for(product, agreement, datetime(2027, 6, 1, tzinfo=UTC))
    assert found is not None
    assert later is not None
    assert differences(found, later) == ["birthDate meant «Date from column born» and means «Date from column died»."]
