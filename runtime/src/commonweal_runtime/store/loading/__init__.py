"""Brings a product's table up to its source: staged first, in batches that a killed load goes on from, then merged in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from commonweal_runtime.exceptions import FillingEndedError, SourceChangedError, SourceReadError
from commonweal_runtime.store.agreements import Served
from commonweal_runtime.store.live.foreign import is_live, kept_spec
from commonweal_runtime.store.live.settling import settle
from commonweal_runtime.store.loading import blocks, quarantine
from commonweal_runtime.store.loading.ahead import ahead
from commonweal_runtime.store.loading.merging import merge, note
from commonweal_runtime.store.loading.renaming import Noted, Renaming, described
from commonweal_runtime.store.loading.rows import Read, Reading
from commonweal_runtime.store.loading.scope import Scope, divided
from commonweal_runtime.store.loading.staging import Staging, plan_of
from commonweal_runtime.store.product_tables import served_product
from commonweal_runtime.store.sources import Batch, Credentials, Source, Survey, open_source
from commonweal_runtime.store.sources.own_thread import own_thread

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did to a product's table, and how many rows are in quarantine, by field. `resumed` is how many rows were there already.

    `settled`: a Live product was connected anew, so agreements on it have to be opened anew. `renamed` is how many people have another id now. `scope` is
    what was read.
    """

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)
    resumed: int = 0
    settled: bool = False
    renamed: int = 0
    scope: Scope = field(default_factory=Scope)

    @property
    def written(self) -> int:
        """Rows that were written."""
        return self.inserted + self.updated + self.deleted

    @property
    def refused(self) -> int:
        """Rows in quarantine."""
        return sum(self.quarantined.values())

    @property
    def detail(self) -> str:
        """The rows in quarantine, the ids that were renamed and why all of the source is read each time, in words; nothing for none."""
        each = f"Each refresh reads all of the source: {self.scope.why}." if self.scope.lacking else ""
        return " ".join(part for part in (quarantine.described(self.quarantined), described(self.renamed), each) if part)


def _unheard(_: str) -> None:
    return


async def load(
    store: Any, product: Served, credentials: Credentials | None, sector_key: bytes, lock: asyncio.Lock, tell: Tell = _unheard
) -> Loaded:
    """Read the source and merge it through `store`, a connection as superuser that this load has to itself.

    `lock` is held for the merge alone, so a slow source blocks nobody. `tell` hears how far it has come. Raises SourceReadError and leaves the
    table as it was if the source breaks off (what is staged stays for the next call) or the merge must not be, and SourceChangedError if the plan
    changed the product meanwhile.
    Of a Live product the keys are loaded, once it is connected and proved to be read by key alone.
    """
    settled = False
    if is_live(product.spec):
        product, settled = await settle(store, product, credentials, lock)
    kept = replace(product, spec=kept_spec(product.spec))
    once = _Once(store, product, kept, credentials, sector_key, lock, tell)
    try:
        return replace(await once.load(fill=True), settled=settled)
    except FillingEndedError:
        return replace(await once.load(fill=False), settled=settled)


@dataclass(frozen=True, slots=True)
class _Once:
    """One load of a product; `kept` is it with what the store keeps of it."""

    store: Any
    product: Served
    kept: Served
    credentials: Credentials | None
    sector_key: bytes
    lock: asyncio.Lock
    tell: Tell

    async def load(self, *, fill: bool) -> Loaded:
        store, kept = self.store, self.kept
        async with open_source(kept.spec, self.credentials) as source:
            survey = await source.inspect()
            if await _merged_already(store, kept, survey):
                return await _unchanged(store, self.product, Loaded())
            renaming = await Renaming.of(store, kept, survey, self.sector_key)
            scope = await (await blocks.asking(store, kept, survey, self.sector_key)).scope(survey, _whole(kept, renaming))
            if scope.only is not None and not scope.only:
                return await _unchanged(store, self.product, Loaded(scope=scope))
            survey = divided(survey, scope, self.sector_key)
            fill = fill and not renaming.former
            staging = await blocks.keep(await Staging.open(store, kept, survey, self.sector_key, scope, self.lock, fill=fill), scope)
            if staging.filling and await served_product(store, kept.name) != self.product:  # what it is now is what the filling holds it to
                raise SourceChangedError
            resumed = staging.rows
            if not staging.complete:
                await self._read(source, survey, staging, renaming)
        self.tell("All rows are read; they are being merged.")
        try:
            async with self.lock, store.transaction():
                if await served_product(store, kept.name) != self.product:
                    raise SourceChangedError
                return replace(await _merged(staging, renaming, survey, scope), resumed=resumed)
        except SourceReadError:  # it must not be merged as it is: the next load reads again
            await staging.discard()
            raise

    async def _read(self, source: Source, survey: Survey, staging: Staging, renaming: Renaming) -> None:
        try:
            await _stage(source, survey, staging, renaming, self.tell)
        except SourceReadError:
            if staging.filling and survey.order is None:  # nothing goes on from here
                await staging.discard()
            raise
        try:
            await source.verify()
        except SourceReadError:
            if staging.filling:
                await staging.discard()
            raise
        await staging.finish()


