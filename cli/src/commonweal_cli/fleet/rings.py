"""Which sites get a change first. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from commonweal_local.exceptions import LocalError

DEFAULT = ("1", "10%", "all")
_SIZE = re.compile(r"([1-9][0-9]*)|(100|[1-9][0-9]?)%|all")
Ring = tuple[str, ...]


def rings(sites: Sequence[str], sizes: Sequence[str] = DEFAULT) -> list[Ring]:
    """Return the rings in their order; each site is in exactly one. The first site of the first ring is the canary.

    A size says how many sites have the change once its ring is done: a number, a share of all (rounded up), or `all`, which must be the last. A
    ring that would add none is left out, as in a fleet of three. Raises LocalError.
    """
    if not sites:
        raise LocalError("there are no sites to roll out to", "Name them with --sites, or give --all.")
    twice = sorted({site for site in sites if sites.count(site) > 1})
    if twice:
        raise LocalError(f"sites: {', '.join(twice)} is named twice", "Name each site once.")
    if not sizes or sizes[-1] not in {"all", "100%"}:
        raise LocalError(f"--rings {','.join(sizes)}: the last ring is not `all`", "Write, for instance, 1,10%,all.")
    ends = [_end(size, len(sites)) for size in sizes]
    made, start, before = [], 0, 0
    for size, end in zip(sizes, ends, strict=True):
        if end < before:
            raise LocalError(f"--rings {','.join(sizes)}: {size} is less than the ring before it", "Give sizes that grow.")
        before = end
        if end > start:
            made.append(tuple(sites[start:end]))
            start = end
    return made


def _end(size: str, count: int) -> int:
    found = _SIZE.fullmatch(size)
    if found is None:
        raise LocalError(f"--rings: {size!r} is no size", "Write a number, a share such as 10%, or all.")
    number, share = found.groups()
    if number:
        return min(int(number), count)
    return math.ceil(count * int(share) / 100) if share else count
