"""Each rule of compatibility, by its smallest change; and which version an agreement reads."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from commonweal_api import ConsentPolicy, DataProduct
from commonweal_api.compatibility import BREAKING, Rule, breaking, changes
from commonweal_api.data_product import DataProductSpec
from commonweal_api.versions import served_version, served_versions
from support.manifests import EARLIER, Change, add, consent_policy, data_product_in_full, drop, put

NOW = datetime(2026, 11, 22, tzinfo=UTC)
STOP = {"name": "single", "metric": "DuplicateValues", "field": "name", "atMost": 10, "onFail": "StopServing"}
VALID = {
    "name": "known",
    "metric": "InvalidValues",
    "field": "town",
    "validValues": ["London", "Leeds"],
    "atMost": 5,
    "onFail": "StopServing",
}
CASES: list[tuple[Rule, str, tuple[Change, ...], tuple[Change, ...]]] = [
    (Rule.FIELD_REMOVED, "income", (), (drop("spec.answers.1"), drop("spec.fields.3"))),
    (Rule.FIELD_REMOVED, "earns", (), (drop("spec.answers.1"),)),
    (Rule.FIELD_ADDED, "post", (), (add("spec.fields", {"name": "post", "column": "post", "type": "String"}),)),
    (Rule.TYPE_CHANGED, "income", (), (put("spec.fields.3.type", "Integer"),)),
    (Rule.KIND_CHANGED, "birthYear", (), (put("spec.fields.2", {"name": "birthYear", "column": "year", "type": "Integer"}),)),
    (Rule.MASK_CHANGED, "birthYear", (), (put("spec.fields.2.mask.kind", "Decade"),)),
    (Rule.ANSWER_CHANGED, "earns", (), (put("spec.answers.1.expression", "income > 100"),)),
    (Rule.REQUIRED_DROPPED, "name", (), (drop("spec.fields.0.required"),)),
    (Rule.REQUIRED_ADDED, "income", (), (put("spec.fields.3.required", True),)),
    (Rule.MEANING_CHANGED, "birthDate", (), (put("spec.fields.1.semantic", "person:deathDate"),)),
    (Rule.MEANING_STATED, "name", (), (put("spec.fields.0.semantic", "person:fullName"),)),
    (Rule.ORIGIN_CHANGED, "name", (), (put("spec.fields.0.column", "name"),)),
    (Rule.ORIGIN_CHANGED, "town", (), (put("spec.fields.4.from", "lower(town)"),)),
    (Rule.CLASSIFICATION_RAISED, "name", (), (put("spec.fields.0.classification", "OfficialSensitive"),)),
    (Rule.CLASSIFICATION_LOWERED, "town", (), (drop("spec.fields.4.classification"),)),
    (Rule.DESCRIPTION_CHANGED, "name", (), (put("spec.fields.0.description", "As registered."),)),
    (Rule.CLASS_CHANGED, "", (), (put("spec.class", "LifeEvent"),)),
    (Rule.CHECK_REMOVED, "", (), (drop("spec.quality.0.onFail"),)),
    (Rule.CHECK_REMOVED, "name", (put("spec.quality.2", STOP),), (drop("spec.quality.2"),)),
    (Rule.CHECK_ADDED, "name", (), (put("spec.quality.2", STOP),)),
    (Rule.CHECK_LOOSENED, "name", (put("spec.quality.2", STOP),), (put("spec.quality.2", STOP | {"atMost": 11}),)),
    (Rule.CHECK_LOOSENED, "", (), (put("spec.quality.0", {"name": "enough", "metric": "RowCount", "atMost": 9, "onFail": "StopServing"}),)),
    (Rule.CHECK_TIGHTENED, "name", (put("spec.quality.2", STOP),), (put("spec.quality.2", STOP | {"atMost": 9}),)),
    (
        Rule.CHECK_LOOSENED,
        "town",
        (put("spec.quality.3", VALID),),
        (put("spec.quality.3", VALID | {"validValues": ["London", "Leeds", "Bath"]}),),
    ),
    (Rule.CHECK_TIGHTENED, "town", (put("spec.quality.3", VALID),), (put("spec.quality.3", VALID | {"validValues": ["Leeds"]}),)),
    (Rule.FRESHNESS_LOOSENED, "", (), (drop("spec.sla"),)),
    (Rule.FRESHNESS_TIGHTENED, "", (), (put("spec.sla.freshnessSeconds", 60),)),
]


def _spec(*made: Change) -> DataProductSpec:
    return DataProduct.model_validate(data_product_in_full(*made)).spec


@pytest.mark.parametrize(("rule", "field", "before", "after"), CASES)
def test_one_change_is_named_by_one_rule_with_the_field(
    rule: Rule, field: str, before: tuple[Change, ...], after: tuple[Change, ...]
) -> None:
    old, new = _spec(*before), _spec(*before, *after)
    found = changes(old, new)
    assert (rule, field) in {(c.rule, c.field) for c in found}
    assert (rule in BREAKING) == any(c.rule is rule for c in breaking(old, new))
    assert all(c.sentence.endswith(".") for c in found)
    assert changes(old, old) == changes(new, new) == ()


def test_every_rule_has_a_case() -> None:
    assert {case[0] for case in CASES} == set(Rule)


def test_only_what_concerns_the_reader_is_held_against_them() -> None:
    old, new = _spec(), _spec(put("spec.fields.3.type", "Integer"), put("spec.class", "LifeEvent"))
    assert [c.field for c in breaking(old, new, {"name"})] == [""]
    assert [c.field for c in breaking(old, new, {"income"})] == ["income", ""]


def test_white_space_in_an_expression_changes_nothing() -> None:
    assert changes(_spec(), _spec(put("spec.answers.1.expression", "income  >\n 0"))) == ()


def _agreement(fields: list[str], version: int | None = None) -> Any:
    wanted = (put("spec.fields", fields), *((put("spec.product.version", version),) if version is not None else ()))
    return ConsentPolicy.model_validate(consent_policy(*wanted)).spec


OLDEST = EARLIER | {"version": "0.9.0", "answers": []}


def _served(agreement: Any, *made: Change, now: datetime = NOW) -> int | None:
    return served_version(_spec(*made), agreement, now)


@pytest.mark.parametrize(
    ("fields", "version", "made", "reads"),
    [
        (["name"], None, (), 2),  # nothing about it breaks from 1 to 2
        (["name"], 1, (), 1),
        (["name"], 7, (), None),
        (["name", "income"], None, (), 2),  # the earlier one lacks a field
        (["adult"], None, (), 1),  # both have the answer, but it is another question
        (["name", "nothing"], None, (), 2),  # none has them all: the lack is named on the current one
        (["name"], None, (put("spec.earlier.0.fields.0.type", "Integer"), put("spec.earlier.0.answers", [])), 1),
        (["name"], None, (add("spec.earlier", OLDEST | {"fields": [EARLIER["fields"][0] | {"type": "Date"}]}),), 0),
    ],
)
def test_an_agreement_stays_where_nothing_breaks_for_it(
    fields: list[str], version: int | None, made: tuple[Change, ...], reads: int | None
) -> None:
    assert _served(_agreement(fields, version), *made) == reads


def test_a_version_that_has_ended_is_served_to_nobody() -> None:
    after = datetime(2027, 6, 1, tzinfo=UTC)
    assert list(served_versions(_spec(), NOW)) == [2, 1]
    assert list(served_versions(_spec(), after)) == [2]
    assert _served(_agreement(["name"], 1), now=after) is None
    assert _served(_agreement(["adult"]), now=after) == 2
