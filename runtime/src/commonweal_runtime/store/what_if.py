"""What a dry run or a change would open and close: counted in the database, with the conditions that would be its policies. Opens nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from commonweal_api.negotiation import WhatIf
from commonweal_runtime.store.agreements import CompiledAgreement, Served, widens

Terms = dict[str, dict[str, str]]
_FRESH = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class _Seen:
    digest: str
    loaded: datetime | None
    told: WhatIf


class WhatIfCounter:
    """Counts on the keeper's connection, and remembers: a plan that is carried out again does not count a million people again within half a minute."""

    def __init__(self, connection: Any) -> None:
        self._db = connection
        self._dry: dict[str, _Seen] = {}
        self._changes: dict[str, _Seen] = {}

    async def of_dry_run(self, uid: str, compiled: CompiledAgreement, product: Served, terms: Terms) -> WhatIf:
        """Return what enforcing the agreement would open; it is closed now."""
        loaded = await self._db.fetchval("select loaded_at from agreement.product where uid = $1", product.uid)
        seen = self._dry.get(uid)
        if seen is None or (seen.digest, seen.loaded) != (compiled.digest, loaded) or datetime.now(UTC) - seen.told.as_of > _FRESH:
            told = await self._counted(compiled, product, in_force=False, terms=terms)
            seen = self._dry[uid] = _Seen(compiled.digest, loaded, told)
        return seen.told

    async def of_change(self, uid: str, compiled: CompiledAgreement, product: Served, terms: Terms) -> WhatIf:
        """Return what a change of an agreement in force will open and close; to be asked before the change."""
        told = await self._counted(compiled, product, in_force=True, terms=terms)
        self._changes[uid] = _Seen(compiled.digest, None, told)
        return told

    def last_change(self, uid: str, compiled: CompiledAgreement) -> WhatIf | None:
        """Return what was said before the change that brought the agreement to where it is, if there was one since the keeper began."""
        seen = self._changes.get(uid)
        return seen.told if seen is not None and seen.digest == compiled.digest else None

    async def _counted(self, compiled: CompiledAgreement, product: Served, *, in_force: bool, terms: Terms) -> WhatIf:
        # wider terms end the consents given so far; then nobody is left until people say yes again
        ended = "any (_consent)" in compiled.visible and bool(terms) and widens(terms, compiled.terms)
        row = await self._db.fetchrow(
            "select gained, lost, as_of from agreement.what_if($1, $2, $3, $4)",
            compiled.number,
            product.relation,
            in_force,
            "false" if ended else compiled.visible,
        )
        old, new = set(terms.get("fields", {})) if in_force else set(), set(compiled.terms["fields"])
        return WhatIf(
            subjects_gained=row["gained"],
            subjects_lost=row["lost"],
            fields_gained=sorted(new - old),
            fields_lost=sorted(old - new),
            as_of=row["as_of"],
        )
