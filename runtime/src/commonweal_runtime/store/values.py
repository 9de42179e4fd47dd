"""What a value of a heritage column becomes in a field of a declared type, or why it cannot."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from uuid import UUID

from commonweal_api.data_product import FieldType
from commonweal_runtime.exceptions import ValueMismatchError

_INT8 = range(-(2**63), 2**63)
_TRUE, _FALSE = frozenset({"true", "t"}), frozenset({"false", "f"})


def _string(value: object) -> str:
    if isinstance(value, str) and "\x00" not in value:  # PostgreSQL's text holds no zero byte
        return value
    if isinstance(value, date):  # and datetime, which is one
        return value.isoformat()
    if isinstance(value, int | float | Decimal | UUID) and not isinstance(value, bool):
        return str(value)
    raise ValueMismatchError


def _integer(value: object) -> int:
    if isinstance(value, str):
        value = _decimal(value)
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value in _INT8:
        return value
    raise ValueMismatchError


def _number(value: object) -> Decimal:
    if isinstance(value, str):
        return _decimal(value)
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        value = Decimal(value)
    elif isinstance(value, float) and math.isfinite(value):
        value = Decimal(repr(value))
    if isinstance(value, Decimal) and value.is_finite():
        return value
    raise ValueMismatchError


def _decimal(text: str) -> Decimal:
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        raise ValueMismatchError from None
    if not value.is_finite() or abs(value.adjusted()) > 1000:
        raise ValueMismatchError
    return value


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else ""
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise ValueMismatchError


def _date(value: object) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str):
        try:
            return date.fromisoformat(value.strip())
        except ValueError:
            raise ValueMismatchError from None
    raise ValueMismatchError


def _timestamp(value: object) -> datetime:
    """Return an aware moment; one without an offset is taken as UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise ValueMismatchError from None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    raise ValueMismatchError


_CONVERT: dict[FieldType, Callable[[object], object]] = {
    FieldType.STRING: _string,
    FieldType.INTEGER: _integer,
    FieldType.NUMBER: _number,
    FieldType.BOOLEAN: _boolean,
    FieldType.DATE: _date,
    FieldType.TIMESTAMP: _timestamp,
}


def converter(type_: FieldType) -> Callable[[object], object]:
    """Return what turns a source value into a field of that type; it raises ValueMismatchError, and keeps None."""
    convert = _CONVERT[type_]
    return lambda value: None if value is None else convert(value)


def key_of(value: object) -> str:
    """Return a subject's or record's key as text; raise ValueMismatchError if it is empty or has no one text form."""
    text = _string(value)
    if not text.strip():
        raise ValueMismatchError
    return text
