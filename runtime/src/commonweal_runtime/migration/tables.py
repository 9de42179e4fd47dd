"""Every table's rows, counted and hashed whatever their order, so that two stores can be compared."""

from __future__ import annotations

from typing import Any

DATABASES = ("department", "models")
# What a row's text depends on, besides the row.
SETTINGS = (
    "set timezone = 'UTC'; set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres'; set bytea_output = 'hex'; set extra_float_digits = 1; "
    "set idle_in_transaction_session_timeout = 0; set statement_timeout = 0; set search_path = pg_catalog; set client_min_messages = warning"
)
_TABLES = """
select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and c.relpersistence = 'p' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' order by 1"""
# The sum, modulo nothing, of two halves of each row's SHA-256: rows in any order give the same, and a row more, less or changed another.
_DIGEST = """
select count(*)::text || ':' || coalesce(sum(('x' || encode(substring(h from 1 for 8), 'hex'))::bit(64)::bigint::numeric), 0)::text || ':'
       || coalesce(sum(('x' || encode(substring(h from 9 for 8), 'hex'))::bit(64)::bigint::numeric), 0)::text
from (select sha256(convert_to(t::text, 'UTF8')) as h from only {table} t) x"""


async def names(connection: Any) -> list[str]:
    """Return the database's own tables, quoted, by name. Tables that a crash empties by design are left out."""
    return [row[0] for row in await connection.fetch(_TABLES)]


async def digests(connection: Any) -> dict[str, str]:
    """Return `rows:sum:sum` of each table as the connection's transaction sees it."""
    return {table: str(await connection.fetchval(_DIGEST.format(table=table))) for table in await names(connection)}


def rows_of(digest: str) -> int:
    """Return how many rows a digest is of."""
    return int(digest.partition(":")[0])


def differences(here: dict[str, dict[str, str]], there: dict[str, dict[str, str]]) -> list[str]:
    """Return each table, with its database, that is not the same at both ends."""
    out = []
    for database in DATABASES:
        mine, theirs = here.get(database, {}), there.get(database, {})
        out += [f"{database}: {table}" for table in sorted(mine.keys() | theirs.keys()) if mine.get(table) != theirs.get(table)]
    return out
