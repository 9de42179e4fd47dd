"""What a source's text becomes in a field of a declared type, or why it cannot. The texts' forms are those of `sources.contract.Batch`."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal

from commonweal_api.data_product import FieldType
from commonweal_runtime.exceptions import ValueMismatchError

_INT8 = range(-(2**63), 2**63)
_TRUE, _FALSE = frozenset({"true", "t"}), frozenset({"false", "f"})
_DECIMAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?", re.ASCII)
_WIDEST = 1000  # digits before or after the point


def _string(text: str) -> str:
    if "\x00" in text:  # PostgreSQL's text holds no zero byte
        raise ValueMismatchError
    return text


def _integer(text: str) -> int:
    value = _number(text)
    whole = int(value)
    if whole == value and whole in _INT8:
        return whole
    raise ValueMismatchError


def _number(text: str) -> Decimal:
    if not _DECIMAL.fullmatch(text.strip()):
        raise ValueMismatchError
    value = Decimal(text.strip())
    if abs(value.adjusted()) > _WIDEST:
        raise ValueMismatchError
    return value


def _boolean(text: str) -> bool:
    word = text.strip().lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise ValueMismatchError


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise ValueMismatchError from None


def _timestamp(text: str) -> datetime:
    """Return an aware moment; one without an offset is taken as UTC."""
    try:
        value = datetime.fromisoformat(text.strip())
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # an offset can lead out of the calendar
        raise ValueMismatchError from None


_CONVERT: dict[FieldType, Callable[[str], object]] = {
    FieldType.STRING: _string,
    FieldType.INTEGER: _integer,
    FieldType.NUMBER: _number,
    FieldType.BOOLEAN: _boolean,
    FieldType.DATE: _date,
    FieldType.TIMESTAMP: _timestamp,
}


def converter(type_: FieldType) -> Callable[[str | None], object]:
    """Return what turns a source's text into a field of that type; it raises ValueMismatchError, and keeps None."""
    convert = _CONVERT[type_]
    return lambda text: None if text is None else convert(text)


def key_of(text: str | None) -> str:
    """Return a subject's or record's key; raise ValueMismatchError if it is empty or no text."""
    if text is None or not text.strip() or "\x00" in text:
        raise ValueMismatchError
    return text
