"""Made-up rows that a product's contract lets through: the same for the same seed, and the same people in every department, each of which knows them by its own ids. Pure."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from commonweal_api.data_product import DataProductSpec, FieldType, ProductField
from commonweal_api.quality import Metric

PEOPLE, NULLS = 200, 0.05
SQL_TYPES = {
    FieldType.STRING: "text", FieldType.INTEGER: "bigint", FieldType.NUMBER: "numeric(12,2)", FieldType.BOOLEAN: "boolean", FieldType.DATE: "date", FieldType.TIMESTAMP: "timestamptz",
}  # fmt: skip
_FIRST = ("Harbour", "Willow", "Northgate", "Beacon", "Thistle", "Riverside", "Foundry", "Orchard", "Meadow", "Quarry")
_SECOND = ("Bakery", "Design", "Logistics", "Street", "Joinery", "Gardens", "Energy", "House", "Park", "Works")
_FIRST_DAY = date(2010, 1, 1)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the made-up table. With `values` it takes one of them; `unique` values stand once."""

    name: str
    type: FieldType
    values: tuple[str, ...] = ()
    required: bool = False
    unique: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """The made-up source of one product."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]


def key(number: int) -> str:
    """Return the source's key of one of the made-up people; the people who can sign in have the first ones."""
    return f"P{number:06d}"


def table(department: str, product: str, spec: DataProductSpec, seed: int = 0, people: int = PEOPLE) -> Table:
    """Return the rows of one product: each person's, or where there can be many up to three each."""
    columns = tuple(_columns(spec))
    digest = hashlib.sha256(f"{seed}/{department}/{product}".encode()).digest()
    chance = random.Random(digest)
    counts = [1 if spec.subject.records == "One" else chance.randint(1, 3) for _ in range(people)]
    owners = [key(number + 1) for number, count in enumerate(counts) for _ in range(count)]
    rows = tuple(tuple(_value(column, n, owner, spec, chance) for column in columns) for n, owner in enumerate(owners))
    return Table(columns, rows)


def _columns(spec: DataProductSpec) -> Iterator[Column]:
    yield (subject := Column(spec.subject.column, FieldType.STRING, required=True))
    named = {subject.name}
    if spec.subject.record_key is not None and spec.subject.record_key not in named:
        yield Column(spec.subject.record_key, FieldType.STRING, required=True, unique=True)
        named.add(spec.subject.record_key)
    fields = [*spec.fields, *(f for e in spec.earlier for f in e.fields)]
    for field in fields:
        for column in _of(field, spec):
            if column.name not in named:
                named.add(column.name)
                yield column


def _of(field: ProductField, spec: DataProductSpec) -> list[Column]:
    checks = [c for c in spec.quality if c.field == field.name]
    values = next((tuple(c.valid_values) for c in checks if c.metric == Metric.INVALID_VALUES and c.valid_values), ())
    required = bool(field.required) or any(c.metric == Metric.NULL_VALUES for c in checks)
    unique = any(c.metric == Metric.DUPLICATE_VALUES for c in checks)
    if field.column is not None and field.type is not None:
        return [Column(field.column, field.type, values, required, unique)]
    return _read_by(field.from_, required=required, unique=unique) if field.from_ else []


def _read_by(expression: str, *, required: bool, unique: bool) -> list[Column]:
    """Return the columns that an expression reads, with what it says of their values by comparing them."""
    try:
        tree = parse_one(expression, dialect="postgres")
    except SqlglotError:
        return []  # the product's own status says so
    found: dict[str, Column] = {}
    for node in tree.find_all(exp.Column):
        literals = list(_compared(node))
        numeric = any(not literal.is_string for literal in literals) or isinstance(
            node.parent, exp.Add | exp.Sub | exp.Mul | exp.Div | exp.Round
        )
        dated = isinstance(node.parent, exp.Extract) or (
            isinstance(node.parent, exp.Cast) and node.parent.to.this == exp.DataType.Type.DATE
        )
        type_ = FieldType.NUMBER if numeric else FieldType.DATE if dated else FieldType.STRING
        values = tuple(literal.this for literal in literals if literal.is_string)
        had = found.get(node.name)
        found[node.name] = Column(
            node.name, had.type if had and had.type != FieldType.STRING else type_, (had.values if had else ()) + values, required, unique
        )
    return list(found.values())


def _compared(node: exp.Expression) -> Iterator[exp.Literal]:
    parent = node.parent
    if isinstance(parent, exp.EQ | exp.NEQ | exp.In | exp.GT | exp.LT | exp.GTE | exp.LTE):
        yield from (child for child in parent.iter_expressions() if isinstance(child, exp.Literal))
    if isinstance(parent, exp.Case) and parent.this is node:
        yield from (branch.this for branch in parent.args["ifs"] if isinstance(branch.this, exp.Literal))


def _value(column: Column, n: int, owner: str, spec: DataProductSpec, chance: random.Random) -> Any:
    if column.name == spec.subject.column:
        return owner
    if not column.required and not column.unique and chance.random() < NULLS:
        return None
    if column.values:
        return _typed(column.type, chance.choice(column.values))
    return _MAKERS[column.type](n, column, chance)


def _typed(type_: FieldType, text: str) -> Any:
    makers: dict[FieldType, Callable[[str], Any]] = {
        FieldType.INTEGER: int,
        FieldType.NUMBER: float,
        FieldType.DATE: date.fromisoformat,
        FieldType.TIMESTAMP: datetime.fromisoformat,
        FieldType.BOOLEAN: lambda written: written.lower() == "true",
    }
    return makers.get(type_, str)(text)


def _text(n: int, column: Column, chance: random.Random) -> str:
    if column.unique:
        return f"{column.name[:1].upper()}{n + 1:08d}"
    if "postcode" in column.name.lower():
        return f"{chance.choice(('LS1', 'M4', 'BS8', 'EH3', 'CF10'))} {chance.randint(1, 9)}{chance.choice(('AA', 'BQ', 'DF'))}"
    return f"{chance.choice(_FIRST)} {chance.choice(_SECOND)}"


def _day(n: int, column: Column, chance: random.Random) -> date:
    return _FIRST_DAY + timedelta(days=n if column.unique else chance.randrange(5800))


def _truth(_n: int, _column: Column, chance: random.Random) -> bool:
    return chance.random() < 0.5


_MAKERS: dict[FieldType, Callable[[int, Column, random.Random], Any]] = {
    FieldType.STRING: _text,
    FieldType.INTEGER: lambda n, column, chance: n + 1 if column.unique else chance.randint(0, 1000),
    FieldType.NUMBER: lambda n, column, chance: float(n + 1) if column.unique else chance.randrange(0, 100_000) / 100,
    FieldType.BOOLEAN: _truth,
    FieldType.DATE: _day,
    FieldType.TIMESTAMP: lambda n, column, chance: (
        datetime.combine(_day(n, column, chance), datetime.min.time(), UTC) + timedelta(seconds=chance.randrange(86400))
    ),
}


def create(schema: str, name: str, columns: Sequence[Column]) -> str:
    """Return the statement that makes the table. Columns have any name; schema and table are of patterns that quoting keeps as they are."""
    parts = ", ".join(f'"{c.name.replace(chr(34), 2 * chr(34))}" {SQL_TYPES[c.type]}' for c in columns)
    return f'create table "{schema}"."{name}" ({parts})'
