# ruff: noqa: S608 - statements are built here; every name and text in them comes through `names` or from the compiler of expressions
"""Which rows of a batch an expression fails for: asked of PostgreSQL itself, which alone knows, and row by row, whatever the expression is.

An expression makes the same of the same (`store/expressions.py`), so what rows have in common is tried once, and what has failed is known in the batches
after it. All is told apart by its text: 1 and 1.0 are equal numbers, and an expression can make different things of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from commonweal_api.data_product import FieldType, ProductField
from commonweal_runtime.store.mapping import reads
from commonweal_runtime.store.names import identifier, literal
from commonweal_runtime.store.products import SQL_TYPE

INCOMING = "pg_temp.incoming"


def known_of(number: int) -> str:
    """Return the table of what an expression is known to fail for."""
    return f"pg_temp.known_{number}"


def told(field: ProductField) -> str:
    """Return what an expression reads of a row, as one value."""
    return f"array[{', '.join(f'{identifier(column)}::text' for column in reads(field))}]"


def trial(number: int, field: ProductField, expression: str, types: Mapping[str, FieldType]) -> str:
    """Return what makes the table of what is known of an expression, and the function that says at which places it fails. `types` are the columns' types.

    A trap for errors costs as much as several rows, so one stands around all rows and is set again only after a row that fails. Variables are named
    as the source's columns, so the expression stands as it is; what is named with a colon is ours.
    """
    columns = [(identifier(column), identifier(f":{n}"), SQL_TYPE[types[column]]) for n, column in enumerate(reads(field))]
    parameters = ", ".join(['":places" bigint[]', *(f"{array} {type_}[]" for _, array, type_ in columns)])
    declared = "".join(f"{name} {type_}; " for name, _, type_ in columns)
    step = "".join(f'{name} := {array}[":n"]; ' for name, array, _ in columns)
    body = (
        f'declare {declared}":value" {SQL_TYPE[field.type or FieldType.STRING]}; ":failing" bigint[] := \'{{}}\'; ":n" int := 1; '
        '":most" int := pg_catalog.cardinality(":places"); begin '
        'while ":n" operator(pg_catalog.<=) ":most" loop begin '
        f'while ":n" operator(pg_catalog.<=) ":most" loop {step}":value" := {expression}; ":n" := ":n" operator(pg_catalog.+) 1; end loop; '
        "exception when data_exception or integrity_constraint_violation then "
        '":failing" := pg_catalog.array_append(":failing", ":places"[":n"]); ":n" := ":n" operator(pg_catalog.+) 1; '
        'end; end loop; return ":failing"; end'
    )
    known = f"drop table if exists {known_of(number)}; create temporary table known_{number} (told text[] not null); "
    return f"{known}create or replace function pg_temp.failing_{number}({parameters}) returns bigint[] language plpgsql as {literal(body)}"


def learn(number: int, field: ProductField) -> str:
    """Return the statement that adds to what is known what an expression fails for in the batch."""
    arrays = ", ".join(f"array_agg({name})" for name in ['":place"', *(identifier(column) for column in reads(field))])
    each = f'select min(":place") from {INCOMING} group by {told(field)}'
    return (
        f'insert into {known_of(number)} select {told(field)} from {INCOMING} where ":place" in '
        f'(select unnest(pg_temp.failing_{number}({arrays})) from {INCOMING} where ":place" in ({each}))'
    )
