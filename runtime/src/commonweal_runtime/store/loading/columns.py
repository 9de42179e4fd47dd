"""Whether the texts of a column are what a field's type holds: looked at as a column, and value by value only where some are in an uncommon form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from commonweal_api.data_product import FieldType
from commonweal_runtime.exceptions import ValueMismatchError
from commonweal_runtime.store.values import converter

_DAY = "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-[0-9]{2}-[0-9]{2}"
# Texts that PostgreSQL reads as the type without a doubt. Their days may still not be in the calendar.
_COMMON: dict[FieldType, str] = {
    FieldType.INTEGER: "^-?[0-9]{1,18}$",
    FieldType.NUMBER: "^-?[0-9]{1,100}(?:[.][0-9]{1,100})?$",
    FieldType.BOOLEAN: "^(?:true|false)$",
    FieldType.DATE: f"^{_DAY}$",
    FieldType.TIMESTAMP: f"^{_DAY}T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(?:[.][0-9]{{6}})?(?:[+]00:00)?$",
}
_WRITTEN: dict[type, Callable[[Any], str]] = {
    bool: lambda value: "true" if value else "false",
    int: str,
    Decimal: lambda value: format(value, "f"),
    date: date.isoformat,
    datetime: datetime.isoformat,
}


@dataclass(frozen=True, slots=True)
class Checked:
    """A column of texts that PostgreSQL reads as the type, and the numbers of the rows whose text is none of it; those are null in the column."""

    column: pa.Array
    bad: list[int]


def checked(column: pa.Array, type_: FieldType) -> Checked:
    """Return a source's column as texts of a type. `column` is one of `Batch.columns`."""
    if type_ is FieldType.STRING:
        bad = pc.indices_nonzero(pc.fill_null(pc.match_substring(column, "\0"), False)).to_pylist()
        return Checked(_without(column, bad), bad) if bad else Checked(column, [])
    if _is_common(column, type_):
        return Checked(column, [])
    return _one_by_one(column, type_)


def _is_common(column: pa.Array, type_: FieldType) -> bool:
    if pc.all(pc.match_substring_regex(column, _COMMON[type_])).as_py() is False:
        return False
    try:
        if type_ is FieldType.DATE:
            pc.cast(column, pa.date32())
        elif type_ is FieldType.TIMESTAMP:
            pc.cast(pc.replace_substring(column, "+00:00", ""), pa.timestamp("us"))
    except pa.ArrowInvalid:  # a day that its month does not have
        return False
    return True


def _one_by_one(column: pa.Array, type_: FieldType) -> Checked:
    convert, texts, bad = converter(type_), [], []
    for row, text in enumerate(column.to_pylist()):
        try:
            value = convert(text)
        except ValueMismatchError:
            value = None
            bad.append(row)
        texts.append(None if value is None else _WRITTEN[type(value)](value))
    return Checked(pa.array(texts, pa.string()), bad)


def _without(column: pa.Array, rows: list[int]) -> pa.Array:
    there = [True] * len(column)
    for row in rows:
        there[row] = False
    return pc.if_else(pa.array(there), column, None)
