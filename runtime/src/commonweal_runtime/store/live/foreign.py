# ruff: noqa: S608 - statements are built here; every name and text in them comes through `names`
"""A Live product as PostgreSQL knows it: server, login, foreign table and the view that doors read. Pure functions.

The table of such a product is the one that a product with a single field, the source's key, would have: policies, consents and loads need no other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Mapping
from pathlib import Path

from commonweal_api.data_product import DataProductSpec, FieldType, PostgresSource, ProductField
from commonweal_api.data_source import verified
from commonweal_runtime.store.names import column_of, identifier, literal
from commonweal_runtime.store.products import SQL_TYPE, Shape, shape_of

KEY = "_source"
OWNER = "cw_heritage"
PUBLIC_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
# Types of a source's key, and what the foreign table calls them: equality means the same on both sides, and the text of a value is read back as it.
KEY_TYPES = {
    **dict.fromkeys(("text", "varchar"), "text"),
    **dict(zip(("int2", "int4", "int8"), ("smallint", "integer", "bigint"), strict=True)),
    **{same: same for same in ("bpchar", "numeric", "uuid")},
}
# Types of a source's column that come through the foreign table as a load would have made them.
FITS: dict[FieldType, frozenset[str]] = {
    FieldType.STRING: frozenset(
        {"text", "varchar", "bpchar", "name", "citext", "uuid", "json", "jsonb", "enum", "int2", "int4", "int8", "numeric", "date"}
    ),
    FieldType.INTEGER: frozenset({"int2", "int4", "int8"}),
    FieldType.NUMBER: frozenset({"int2", "int4", "int8", "numeric", "float8"}),
    FieldType.BOOLEAN: frozenset({"bool"}),
    FieldType.DATE: frozenset({"date"}),
    FieldType.TIMESTAMP: frozenset({"timestamp", "timestamptz"}),
}
_FIXED = {
    "application_name": "commonweal",
    "connect_timeout": "2",
    "fetch_size": "1000",
    "gssencmode": "disable",
    "keepalives_idle": "10",
    "keepalives_interval": "3",
    "keepalives_count": "3",
    "options": "-c statement_timeout=1500 -c lock_timeout=1000 -c default_transaction_read_only=on",
    "tcp_user_timeout": "3000",
    "updatable": "false",
    "truncatable": "false",
    "use_remote_estimate": "false",
}


def is_live(spec: DataProductSpec) -> bool:
    """Return whether the product is read where it lies."""
    return spec.serve.mode == "Live"


def kept_spec(spec: DataProductSpec) -> DataProductSpec:
    """Return the specification of what the store's own table holds: of a Live product the key, else everything."""
    if not is_live(spec):
        return spec
    key = ProductField.model_construct(name=KEY, column=spec.subject.column, type=FieldType.STRING)
    return spec.model_copy(update={"fields": [key]})


def kept_shape(spec: DataProductSpec) -> Shape:
    """Return the shape of the store's own table."""
    return shape_of(kept_spec(spec))


def foreign_table(relation: str) -> str:
    """Return the qualified, quoted name of a product's foreign table."""
    return f"heritage.{identifier(relation)}"


def view(relation: str) -> str:
    """Return the qualified, quoted name of the view that doors read."""
    return f"heritage.{identifier(relation + '_read')}"


def server_options(source: PostgresSource, authority: Path | None = None) -> dict[str, str]:
    """Return the options of the product's server. No connection waits longer than they say, and no statement at the source.

    PostgreSQL's own client has no setting «SCRAM only» before release 16. Bound to the TLS channel SCRAM is the only login that it offers, and nobody between can
    pass it on; so the source must have TLS, and needs no certificate that is checked. `authority` is a file with who signs it, where it is.
    """
    return {**_FIXED, **_proof(source, authority), "host": source.host, "port": str(source.port), "dbname": source.database}


def _proof(source: PostgresSource, authority: Path | None) -> dict[str, str]:
    if not verified(source.tls):
        return {"sslmode": "require", "channel_binding": "require"}
    return {"sslmode": "verify-full", "sslrootcert": str(authority or PUBLIC_AUTHORITIES)}


