"""A data directory in chunks of a fixed size, each named by its SHA-256: what differs between two directories is what has to be sent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

CHUNK = 2**20
# PostgreSQL makes these anew, or they belong to a running server; its documentation lists them for backups (25.3.5).
EMPTY = frozenset({"pg_wal", "pg_dynshmem", "pg_notify", "pg_replslot", "pg_serial", "pg_snapshots", "pg_stat_tmp", "pg_subtrans"})
LEFT_OUT = frozenset({"postmaster.pid", "postmaster.opts", "backup_label", "tablespace_map", "current_logfiles", "pg_internal.init"})

Listing = dict[str, "Kept"]


@dataclass(frozen=True, slots=True)
class Kept:
    """One file: its size in bytes and the SHA-256 of each chunk, in order."""

    size: int
    chunks: tuple[str, ...]


def files(root: Path) -> Iterator[str]:
    """Yield the paths of the files that a copy needs, relative to `root`, in order. A file that goes away meanwhile may be among them."""
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        if (inside.parts[0] in EMPTY and len(inside.parts) > 1) or path.name in LEFT_OUT or path.name.startswith("pgsql_tmp"):
            continue
        if path.is_file() and not path.is_symlink():
            yield inside.as_posix()


def directories(root: Path) -> list[str]:
    """Return all directories a copy needs, also those whose content is left out."""
    found = (path.relative_to(root) for path in sorted(root.rglob("*")) if path.is_dir())
    return [p.as_posix() for p in found if len(p.parts) == 1 or p.parts[0] not in EMPTY or p.as_posix() == "pg_wal/archive_status"]


def read(path: Path) -> Iterator[tuple[bytes, str]]:
    """Yield each chunk of a file with its SHA-256."""
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            yield chunk, hashlib.sha256(chunk).hexdigest()


def listing(root: Path) -> Listing:
    """Read the whole directory once and return what is there; an absent one is empty."""
    found: Listing = {}
    for name in files(root) if root.is_dir() else ():
        try:
            digests = tuple(digest for _, digest in read(root / name))
            found[name] = Kept((root / name).stat().st_size, digests)
        except FileNotFoundError:
            continue
    return found


def written(listed: Mapping[str, Kept]) -> str:
    """Return a listing as one line of JSON."""
    return json.dumps({name: [kept.size, *kept.chunks] for name, kept in sorted(listed.items())}, separators=(",", ":"))


def understood(line: str) -> Listing:
    """Return the listing that a line of JSON says. Raises ValueError."""
    return {name: Kept(int(size), tuple(chunks)) for name, (size, *chunks) in json.loads(line).items()}


def digest_of(listed: Mapping[str, Kept]) -> str:
    """Return one SHA-256 over names, sizes and chunks."""
    return hashlib.sha256(written(listed).encode()).hexdigest()
