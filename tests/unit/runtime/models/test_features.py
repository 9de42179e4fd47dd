"""What a value that is no number says where one is declared: nothing, and never a fault."""

from __future__ import annotations

import pytest

from commonweal_api.model_service import Feature
from commonweal_runtime.models.features import person_features

YEAR = Feature(department="tax", product="people", field="year", encoding="Number", min=0, max=100)


@pytest.mark.parametrize("value", [10**400, -(10**400), "1e999", float("nan"), float("inf"), "x", "", [], {}])
def test_a_value_that_is_no_number_says_nothing(value: object) -> None:
    assert person_features([YEAR], {("tax", "people"): [{"year": value}]}) == {}
    assert person_features([YEAR], {("tax", "people"): [{"year": value}, {"year": 50}]}) == {"tax/people/year": 0.5}
