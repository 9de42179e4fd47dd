"""The store's own schema: numbered files, each applied once, in one transaction each, and never changed afterwards."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Any

SERVICES = ("api", "person", "models", "feed")
_LEDGER = """
create schema if not exists commonweal;
create table if not exists commonweal.migration (
  version int primary key, digest text not null, applied_at timestamptz not null default clock_timestamp()
);
revoke all on schema commonweal from public"""
_LOCK = 4_211_967_001


class SchemaError(Exception):
    """The database was made by another release than this one; the text says what to do."""


def migrations() -> list[tuple[int, str]]:
    """Return version and text of each file, in order."""
    found = sorted((f.name, f.read_text()) for f in files(__package__).joinpath("sql").iterdir() if f.name.endswith(".sql"))
    return [(int(name[:3]), text) for name, text in found]


async def migrate(connection: Any) -> int:
    """Bring the database to this release; return how many files were applied. A second run applies none."""
    applied = 0
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
        await connection.execute(_LEDGER)
        known = {r["version"]: r["digest"] for r in await connection.fetch("select version, digest from commonweal.migration")}
        wanted = migrations()
        if set(known) - {version for version, _ in wanted}:
            raise SchemaError("The store was made by a newer release; run that one, or restore a backup of this one's time.")
        for version, text in wanted:
            digest = hashlib.sha256(text.encode()).hexdigest()
            if known.get(version, digest) != digest:
                raise SchemaError(f"File {version:03d} of the store's schema has changed since it was applied; add a new file instead.")
            if version not in known:
                await connection.execute(text)
                await connection.execute("insert into commonweal.migration (version, digest) values ($1, $2)", version, digest)
                applied += 1
    return applied
