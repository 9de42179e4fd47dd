# ruff: noqa: S608 - statements are built here; every name and text in them comes through `names` or from the compiler of expressions
"""Which rows of a batch an expression fails for: asked of PostgreSQL itself, which alone knows, and row by row, whatever the expression is."""

from __future__ import annotations

from collections.abc import Mapping

from commonweal_api.data_product import FieldType, ProductField
from commonweal_runtime.store.mapping import reads
from commonweal_runtime.store.names import identifier, literal
from commonweal_runtime.store.products import SQL_TYPE

INCOMING = "pg_temp.incoming"


def trial(number: int, field: ProductField, expression: str, types: Mapping[str, FieldType]) -> str:
    """Return the statement that makes the function which says at which places an expression fails. `types` are those of the source's columns.

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
    return f"create or replace function pg_temp.failing_{number}({parameters}) returns bigint[] language plpgsql as {literal(body)}"


def failures(number: int, field: ProductField, types: Mapping[str, FieldType]) -> str:
    """Return the query for the places at which an expression fails for a row of the batch. What rows have in common is tried once.

    Numbers are told apart by their text: 1 and 1.0 are equal, and an expression can make different things of them.
    """
    columns = [identifier(column) for column in reads(field)]
    told = [f"{identifier(c)}::text" if types[c] is FieldType.NUMBER else identifier(c) for c in reads(field)]
    arrays = ", ".join(f"array_agg({name})" for name in ['":place"', *columns])
    return (
        f'with marked as materialized (select ":place", {", ".join(columns)}, min(":place") over (partition by {", ".join(told)}) as ":first" '
        f'from {INCOMING}), failing as materialized (select unnest(pg_temp.failing_{number}({arrays})) as ":first" from marked where ":place" = ":first") '
        'select coalesce(array_agg(":place"), \'{}\') from marked join failing using (":first")'
    )
