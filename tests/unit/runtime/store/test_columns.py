"""A column of texts against a type: what is common stays as it is, what is uncommon is written as PostgreSQL reads it, and what is neither is named by its row."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonweal_api.data_product import FieldType
from commonweal_runtime.exceptions import ValueMismatchError
from commonweal_runtime.store.loading.columns import checked
from commonweal_runtime.store.values import converter

GOOD: dict[FieldType, list[tuple[str, str]]] = {
    FieldType.STRING: [("", ""), (" a ", " a "), ('O\'Brien, "x"\n', 'O\'Brien, "x"\n')],
    FieldType.INTEGER: [
        ("10000", "10000"),
        ("-7", "-7"),
        ("1.0", "1"),
        (" 5 ", "5"),
        ("+5", "5"),
        ("1e3", "1000"),
        ("9223372036854775807", "9223372036854775807"),
    ],
    FieldType.NUMBER: [("1.50", "1.50"), ("0.00000000", "0.00000000"), ("1E-8", "0.00000001"), ("-.5", "-0.5"), ("1e20", "1" + "0" * 20)],
    FieldType.BOOLEAN: [("true", "true"), ("false", "false"), (" T ", "true"), ("f", "false")],
    FieldType.DATE: [
        ("9999-12-31", "9999-12-31"),
        ("0001-01-01", "0001-01-01"),
        ("2024-02-29", "2024-02-29"),
        (" 2024-02-29", "2024-02-29"),
    ],
    FieldType.TIMESTAMP: [
        ("9999-12-31T23:59:59.999999", "9999-12-31T23:59:59.999999"),
        ("2024-01-31T12:00:00+00:00", "2024-01-31T12:00:00+00:00"),
        ("2024-01-31 12:00:00", "2024-01-31T12:00:00+00:00"),
        ("2024-01-31T12:00:00.5+02:00", "2024-01-31T10:00:00.500000+00:00"),
    ],
}
BAD: dict[FieldType, list[str]] = {
    FieldType.STRING: ["\0", "a\0b"],
    FieldType.INTEGER: ["", "1_000", "2.5", "9223372036854775808", "one", "1\n2", "١"],
    FieldType.NUMBER: ["", "1_000", "NaN", "Infinity", "1e2000", "1,5", "0x10"],
    FieldType.BOOLEAN: ["", "1", "yes", "truefalse"],
    FieldType.DATE: ["", "2023-02-29", "0000-01-01", "0044-03-15 BC", "10000-01-01", "infinity", "2024-00-00", "2024-01-31T00:00:00"],
    FieldType.TIMESTAMP: ["", "2024-02-30T00:00:00", "infinity", "0001-01-01T00:00:00+14:00", "2024-01-31T25:00:00"],
}


@pytest.mark.parametrize("type_", list(GOOD))
def test_what_fits_is_kept_beside_what_does_not(type_: FieldType) -> None:
    texts = [text for text, _ in GOOD[type_]] + BAD[type_] + [None]
    found = checked(pa.array(texts, pa.string()), type_)
    written = [text for _, text in GOOD[type_]]
    assert found.column.to_pylist()[: len(written)] == (written if type_ is not FieldType.TIMESTAMP else [_at_utc(t) for t in written])
    assert found.bad == list(range(len(written), len(texts) - 1))
    assert found.column.to_pylist()[len(written) :] == [None] * (len(BAD[type_]) + 1), "a bad text is never stored"


def _at_utc(text: str) -> str:
    return text if text.endswith("+00:00") else text + "+00:00"


@pytest.mark.parametrize("type_", [t for t in GOOD if t is not FieldType.STRING])
@given(data=st.data())
def test_a_text_that_is_taken_as_it_is_is_one_that_the_conversion_takes(type_: FieldType, data: st.DataObject) -> None:
    """The look at the whole column is a short way of the conversion, never another rule."""
    text = data.draw(st.one_of(st.sampled_from([t for t, _ in GOOD[type_]] + BAD[type_]), st.text("0123456789-+.eE:T tfrue", max_size=27)))
    found = checked(pa.array([text], pa.string()), type_)
    try:
        value = converter(type_)(text)
    except ValueMismatchError:
        assert found.bad == [0]
        return
    assert found.bad == []
    assert converter(type_)(found.column[0].as_py()) == value
    if isinstance(value, Decimal):
        assert "E" not in found.column[0].as_py()
