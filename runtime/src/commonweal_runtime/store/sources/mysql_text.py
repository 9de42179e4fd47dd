"""How a MySQL or MariaDB prints its values in their canonical form, and how the driver's Python printed keys up to release 0.1."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa

from commonweal_api.data_product import FieldType
from commonweal_runtime.store.sources.contract import UNREADABLE

Form = Callable[[str], str | None]

NATURAL: dict[str, FieldType] = {
    **dict.fromkeys(("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set", "json", "time"), FieldType.STRING),
    **dict.fromkeys(("uuid", "inet4", "inet6"), FieldType.STRING),
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint", "year"), FieldType.INTEGER),
    **dict.fromkeys(("decimal", "float", "double"), FieldType.NUMBER),
    **dict.fromkeys(("datetime", "timestamp"), FieldType.TIMESTAMP),
    "date": FieldType.DATE,
}
_FLAGS = ("tinyint(1)", "bit(1)")  # what these systems have for a Boolean
_NO_DATE = re.compile(r"0000-00-00( 00:00:00(\.0+)?)?")
# A FLOAT is printed with six digits, whatever it holds; as a sum of two doubles it has all of them, and neither FLOAT(M,D) nor a zerofill shapes it.
_PRINTED = {"float": "{0} + 0e0", "double": "{0} + 0e0", "bit": "cast({0} as unsigned)", "year": "cast({0} as unsigned)"}
_FLOAT_DIGITS, _PLAIN_POINTS = 6, range(-14, 16)  # places of the point for which the servers print a float without an exponent


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the server describes it: the name of its type, the whole of it, and of text its character set and collation."""

    name: str
    kind: str
    described: str
    charset: str
    collation: str
    scale: int | None

    @classmethod
    def of(cls, row: Sequence[str | None]) -> Column:
        """Return a column from these facts of it, in this order, as the server told them."""
        name, kind, described, charset, collation, scale = row
        return cls(name or "", kind or "", described or "", charset or "", collation or "", None if scale is None else int(scale))

    @property
    def flag(self) -> bool:
        """Whether it may be read as a truth value."""
        return self.described in _FLAGS

    @property
    def natural(self) -> FieldType | None:
        """The type of a field that holds it as it is; None where no field can."""
        return FieldType.BOOLEAN if self.flag else NATURAL.get(self.kind)

    def printed(self, quoted: str) -> str:
        """Return the SQL expression by which the server prints all of its value, and no padding."""
        zerofill = "{0} + 0" if "zerofill" in self.described else "{0}"
        return _PRINTED.get(self.kind, zerofill).format(quoted)

    def form(self, *, truth: bool) -> Form | None:
        """Return what makes the canonical text of what the server prints; None where that is the same. `truth`: of flags, truth values."""
        if truth:
            return _truth
        return _FORM.get(self.kind) if self.kind in NATURAL or self.kind == "bit" else _unreadable

    def former(self) -> Callable[[str], str] | None:
        """Return what made of a canonical text the one that keys had up to release 0.1; None where that was the same one."""
        scale = self.scale
        if self.kind == "float":
            return lambda text: _former(float(np.float32(text)), _FLOAT_DIGITS, scale)
        if self.kind == "double":
            return lambda text: _former(float(text), None, scale)
        return _FORMER.get(self.kind)


def texts(values: Sequence[bytes | None], form: Form | None) -> pa.StringArray:
    """Return a column of what the server sent; a value that is no UTF-8 is one that cannot be read, and spoils no other."""
    try:
        column = pa.array(values, pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        column = pa.array([None if v is None else _decoded(v) for v in values], pa.string())
    if form is None:
        return column
    return pa.array([None if t is None else form(t) for t in column.to_pylist()], pa.string())


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return UNREADABLE


def _unreadable(_: str) -> str:
    return UNREADABLE


def _truth(text: str) -> str:
    """A tinyint(1) can hold more than two numbers, and those stay numbers."""
    return {"1": "true", "0": "false"}.get(text, text)


def _single(text: str) -> str:
    return _unsigned_zero(np.format_float_positional(np.float32(text), trim="-"))


def _double(text: str) -> str:
    return _unsigned_zero(np.format_float_positional(np.float64(text), trim="-") if "e" in text else text)


def _unsigned_zero(text: str) -> str:
    return "0" if text == "-0" else text


def _date(text: str) -> str | None:
    """A zero date is none, as it is to the server itself (`is null` finds it); any other impossible date stays as it is printed."""
    return None if _NO_DATE.fullmatch(text) else text


def _moment(text: str) -> str | None:
    try:
        return datetime.fromisoformat(text).isoformat()
    except ValueError:
        return _date(text)


def _instant(text: str) -> str | None:
    """A TIMESTAMP is a moment of the world, printed in the session's zone, which is UTC; a DATETIME has no zone."""
    moment = _moment(text)
    return moment if moment is None or moment == text else f"{moment}+00:00"


def _former(value: float, digits: int | None, scale: int | None) -> str:
    """Return the server's print of a float as Python's Decimal wrote it: of all digits, of a number of them, or with a scale of its own."""
    shortest = Decimal(repr(value))
    if scale is not None:
        enough = -int(shortest.as_tuple().exponent) <= scale
        return str(Decimal(f"{shortest if enough else value:.{scale}f}"))
    number = (shortest if digits is None else Decimal(f"{value:.{digits - 1}e}")).normalize()
    return str(Decimal(f"{number:f}") if number.adjusted() + 1 in _PLAIN_POINTS else number)


_FORM: dict[str, Form] = {"float": _single, "double": _double, "date": _date, "datetime": _moment, "timestamp": _instant}
_FORMER: dict[str, Callable[[str], str]] = {
    "decimal": lambda text: str(Decimal(text)),
    "timestamp": lambda text: text.removesuffix("+00:00"),
}
