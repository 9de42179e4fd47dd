"""Earlier versions as products of their own: pure functions; time is an argument."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from commonweal_api.consent_policy import ConsentPolicySpec
from commonweal_api.plan import ProductPlan, StorePlan
from commonweal_runtime.exceptions import AgreementClosedError
from commonweal_runtime.store.products import contract_of
from commonweal_runtime.store.versions import expand, next_end, resolve
from support.data_api import agreement
from support.products import spec

NOW = datetime(2026, 11, 22, tzinfo=UTC)
ENDS = NOW + timedelta(days=10)
NAME, SCORE = {"name": "fullName", "column": "fn", "type": "String"}, {"name": "score", "column": "score", "type": "Integer"}
EARLIER = {"version": "1.4.0", "fields": [NAME, SCORE], "until": ENDS.isoformat()}


def plan(**over: Any) -> StorePlan:
    product = ProductPlan(name="people", uid="u1", generation=3, spec=spec(NAME, version="2.1.0", **{"earlier": [EARLIER], **over}))
    return StorePlan(department="registry", display_name="The Registry", contact="mailto:registry@example.test", products=[product])


def reads(*fields: str, version: int | None = None) -> ConsentPolicySpec:
    named = {} if version is None else {"version": version}
    return ConsentPolicySpec.model_validate(agreement("PublicTask", fields=fields) | {"product": {"name": "people", **named}})


def test_an_earlier_version_is_a_product_of_its_own_from_the_same_source() -> None:
    current, earlier = expand(plan(), NOW).products
    assert (current.name, current.uid) == ("people", "u1")
    assert (earlier.name, earlier.uid, earlier.generation, earlier.spec.version) == ("people@1", "u1@1", 3, "1.4.0")
    assert [f.name for f in earlier.spec.fields] == ["fullName", "score"]
    assert earlier.spec.source == current.spec.source
    assert earlier.spec.earlier == []
    assert contract_of(earlier) != contract_of(current)


def test_what_is_served_beside_it_is_no_part_of_a_contract() -> None:
    assert contract_of(plan().products[0]) == contract_of(plan(earlier=[]).products[0])


def test_checks_go_with_the_fields_that_a_version_has() -> None:
    checks = [
        {"name": "rows", "metric": "RowCount", "atLeast": 1},
        {"name": "named", "metric": "NullValues", "field": "fullName", "atMost": 0},
    ]
    old = {**EARLIER, "fields": [SCORE]}
    current, earlier = expand(plan(quality=checks, earlier=[old]), NOW).products
    assert [q.name for q in current.spec.quality] == ["rows", "named"]
    assert [q.name for q in earlier.spec.quality] == ["rows"]


def test_a_version_ends_at_its_moment() -> None:
    assert [p.name for p in expand(plan(), ENDS - timedelta(microseconds=1)).products] == ["people", "people@1"]
    assert [p.name for p in expand(plan(), ENDS).products] == ["people"]
    assert next_end(plan(), NOW) == ENDS
    assert next_end(plan(), ENDS) is None


def test_an_agreement_reads_the_version_that_it_names_or_one_that_has_its_fields() -> None:
    assert resolve(plan(), reads("fullName", version=1), NOW) == "people@1"
    assert resolve(plan(), reads("fullName", version=2), NOW) == "people"
    assert resolve(plan(), reads("score"), NOW) == "people@1"


@pytest.mark.parametrize(
    ("agreed", "now", "words"),
    [
        (reads("fullName", version=7), NOW, "serves no version 7; it has 2, 1"),
        (reads("fullName", version=1), ENDS, "serves no version 1; it has 2"),
    ],
)
def test_a_version_that_is_unknown_or_has_ended_closes(agreed: ConsentPolicySpec, now: datetime, words: str) -> None:
    with pytest.raises(AgreementClosedError) as closed:
        resolve(plan(), agreed, now)
    assert words in str(closed.value)


def test_a_product_that_is_not_there_is_named() -> None:
    with pytest.raises(AgreementClosedError, match="There is no product «people» here"):
        resolve(plan().model_copy(update={"products": []}), reads("fullName"), NOW)
