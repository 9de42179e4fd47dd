"""What a text becomes in a field, and what no field takes."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from commonweal_api.data_product import FieldType
from commonweal_runtime.exceptions import ValueMismatchError
from commonweal_runtime.store.values import converter, key_of

LAST = datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (FieldType.INTEGER, "1.0", 1),
        (FieldType.INTEGER, "42.00", 42),
        (FieldType.INTEGER, "1E+4", 10000),
        (FieldType.INTEGER, "-9223372036854775808", -(2**63)),
        (FieldType.NUMBER, "12.50", Decimal("12.50")),
        (FieldType.BOOLEAN, "True", True),
        (FieldType.DATE, "9999-12-31", date.max),
        (FieldType.DATE, "0001-01-01", date.min),
        (FieldType.TIMESTAMP, "9999-12-31T23:59:59.999999+00:00", LAST),
        (FieldType.TIMESTAMP, "2024-01-31T12:00:00", datetime(2024, 1, 31, 12, tzinfo=UTC)),
        (FieldType.STRING, "", ""),
        (FieldType.STRING, None, None),
    ],
)
def test_a_field_takes_what_says_a_value_of_its_type(type_: FieldType, text: str | None, value: object) -> None:
    assert converter(type_)(text) == value


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        (FieldType.INTEGER, "2.5"),
        (FieldType.INTEGER, "1_000"),
        (FieldType.INTEGER, "9223372036854775808"),
        (FieldType.INTEGER, "١"),
        (FieldType.NUMBER, "1_000.5"),
        (FieldType.NUMBER, "NaN"),
        (FieldType.NUMBER, "Infinity"),
        (FieldType.NUMBER, "1e5000"),
        (FieldType.NUMBER, ""),
        (FieldType.BOOLEAN, "1"),
        (FieldType.DATE, "0044-03-15 BC"),
        (FieldType.DATE, "10000-01-01"),
        (FieldType.DATE, "infinity"),
        (FieldType.DATE, "2024-00-00"),
        (FieldType.TIMESTAMP, "9999-12-31T23:59:59-01:00"),
        (FieldType.TIMESTAMP, "-infinity"),
        (FieldType.STRING, "\0"),
    ],
)
def test_a_field_takes_nothing_else(type_: FieldType, text: str) -> None:
    with pytest.raises(ValueMismatchError):
        converter(type_)(text)


def test_a_key_is_a_text_with_something_in_it() -> None:
    assert key_of("10000") == "10000"
    for text in (None, "", "  ", "\0", "a\0b"):
        with pytest.raises(ValueMismatchError):
            key_of(text)
