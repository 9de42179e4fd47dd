"""Names and values in statements, and where in a table's order a row stands: each type of key is compared as the server sorts it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from commonweal_runtime.store.sources.mysql_text import Column

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?(e-?[0-9]+)?", re.ASCII)


def quoted(name: str) -> str:
    """Return a name as an identifier."""
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    """Return a text as a hexadecimal constant, in which nothing can be escaped."""
    return f"_utf8mb4 x'{text.encode().hex()}'"


@dataclass(frozen=True, slots=True)
class _Ordered:
    """What of a column is compared, what the server is asked to print of it, and how that is a constant again."""

    compared: str
    printed: str
    constant: Callable[[Column, str], str]


def _number(_: Column, text: str) -> str:
    """Return a number as such: a text would be compared as a float, which takes neighbouring decimals for one."""
    return text if _NUMBER.fullmatch(text) else literal(text)


def _float(column: Column, text: str) -> str:
    return _number(column, text if "e" in text else f"{text}e0")


def _bytes(column: Column, text: str) -> str:
    """Return a text by its bytes in the column's own character set: the column's collation then compares it, as it sorts."""
    return f"_{column.charset} x'{bytes.fromhex(text).hex()}'" if column.charset else f"x'{bytes.fromhex(text).hex()}'"


def _text(_: Column, text: str) -> str:
    return literal(text)


_AS_NUMBER = _Ordered("{0}", "{0}", _number)
_AS_FLOAT = _Ordered("{0}", "{0} + 0e0", _float)
_BY_PLACE = _Ordered("cast({0} as unsigned)", "cast({0} as unsigned)", _number)  # an ENUM sorts by its place in the list, a SET by its bits
_BY_BYTES = _Ordered("{0}", "hex({0})", _bytes)
_AS_TEXT = _Ordered("{0}", "{0}", _text)
_ORDERED: dict[str, _Ordered] = {
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint", "decimal"), _AS_NUMBER),
    **dict.fromkeys(("float", "double"), _AS_FLOAT),
    **dict.fromkeys(("enum", "set", "bit", "year"), _BY_PLACE),
    **dict.fromkeys(("char", "varchar", "binary", "varbinary"), _BY_BYTES),
    **dict.fromkeys(("date", "datetime", "timestamp", "time", "uuid", "inet4", "inet6"), _AS_TEXT),
}


def ordered(column: Column) -> bool:
    """Return whether a load can go on after a value of the column. TEXT cannot: servers sort by its beginning."""
    return column.kind in _ORDERED


def place(column: Column) -> str:
    """Return the SQL expression by which the server prints where a row stands, to the last bit."""
    return _ORDERED[column.kind].printed.format(quoted(column.name))


def beyond(order: Sequence[Column], values: Sequence[str]) -> str:
    """Return the condition for rows after a place: a > x, or a = x and b > y. Servers use an index for this form."""
    compared = [_ORDERED[c.kind].compared.format(quoted(c.name)) for c in order]
    constants = [_ORDERED[c.kind].constant(c, v) for c, v in zip(order, values, strict=True)]
    parts = []
    for n, (what, constant) in enumerate(zip(compared, constants, strict=True)):
        same = [f"{w} = {c}" for w, c in zip(compared[:n], constants[:n], strict=True)]
        parts.append(f"({' and '.join([*same, f'{what} > {constant}'])})")
    return f"({' or '.join(parts)})"
