"""How a PostgreSQL prints its values in their canonical form, and how the driver's Python printed keys up to release 0.1."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa

from commonweal_api.data_product import FieldType
from commonweal_runtime.store.names import identifier
from commonweal_runtime.store.sources.arrow_text import text_of

NATURAL: dict[str, FieldType] = {
    **dict.fromkeys(("text", "varchar", "bpchar", "name", "citext", "uuid", "json", "jsonb", "xml", "enum"), FieldType.STRING),
    **dict.fromkeys(("time", "timetz", "interval", "inet", "cidr", "macaddr", "macaddr8", "bit", "varbit"), FieldType.STRING),
    **dict.fromkeys(("int2", "int4", "int8"), FieldType.INTEGER),
    **dict.fromkeys(("numeric", "float4", "float8"), FieldType.NUMBER),
    **dict.fromkeys(("timestamp", "timestamptz"), FieldType.TIMESTAMP),
    "bool": FieldType.BOOLEAN,
    "date": FieldType.DATE,
}
# Whatever the database, the login or a pooler is set to: the same value has the same text. Local to the transaction, for a pooler gives the session to
# others after it. `row_security` off: a policy that would hide rows is an error instead of fewer rows.
SETTINGS = (
    "set local timezone = 'UTC'; set local datestyle = 'ISO, YMD'; set local intervalstyle = 'postgres'; set local extra_float_digits = 3; "
    "set local bytea_output = 'hex'; set local row_security = off; "
    # all rows are one statement now, and it lasts as long as the store takes to stage them
    "set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0"
)
_MOMENT = (
    "case when {0} >= '0001-01-01' and {0} < '10000-01-01' "
    "then replace(to_char({0}, 'YYYY-MM-DD\"T\"HH24:MI:SS.US'), '.000000', ''){1} else {0}::text end"
)
# numeric prints what a float's text says, without its exponent; infinity is no numeric before PostgreSQL 14
_FLOAT = "case when {0} in ('Infinity', '-Infinity') then {0}::text else {0}::text::numeric::text end"
_PRINTED = {
    "float4": _FLOAT,
    "float8": _FLOAT,
    "inet": "abbrev({0})",  # as it is shown; the cast would write /32 after each address
    "timestamp": _MOMENT.replace("{1}", ""),
    "timestamptz": _MOMENT.replace("{1}", " || '+00:00'"),
}
# Encodings of one byte a character, some of whose bytes mean nothing: PostgreSQL would end a whole COPY for one of those, so it sends bytes.
CODECS = {
    **{f"WIN{n}": f"cp{n}" for n in (1250, 1251, 1252, 1253, 1254, 1255, 1256, 1257, 1258, 866, 874)},
    **{f"ISO_8859_{n}": f"iso8859-{n}" for n in (5, 6, 7, 8)},
    "KOI8R": "koi8-r",
    "KOI8U": "koi8-u",
    **{
        f"LATIN{n}": f"iso8859-{part}" for n, part in zip((1, 2, 3, 4, 5, 6, 7, 8, 9, 10), (1, 2, 3, 4, 9, 10, 13, 14, 15, 16), strict=True)
    },
}
_SINGLE = {"float4": pa.float32(), "float8": pa.float64()}
_GROUPS = re.compile(r"(?:0000)+$")  # PostgreSQL's numeric has digits of four, and drops such zeros at its end


@dataclass(frozen=True, slots=True)
class Facts:
    """What the source says of a column.

    Its type is the one below all domains: `enum` for any enumeration, empty for one that is no scalar; `base` is how the source writes that one,
    `described` the declared one. `deterministic` says whether equal means the same.
    """

    type_: str
    domain: bool
    described: str
    base: str
    deterministic: bool
    readable: bool
    length: int | None


def printed(alias: str, column: str, facts: Facts) -> str:
    """Return the SQL expression of a column's canonical text. `char(n)` loses its padding by PostgreSQL's own cast."""
    return _PRINTED.get(facts.type_, "{0}::text").format(f"{alias}.{identifier(column)}")


def shortest(column: pa.StringArray, facts: Facts) -> pa.StringArray:
    """Return printed floats with the fewest digits that read back. PostgreSQL prints more where that text lies just between two floats, and before release 12 always."""
    return column if facts.type_ not in _SINGLE else text_of(column.cast(_SINGLE[facts.type_]))


def former(facts: Facts) -> Callable[[str], str] | None:
    """Return what made of a canonical text the one that keys had up to release 0.1; None where that was the same one."""
    if facts.type_ == "bpchar" and facts.length is not None:
        length = facts.length
        return lambda text: text.ljust(length)
    return _FORMER.get(facts.type_)


def _former_numeric(text: str) -> str:
    whole = _GROUPS.sub("", text) if "." not in text else text
    return str(Decimal(f"{whole}E+{len(text) - len(whole)}"))


def _former_float4(text: str) -> str:
    single: float = struct.unpack("f", struct.pack("f", float(text)))[0]
    return str(single)


_FORMER: dict[str, Callable[[str], str]] = {
    "numeric": _former_numeric,
    "float4": _former_float4,
    "float8": lambda text: str(float(text)),
}