def altered(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Return the list of an OPTIONS clause that turns one set of options into another; empty when they are equal."""
    out = [f"{'set' if k in before else 'add'} {identifier(k)} {literal(v)}" for k, v in sorted(after.items()) if before.get(k) != v]
    return ", ".join(out + [f"drop {identifier(k)}" for k in sorted(set(before) - set(after))])


def server(relation: str, before: Mapping[str, str] | None, after: Mapping[str, str]) -> list[str]:
    """Return the statements that make the server, or change it in place."""
    if before is None:
        return [f"create server {identifier(relation)} foreign data wrapper postgres_fdw options ({_listed(after)})"]
    changes = altered(before, after)
    return [f"alter server {identifier(relation)} options ({changes})"] if changes else []


def login(relation: str, before: Mapping[str, str] | None, username: str, password: str) -> list[str]:
    """Return the statements that make the login, or change it in place."""
    after, of = {"user": username, "password": password}, f"user mapping for {OWNER} server {identifier(relation)}"
    if before is None:
        return [f"create {of} options ({_listed(after)})"]
    changes = altered(before, after)
    return [f"alter {of} options ({changes})"] if changes else []


def definition(relation: str, spec: DataProductSpec, source: PostgresSource, key_type: str, padded: Container[str] = ()) -> list[str]:
    """Return the statements that make foreign table and view: mapped columns only, masks by the expressions that a serving table has them by.

    Rows that break the contract are left out, as a load would have set them aside; the conditions are ones that the source can evaluate. `padded` are
    the columns of the source that are `char(n)`: PostgreSQL sends them with their padding, which its own type drops where it becomes a text.
    """
    shape, columns = shape_of(spec), {f.name: f.column or "" for f in spec.fields}
    types = {c.name: "bpchar" if columns[c.field] in padded else SQL_TYPE[c.type_] for c in shape.raw}
    raw = [f"{c.name} {types[c.name]} options (column_name {literal(columns[c.field])})" for c in shape.raw]
    key = f"{KEY} {key_type} options (column_name {literal(spec.subject.column)})"
    shown = [f"{c.expression} as {c.name}" if c.expression else f"{c.name}::{SQL_TYPE[c.type_]}" for c in shape.columns]
    required = {f.name for f in spec.fields if f.required}
    wanted = [f"{c.name} is not null" for c in shape.raw if c.field in required]
    wanted += [f"({c.name} is null or {_HELD[c.type_].format(c.name)})" for c in shape.raw if c.type_ in _HELD]
    where = f" where {' and '.join(wanted)}" if wanted else ""
    options = f"schema_name {literal(source.schema_)}, table_name {literal(source.table)}"
    made = [
        f"drop foreign table if exists {foreign_table(relation)} cascade",
        f"create foreign table {foreign_table(relation)} ({', '.join([key, *raw])}) server {identifier(relation)} options ({options})",
        f"create view {view(relation)} as select {', '.join([KEY, *shown])} from {foreign_table(relation)}{where}",
    ]
    digest = hashlib.sha256("\n".join(made).encode()).hexdigest()
    return [
        *made,
        f"alter foreign table {foreign_table(relation)} owner to {OWNER}",
        f"alter view {view(relation)} owner to {OWNER}",
        f"grant select on {view(relation)} to cw_scribe",  # a person's own export
        f"comment on view {view(relation)} is {literal(digest)}",
    ]


# Which numbers and days a load would take.
_HELD = {
    FieldType.NUMBER: "{0} - {0} = 0",
    FieldType.DATE: "({0} >= '0001-01-01' and {0} < '10000-01-01')",
    FieldType.TIMESTAMP: "({0} >= '0001-01-01 00:00+00' and {0} < '10000-01-01 00:00+00')",
}


def digest_of(statements: list[str]) -> str:
    """Return the digest that the view of these statements carries as its comment."""
    return hashlib.sha256("\n".join(statements[:3]).encode()).hexdigest()


def removal(relation: str) -> list[str]:
    """Return the statements that leave nothing of a Live product's connection; safe for a product that has none."""
    return [f"drop server if exists {identifier(relation)} cascade"]


def reading(relation: str, columns: list[str], keys: str) -> str:
    """Return the one statement in which the source is asked: these quoted columns of the rows with these keys.

    `keys` is a parameter of an array of the key's own type: a cast would be evaluated here, and every row would have to come.
    """
    listed = ", ".join([f"h.{KEY}", *(f"h.{c}" for c in columns)])
    return f"select {listed} from {view(relation)} h where h.{KEY} = any ({keys})"


def readable(spec: DataProductSpec) -> list[str]:
    """Return the quoted names of all columns that the view shows beside the key."""
    return [c.name for c in shape_of(spec).columns]


def remote_columns(spec: DataProductSpec) -> set[str]:
    """Return the columns of the source that may be asked for."""
    return {spec.subject.column} | {f.column for f in spec.fields if f.column is not None}


def granted(relation: str, role: str, fields: list[str]) -> list[str]:
    """Return the grants with which an agreement reads these fields, and no other, at the source."""
    columns = ", ".join([KEY, *(identifier(column_of(f)) for f in fields)])
    return [f"grant usage on schema heritage to {role}", f"grant select ({columns}) on {view(relation)} to {role}"]


def _listed(options: Mapping[str, str]) -> str:
    return ", ".join(f"{identifier(k)} {literal(v)}" for k, v in sorted(options.items()))
