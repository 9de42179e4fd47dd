"""Checks on a product's records, run after each load. A check that did not run has not passed."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from commonweal_api.common import FieldName, Strict, Text, cel, check, validations


class Metric(StrEnum):
    """What is counted, in the words of the Open Data Contract Standard."""

    ROW_COUNT = "RowCount"
    NULL_VALUES = "NullValues"
    DUPLICATE_VALUES = "DuplicateValues"
    INVALID_VALUES = "InvalidValues"


class OnFail(StrEnum):
    """What a failed check does."""

    STOP_SERVING = "StopServing"
    WARN = "Warn"


FIELD = cel(
    "(self.metric == 'RowCount') != has(self.field)",
    "spec.quality[].field: name the field that is counted, and leave it out for RowCount.",
)
VALID_VALUES = cel(
    "(self.metric == 'InvalidValues') == has(self.validValues)",
    "spec.quality[].validValues: list what is valid for InvalidValues, and leave it out otherwise.",
)
BOUND = cel("has(self.atLeast) || has(self.atMost)", "spec.quality[]: set atLeast, atMost or both.")
BOUNDS = cel(
    "!has(self.atLeast) || !has(self.atMost) || self.atLeast <= self.atMost", "spec.quality[].atMost: is less than atLeast; raise it."
)


class QualityCheck(Strict, json_schema_extra=validations(FIELD, VALID_VALUES, BOUND, BOUNDS)):
    """One count over all records, and between which bounds it must lie."""

    name: FieldName = Field(description="What the check is called in status and contract.")
    metric: Metric = Field(description="What is counted: records, or values of the field that are empty, stand twice or are not valid.")
    field: FieldName | None = Field(default=None, description="A field with a column or expression of its own.")
    valid_values: list[Annotated[Text, StringConstraints(min_length=1, max_length=200)]] | None = Field(
        default=None, min_length=1, max_length=100, description="Every value that is valid, as text; empty ones are not counted here."
    )
    at_least: int | None = Field(default=None, strict=True, ge=0, le=1_000_000_000_000, description="Least count that passes.")
    at_most: int | None = Field(default=None, strict=True, ge=0, le=1_000_000_000_000, description="Greatest count that passes.")
    on_fail: OnFail = Field(default=OnFail.WARN, description="StopServing closes the product until the check passes; Warn only says so.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        low, high = self.at_least, self.at_most
        check(
            ((self.metric == Metric.ROW_COUNT) == (self.field is not None), FIELD),
            ((self.metric == Metric.INVALID_VALUES) != (self.valid_values is not None), VALID_VALUES),
            (low is None and high is None, BOUND),
            (low is not None and high is not None and low > high, BOUNDS),
        )
        return self


class QualityCount(Strict):
    """How the checks of a product stand."""

    passed: int = Field(default=0, strict=True, ge=0, description="Checks that passed.")
    failed: int = Field(default=0, strict=True, ge=0, description="Checks that failed.")
    not_run: int = Field(default=0, strict=True, ge=0, description="Checks that did not run, which is not passing.")
