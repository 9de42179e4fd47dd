"""The store's own schema: the base line that a first release installs, and numbered migrations from then on, never changed once applied.

All of it happens in one transaction, so a run that is killed has changed nothing, and the next one begins anew. What has been applied stands in
`commonweal.migration`, number and digest; a store whose ledger this release does not understand is refused and left as it is.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Any

from commonweal_runtime.exceptions import StoreSchemaError

SERVICES = ("api", "person", "models", "feed")
BASE = 100  # above every number of the trail before the first release, so that what ran then refuses this store as a newer one
TRAIL = "a3ea7157b28679fd0fd2ab445a13356fa6399b81fb143f55312fecaac1751bb8"  # of a store made at e0dec75: 28 files, 001 to 070
_LEDGER = """
create schema if not exists commonweal;
create table if not exists commonweal.migration (
  version int primary key, digest text not null, applied_at timestamptz not null default clock_timestamp()
);
revoke all on schema commonweal from public"""
_LOCK = 4_211_967_001


def migrations() -> list[tuple[int, str]]:
    """Return version and text of the base line and of each migration after it, in order."""
    sql = files(__package__).joinpath("sql")
    base = sorted((f.name, f.read_text()) for f in sql.joinpath("base").iterdir() if f.name.endswith(".sql"))
    later = sorted((int(f.name[:3]), f.read_text()) for f in sql.iterdir() if f.name.endswith(".sql"))
    return [(BASE, "\n".join(text for _, text in base)), *later]


async def migrate(connection: Any) -> int:
    """Bring the database to this release; return how many versions were applied. A second run applies none.

    A store of the trail before the first release is adopted: its schema is the base line already, so only the ledger is written anew.
    """
    wanted, applied = migrations(), 0
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
        await connection.execute(_LEDGER)
        known = {r["version"]: r["digest"] for r in await connection.fetch("select version, digest from commonweal.migration")}
        if fingerprint(known) == TRAIL:
            known = await _adopt(connection, wanted[0][1])
        _check(known, wanted)
        for version, text in wanted:
            if version not in known:
                await connection.execute(text)
                await _enter(connection, version, text)
                applied += 1
    return applied


def fingerprint(ledger: dict[int, str]) -> str:
    """Return one digest of a whole ledger."""
    return _digest("\n".join(f"{version} {digest}" for version, digest in sorted(ledger.items())))


def _check(known: dict[int, str], wanted: list[tuple[int, str]]) -> None:
    """Raise StoreSchemaError unless what was applied is the beginning of what this release has."""
    if known and BASE not in known:
        raise StoreSchemaError(
            "The store was made before the first release, and its ledger is not that of the last commit of that time (e0dec75). Run that commit's keeper on "
            "it once, then this release again; if it refuses too, found the department again. Nothing was changed."
        )
    if set(known) - {version for version, _ in wanted}:
        raise StoreSchemaError(
            "The store was made by a newer release; run that one, or restore a backup of this one's time. Nothing was changed."
        )
    for version, text in wanted:
        if known.get(version, _digest(text)) != _digest(text):
            raise StoreSchemaError(
                f"Version {version} of the store's schema is not the one that was applied to this store. Run the release that made it; a change of the schema "
                "is a new migration. Nothing was changed."
            )


async def _adopt(connection: Any, base: str) -> dict[int, str]:
    await connection.execute("delete from commonweal.migration")
    await _enter(connection, BASE, base)
    return {BASE: _digest(base)}


async def _enter(connection: Any, version: int, text: str) -> None:
    await connection.execute("insert into commonweal.migration (version, digest) values ($1, $2)", version, _digest(text))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
