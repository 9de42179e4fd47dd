"""The canonical text of Arrow columns (docs/reference/types.md): what every value of a Parquet file is to the store, made column by column."""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from commonweal_api.data_product import FieldType
from commonweal_runtime.store.sources.contract import UNREADABLE

_Fits = Callable[[pa.DataType], bool]
_NATURAL: tuple[tuple[_Fits, FieldType], ...] = (
    (pa.types.is_string, FieldType.STRING),
    (pa.types.is_large_string, FieldType.STRING),
    (pa.types.is_string_view, FieldType.STRING),
    (pa.types.is_null, FieldType.STRING),
    (pa.types.is_time, FieldType.STRING),
    (pa.types.is_boolean, FieldType.BOOLEAN),
    (pa.types.is_integer, FieldType.INTEGER),
    (pa.types.is_floating, FieldType.NUMBER),
    (pa.types.is_decimal, FieldType.NUMBER),
    (pa.types.is_date, FieldType.DATE),
    (pa.types.is_timestamp, FieldType.TIMESTAMP),
)
_UUID = pa.uuid()
_GROUPS = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))  # of the digits of a UUID
_NO_NUMBERS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
_FLOATS = {16: "<e", 32: "<f", 64: "<d"}


def natural_of(type_: pa.DataType) -> FieldType | None:
    """Return what a column's values are; None for lists, structures, bytes and whatever else no field can hold."""
    if pa.types.is_dictionary(type_):
        return natural_of(type_.value_type)
    if isinstance(type_, pa.BaseExtensionType):
        return FieldType.STRING if type_ == _UUID else natural_of(type_.storage_type)
    return next((natural for fits, natural in _NATURAL if fits(type_)), None)


def text_of(column: pa.Array) -> pa.StringArray | pa.LargeStringArray:
    """Return the text of each value of a column that has a natural type; null where there is none, `UNREADABLE` where it cannot be read."""
    if pa.types.is_dictionary(column.type):
        return text_of(column.dictionary_decode())
    if isinstance(column.type, pa.BaseExtensionType):
        return _uuids(column.storage) if column.type == _UUID else text_of(column.storage)
    return next((text for fits, text in _TEXT if fits(column.type)), _plain)(column)


def former_of(type_: pa.DataType) -> Callable[[str], str] | None:
    """Return what release 0.1 made of a value, given its canonical text: what Python prints. None where the two do not differ."""
    if pa.types.is_dictionary(type_):
        return former_of(type_.value_type)
    if pa.types.is_decimal(type_):
        return lambda text: str(Decimal(text))
    if pa.types.is_floating(type_):
        form = _FLOATS[type_.bit_width]
        return lambda text: str(struct.unpack(form, struct.pack(form, float(text)))[0])
    if pa.types.is_timestamp(type_) and type_.tz is not None:
        return _local(type_.tz)
    return None


def _local(zone: str) -> Callable[[str], str] | None:
    try:
        there = pa.scalar(0, pa.timestamp("us", zone)).as_py().tzinfo
    except (KeyError, ValueError):  # a zone that is known nowhere: such a column could not be read then
        return None
    return lambda text: datetime.fromisoformat(text).astimezone(there).isoformat()


def _plain(column: pa.Array) -> pa.StringArray:
    return column.cast(pa.string())


def _strings(column: pa.Array) -> pa.StringArray | pa.LargeStringArray:
    """Return the texts; bytes that are no UTF-8 spoil their own value and no other."""
    if pa.types.is_string_view(column.type):
        column = column.cast(pa.large_string())
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return pa.array([value if value is None else _decoded(value) for value in column.cast(pa.large_binary()).to_pylist()], pa.string())
    return column


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return UNREADABLE


def _floats(column: pa.Array) -> pa.StringArray:
    if column.type.bit_width == 16:  # Arrow prints these with the digits of a wider one
        return pa.array([value if value is None else _half(value) for value in column.to_pylist()], pa.string())
    return _reworded(_plain(pc.add(column, pa.scalar(0, column.type))), "[en]", _number)  # -0 + 0 is 0