async def _unchanged(store: Any, product: Served, loaded: Loaded) -> Loaded:
    await blocks.leave(store, product)
    held = await quarantine.held(store, product.uid)
    await note(store, product, sum(held.values()), changed=False)
    return replace(loaded, quarantined=held)


def _whole(product: Served, renaming: Renaming) -> str:
    """Return why everything has to be read whatever the source says of its blocks; nothing where it need not be."""
    if product.unfilled:
        return "a column has no values yet"
    return "ids may have to be renamed" if renaming.first else ""


async def _merged(staging: Staging, renaming: Renaming, survey: Survey, scope: Scope) -> Loaded:
    """Make the product's table equal to what is staged, in the caller's transaction."""
    store, product = staging.store, staging.product
    await store.execute("set local synchronous_commit = on")
    renamed = await renaming.settle(store)
    if renamed:  # of any product
        await blocks.forget(store)
    if staging.filling:
        inserted, updated, deleted = await staging.filler.filled(), 0, 0
    else:
        inserted, updated, deleted = await merge(store, product, staging.table, await blocks.among(staging, scope))
    held = await quarantine.settle(store, product.uid, scope.only, staging.members.refused)
    await blocks.remember(staging, survey, scope)
    await staging.clear()
    await note(store, product, sum(held.values()), changed=bool(inserted or updated or deleted))
    await _remember(store, product, survey)
    return Loaded(inserted, updated, deleted, held, renamed=renamed, scope=scope)


async def _stage(source: Source, survey: Survey, staging: Staging, renaming: Renaming, tell: Tell) -> None:
    """Read what is not staged yet. What a source that breaks off means for the next load is said in the error."""
    reading, last = Reading(staging.product.spec, survey.types, renaming.sector_key, staging.rows), staging.position
    try:
        async with (
            own_thread("rows") as thread,
            ahead(_read(source, staging.position, partial(_taken, reading, staging, renaming), thread)) as batches,
        ):
            async for read, noted, position in batches:
                await staging.add(read, noted, position)
                last = position
                tell(_progress(staging.rows, survey))
    except SourceReadError as error:
        if not staging.rows:
            raise
        raise SourceReadError(error.reason, f"{error.detail} {_next(staging, last)}") from None


def _next(staging: Staging, position: str | None) -> str:
    """Return what becomes of the rows that are staged."""
    if position is not None:
        return f"The next load goes on after {staging.rows} rows."
    if staging.product.spec.source.http is not None:
        return "The next load begins again, because the pages of an API are no snapshot."
    return "The next load begins again, because no unique index lies on the columns of subject and record alone."


async def _read(
    source: Source, after: str | None, take: Callable[[Batch], tuple[Read, Sequence[Noted]]], thread: Executor
) -> AsyncIterator[tuple[Read, Sequence[Noted], str | None]]:
    """Read the source, a batch's rows being taken in a thread of its own: meanwhile the store hears and is heard."""
    loop = asyncio.get_running_loop()
    async for batch in source.batches(after):
        read, noted = await loop.run_in_executor(thread, take, batch)
        yield read, noted, batch.position


def _taken(reading: Reading, staging: Staging, renaming: Renaming, batch: Batch) -> tuple[Read, Sequence[Noted]]:
    return staging.written(reading.read(batch)), renaming.noted(batch)


def _progress(rows: int, survey: Survey) -> str:
    if not survey.total or rows > survey.total:
        return f"{rows} rows are read."
    about = "" if survey.exact else "about "
    return f"{rows} of {about}{survey.total} rows are read ({100 * rows // survey.total} %)."


async def _merged_already(store: Any, product: Served, survey: Survey) -> bool:
    """Return whether the source says itself that nothing has changed since the last merge."""
    if survey.version is None or product.unfilled:
        return False
    last = await store.fetchval("select plan from staging.content where product = $1", product.uid)
    return bool(last == plan_of(product, survey))


async def _remember(store: Any, product: Served, survey: Survey) -> None:
    if survey.version is not None:
        await store.execute(
            "insert into staging.content (product, plan) values ($1, $2) on conflict (product) do update set plan = excluded.plan",
            product.uid,
            plan_of(product, survey),
        )
