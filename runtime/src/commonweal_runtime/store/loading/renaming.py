"""Ids that the keys of release 0.1 gave and that follow from another text now: noted while a load is staged, renamed in the transaction of its merge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from commonweal_api.pairwise import pairwise
from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.agreements import Served
from commonweal_runtime.store.sources import Batch, Survey
from commonweal_runtime.store.sources.contract import UNREADABLE

Noted = tuple[str, bool, str, str]
NOTED = ("product", "record", "former", "now")


@dataclass(frozen=True, slots=True)
class Renaming:
    """What one load has to rename: nothing once the product has been merged under the present text of its key columns."""

    product: Served
    sector_key: bytes
    columns: tuple[str, ...]
    former: Mapping[str, Callable[[str], str]]
    first: bool

    @classmethod
    async def of(cls, store: Any, product: Served, survey: Survey, sector_key: bytes) -> Renaming:
        """Return what is left to rename for a product whose source has been looked at."""
        subject = product.spec.subject
        columns = (subject.column, *([subject.record_key] if subject.record_key is not None else []))
        done = await store.fetchval("select columns from staging.canonical where product = $1", product.uid) or []
        former = {c: survey.former[c] for c in columns if c in survey.former and c not in done}
        return cls(product, sector_key, columns, former, first=not set(columns) <= set(done))

    def noted(self, batch: Batch) -> list[Noted]:
        """Return the former and the present id, or text of a record key, where a batch has rows for which the two differ."""
        found: dict[Noted, None] = {}
        for place, column in enumerate(self.columns):
            if (former := self.former.get(column)) is None:
                continue
            record = place == 1
            for text in batch.columns[place].unique().to_pylist():
                if text not in {None, UNREADABLE} and (was := former(text)) != text:
                    found[self.product.uid, record, self._named(was, record=record), self._named(text, record=record)] = None
        return list(found)

    def _named(self, text: str, *, record: bool) -> str:
        return text if record else str(pairwise(self.sector_key, text))

    async def settle(self, store: Any) -> int:
        """Rename, and return how many people's ids were; raise SourceReadError if two would become one. The caller holds the transaction."""
        if not self.first:
            return 0
        renamed: int = await store.fetchval("select staging.find_renamed($1)", self.product.uid)
        if renamed:  # everybody is locked, in the order that all keep: whom the merge locks after this is among them
            await store.execute("select pg_advisory_xact_lock(1, b) from generate_series(0, 1023) b")
        clashing = await store.fetchval("select staging.clashes($1, $2)", self.product.uid, self.product.relation)
        if clashing:
            detail = (
                f"{clashing} of the ids that follow from the column «{self.columns[0]}», which spec.subject.column names, are concerned."
            )
            raise SourceReadError(Reason.KEYS_CLASH, detail)
        if renamed:
            await store.execute("select staging.rename($1)", self.product.uid)
        if self.product.shape.many:
            await store.execute("select staging.rename_records($1, $2)", self.product.uid, self.product.relation)
        await store.execute(
            "insert into staging.canonical as c (product, columns) values ($1, $2) "
            "on conflict (product) do update set columns = array(select unnest(c.columns) union select unnest(excluded.columns))",
            self.product.uid,
            list(self.columns),
        )
        return renamed


def described(renamed: int) -> str:
    """Return in words how many ids were renamed; nothing for none."""
    if not renamed:
        return ""
    return f"{renamed} people's ids were renamed." if renamed > 1 else "1 person's id was renamed."
