"""How much of a source one load reads: all of it, or only the blocks that are not what was merged last. Decided before anything is read."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from commonweal_runtime.exceptions import UndividedError
from commonweal_runtime.store.sources import Survey
from commonweal_runtime.store.sources.blocks import Blocks, Digest, Division, changed, parts_for, seed_of

WHOLE_HOURS = 24  # what digests cannot show, such as a source that has changed how it prints a value, is corrected within this time
MOST_SHARE = 0.5  # of the rows: if more are in blocks that changed, all are read, because such a load goes on where it broke off

Seals = Mapping[int, bytes | None]


@dataclass(frozen=True, slots=True)
class Held:
    """What the store remembers of a product's blocks. `fresh`: everything was read within `WHOLE_HOURS`."""

    plan: str
    parts: int
    fresh: bool
    seals: Seals


@dataclass(frozen=True, slots=True)
class Scope:
    """What one load reads.

    `parts` is the number of blocks; None: the rows are not divided. `only` are the blocks that are read; None: all. `found` are the seals of what the source
    says of its blocks, and `rows` how many are in those that are read. `why` is why everything is read, and `lacking` says that it will be each time.
    """

    parts: int | None = None
    only: frozenset[int] | None = None
    found: Seals = field(default_factory=dict)
    rows: int | None = None
    why: str = ""
    lacking: bool = False

    def plan(self, whole: str) -> str:
        """Return the digest of what this load reads, from the one of the whole source: a part goes on only while the source is the same throughout."""
        if self.parts is None:
            return whole
        said = [whole, str(self.parts)]
        if self.only is not None:
            said += [f"{n} {(self.found[n] or b'').hex()}" for n in sorted(self.found)]
        return hashlib.sha256("\n".join(said).encode()).hexdigest()

    @property
    def described(self) -> str:
        """What is read, in words for a log."""
        if self.only is None:
            return f"all read: {self.why}" if self.why else "all read"
        return f"{len(self.only)} of {self.parts} blocks read"


class Sealing:
    """Makes keyed hashes of digests: without the department's sector key they tell nothing of the source's values."""

    def __init__(self, sector_key: bytes, product: str, parts: int) -> None:
        self._key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"commonweal block digests").derive(sector_key)
        self._what = f"{product}\n{parts}"

    def seals(self, digests: Mapping[int, Digest]) -> dict[int, bytes | None]:
        """Return the seal of each block; None for one without a digest."""
        return {n: None if d.value is None else self._seal(f"{self._what}\n{n}\n{d.rows}\n{d.value}") for n, d in digests.items()}

    def _seal(self, text: str) -> bytes:
        return hmac.digest(self._key, text.encode(), "sha256")[:16]


@dataclass(frozen=True, slots=True)
class Asking:
    """What is decided from: whose source it is, what is remembered of it, and how many blocks a load of all, which broke off, has begun with."""

    product: str
    sector_key: bytes
    plan: str
    held: Held | None
    begun: Mapping[str, int]  # parts of the load that broke off, by its plan

    async def scope(self, survey: Survey, whole: str) -> Scope:
        """Return what is to be read. `whole` says why it has to be everything, if it has to."""
        if survey.blocks is None:
            return Scope()
        why = self._why() or whole
        try:
            if why or self.held is None:
                return await self._all(survey.blocks, why)
            return await self._part(survey.blocks, self.held)
        except UndividedError as error:
            return Scope(why=str(error), lacking=True)

    def _why(self) -> str:
        if self.held is None:
            return "nothing is known of its blocks"
        if self.held.plan != self.plan:
            return "another thing is to be read than before"
        return "" if self.held.fresh else "the last time is a day ago"

    async def _all(self, blocks: Blocks, why: str) -> Scope:
        parts = self._goes_on() or parts_for(await blocks.count())
        digests = await blocks.digests(self._division(parts))
        return Scope(parts, None, self._sealed(parts, digests), _rows(digests), why)

    def _goes_on(self) -> int | None:
        return next((parts for plan, parts in self.begun.items() if plan == Scope(parts).plan(self.plan)), None)

    async def _part(self, blocks: Blocks, held: Held) -> Scope:
        digests = await blocks.digests(self._division(held.parts))
        found = self._sealed(held.parts, digests)
        only = changed(held.seals, found)
        rows = _rows({n: digests[n] for n in only if n in digests})
        if rows <= MOST_SHARE * _rows(digests):
            return Scope(held.parts, only, found, rows)
        return await self._all(blocks, "most of it has changed")

    def _division(self, parts: int) -> Division:
        return Division(parts, seed_of(self.sector_key))

    def _sealed(self, parts: int, digests: Mapping[int, Digest]) -> Seals:
        return Sealing(self.sector_key, self.product, parts).seals(digests)


def _rows(digests: Mapping[int, Digest]) -> int:
    return sum(d.rows for d in digests.values())


def divided(survey: Survey, scope: Scope, sector_key: bytes) -> Survey:
    """Have the source give the rows of a scope, and return what is known of it by that."""
    if survey.blocks is None or scope.parts is None:
        return survey
    survey.blocks.divide(Division(scope.parts, seed_of(sector_key), scope.only))
    return replace(survey, total=scope.rows, exact=True)
