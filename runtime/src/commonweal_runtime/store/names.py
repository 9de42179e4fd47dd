"""How names and text become SQL. Nothing else in the store puts a value into a statement's text."""

from __future__ import annotations

import hashlib

from commonweal_runtime.exceptions import PlanRefusedError

SCHEMA = "product"
# The column names that PostgreSQL keeps for itself on every table.
SYSTEM_COLUMNS = frozenset({"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"})


def literal(text: str) -> str:
    """Return `text` as a SQL string constant."""
    if "\x00" in text:
        raise PlanRefusedError("A text of the plan holds a zero byte; remove it.")
    quoted = text.replace("'", "''")
    return "E'" + quoted.replace("\\", "\\\\") + "'" if "\\" in text else f"'{quoted}'"


def literals(texts: list[str]) -> str:
    """Return a SQL array of string constants."""
    return f"array[{', '.join(map(literal, texts))}]::text[]"


def identifier(name: str) -> str:
    """Return `name` quoted as a SQL identifier; refuse what PostgreSQL would cut short."""
    if not name or "\x00" in name or len(name.encode()) > 63:
        raise PlanRefusedError(f"The name «{name}» does not fit PostgreSQL (1 to 63 bytes); shorten it.")
    return '"' + name.replace('"', '""') + '"'


def relation_of(product: str, uid: str) -> str:
    """Return the table of a product: readable, and another one for another product of the same name."""
    return f"{product.replace('-', '_')}_{hashlib.sha256(uid.encode()).hexdigest()[:10]}"


def table(relation: str) -> str:
    """Return the qualified, quoted name of a product's table."""
    return f"{SCHEMA}.{identifier(relation)}"


def column_of(field: str) -> str:
    """Return the column that holds a field."""
    return f"_{field}" if field in SYSTEM_COLUMNS else field


def login_of(number: int) -> str:
    """Return the login role of an agreement."""
    return f"agr_{_numbered(number)}"


def reader_of(number: int) -> str:
    """Return the role that owns an agreement's door and its grants, and cannot log in."""
    return f"agr_{_numbered(number)}_r"


def _numbered(number: int) -> int:
    if isinstance(number, bool) or not 0 < number < 32768:
        raise PlanRefusedError(f"Agreement number {number} is out of range 1 to 32767.")
    return number
