"""Quality checks: what is counted, and what a count means."""

from __future__ import annotations

from typing import Any

import pytest

from commonweal_api.quality import QualityCheck
from commonweal_runtime.exceptions import PlanRefusedError
from commonweal_runtime.store import quality
from commonweal_runtime.store.agreements import Served
from support.products import spec

PRODUCT = Served("uid", "people", "people_0", spec({"name": "area", "column": "area", "type": "String"}), ())


def check(**over: Any) -> QualityCheck:
    return QualityCheck.model_validate({"name": "c", "metric": "RowCount", "atLeast": 10, "atMost": 20, **over})


@pytest.mark.parametrize(
    ("found", "state", "words"),
    [(9, "Failed", "9 is less than atLeast 10"), (10, "Passed", ""), (20, "Passed", ""), (21, "Failed", "21 is more than atMost 20")],
)
def test_a_count_passes_between_its_bounds(found: int, state: str, words: str) -> None:
    result = quality.judge(check(), found)
    assert (result.state, result.found) == (state, found)
    assert words in result.detail


def test_one_bound_is_enough() -> None:
    assert quality.judge(check(atLeast=None), 0).state == "Passed"
    assert quality.judge(check(atMost=None), 10**9).state == "Passed"


@pytest.mark.parametrize(
    ("over", "sql"),
    [
        ({}, 'select count(*) from product."people_0"'),
        ({"metric": "NullValues", "field": "area"}, 'select count(*) from product."people_0" where "area" is null'),
        (
            {"metric": "InvalidValues", "field": "area", "validValues": ["O'N", "B"]},
            """select count(*) from product."people_0" where "area" is not null and ("area")::text <> all (array['O''N', 'B']::text[])""",
        ),
    ],
)
def test_a_check_is_one_count(over: dict[str, Any], sql: str) -> None:
    assert quality.statement(check(**over), PRODUCT) == sql


def test_a_check_of_what_is_no_raw_field_is_refused() -> None:
    with pytest.raises(PlanRefusedError, match=r"spec\.quality c\.field: «ghost» is no raw field"):
        quality.statement(check(metric="NullValues", field="ghost"), PRODUCT)


def test_only_stop_serving_stops() -> None:
    field = {"name": "area", "column": "area", "type": "String"}
    warn = {"name": "w", "metric": "RowCount", "atLeast": 1}
    assert not quality.stops(spec(field, quality=[warn]))
    assert quality.stops(spec(field, quality=[warn, {**warn, "name": "s", "onFail": "StopServing"}]))
    assert quality.valid_seconds(spec(field, serve={"refreshSeconds": 60})) == 420