def _half(value: float) -> str:
    wanted = struct.pack("<e", value + 0.0)
    digits = (f"{value + 0.0:.{n}g}" for n in range(1, 6))
    return _number(next((text for text in digits if _packed(text) == wanted), str(value)))


def _packed(text: str) -> bytes | None:
    try:
        return struct.pack("<e", float(text))
    except OverflowError:  # fewer digits can round to more than half a precision holds
        return None


def _decimals(column: pa.Array) -> pa.StringArray:
    return _reworded(_plain(column), "E", _number)


def _number(text: str) -> str:
    """Return a printed number without an exponent."""
    return _NO_NUMBERS.get(text) or format(Decimal(text), "f")


def _reworded(text: pa.StringArray, pattern: str, word: Callable[[str], str]) -> pa.StringArray:
    """Return the texts, those that the pattern is in one by one in other words."""
    odd = pc.match_substring_regex(text, pattern)
    if not pc.any(odd).as_py():
        return text
    return pc.replace_with_mask(text, odd, pa.array([word(one) for one in text.filter(odd).to_pylist()], pa.string()))


def _dates(column: pa.Array) -> pa.StringArray:
    return _reworded(_plain(column), "^(<|[0-9]{5})", _beyond)


def _beyond(text: str) -> str:
    """Return a day or moment after 9999 as ISO 8601 writes it, which nothing takes for a date; what is too far for a calendar is no text."""
    return UNREADABLE if text.startswith("<") else f"+{text}"


def _moments(column: pa.Array) -> pa.StringArray:
    """Return moments as ISO 8601. They lie in UTC in the file, so the zone's name, which may be one that is known nowhere, plays no part."""
    unit, zone = column.type.unit, column.type.tz
    text = _fraction(_plain(column.view(pa.timestamp(unit))), unit)
    text = _reworded(pc.replace_substring(text, " ", "T"), "^(<|[0-9]{5})", _beyond)
    return text if zone is None else pc.if_else(pc.equal(text, UNREADABLE), text, pc.binary_join_element_wise(text, "+00:00", ""))


def _times(column: pa.Array) -> pa.StringArray:
    return _reworded(_fraction(_plain(column), column.type.unit), "^<", _beyond)


def _fraction(text: pa.StringArray, unit: str) -> pa.StringArray:
    """Return printed moments or times with six digits after the point, or none where all are zero. Nanoseconds are cut off."""
    if unit == "ns":
        text = pc.utf8_slice_codeunits(text, 0, -3)
    if unit == "ms":
        text = pc.binary_join_element_wise(text, "000", "")
    return pc.if_else(pc.ends_with(text, ".000000"), pc.utf8_slice_codeunits(text, 0, -7), text)


def _uuids(column: pa.FixedSizeBinaryArray) -> pa.StringArray:
    return uuids(b"".join(value or bytes(16) for value in column.to_pylist()), column.is_valid())


def uuids(bytes_: bytes, valid: pa.BooleanArray) -> pa.StringArray:
    """Return UUIDs, 16 bytes for each, as text; null where they are not valid."""
    digits = pa.Array.from_buffers(pa.binary(32), len(valid), [None, pa.py_buffer(bytes_.hex().encode())]).cast(pa.string())
    text = pc.binary_join_element_wise(*(pc.utf8_slice_codeunits(digits, *group) for group in _GROUPS), "-")
    return pc.if_else(valid, text, None) if valid.false_count else text


_TEXT: tuple[tuple[_Fits, Callable[[pa.Array], pa.StringArray | pa.LargeStringArray]], ...] = (
    (pa.types.is_string, _strings),
    (pa.types.is_large_string, _strings),
    (pa.types.is_string_view, _strings),
    (pa.types.is_floating, _floats),
    (pa.types.is_decimal, _decimals),
    (pa.types.is_date, _dates),
    (pa.types.is_timestamp, _moments),
    (pa.types.is_time, _times),
)
