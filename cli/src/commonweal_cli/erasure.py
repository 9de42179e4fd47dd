"""The erasure certificate: a statement by the site that held something, that it is there no more, and how that was looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from commonweal_stacks.conformity.statement import ERASURE, sign

# What a certificate cannot speak for; it says so itself.
NOT_COVERED = "backups and snapshots that were made of the site or its volumes before, and the blocks of disks until they are written again"


def certificate(
    seed: bytes,
    *,
    what: str,
    site: str,
    subjects: Mapping[str, str],
    counts: Mapping[str, int],
    checks: Sequence[str],
    at: datetime,
    department: str | None = None,
) -> dict[str, Any]:
    """Return the signed envelope. `subjects` are what was erased with SHA-256 of what it was, `checks` sentences on how its absence was found.

    Raises ValueError without subjects, or without a check: an erasure that nobody looked at is not certified.
    """
    if not checks:
        raise ValueError("checks: say how the absence was found; an erasure that was not checked is not certified.")
    predicate: dict[str, Any] = {
        "what": what,
        "site": site,
        "counts": dict(sorted(counts.items())),
        "finished": at.isoformat(timespec="seconds"),
        "checks": list(checks),
        "limits": [NOT_COVERED],
    }
    if department is not None:
        predicate["department"] = department
    return sign(ERASURE, dict(subjects), predicate, seed=seed, at=at)
