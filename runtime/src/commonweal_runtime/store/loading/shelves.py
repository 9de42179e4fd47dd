"""The loaders of a plan's products: one task each, which reads its source again and again, and what its last load came to."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from commonweal_api.plan import Outcome, ProductPlan, StorePlan
from commonweal_api.reasons import Reason
from commonweal_runtime.store import loading
from commonweal_runtime.store.agreements import Served
from commonweal_runtime.store.shelving import served_product
from commonweal_runtime.store.sources import Credentials, SourceError, secret_of

RETRY_SECONDS = 5.0
TELL_SECONDS = 3.0  # each report is a write to the API server

log = logging.getLogger(__name__)
Connect = Callable[[], Awaitable[Any]]
Secret = Callable[[str], Awaitable[dict[str, str] | None]]


@dataclass(slots=True)
class Shelf:
    """One product's loader, and what its last load came to."""

    product: ProductPlan
    task: asyncio.Task[None] | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    reason: Reason = Reason.LOAD_PENDING
    detail: str = ""
    progress: str = ""
    told: float = 0.0
    quarantined: int | None = None


@dataclass(slots=True)
class Shelves:
    """All loaders.

    `judge` is called when agreements may open by what was loaded, `news` when there is something to report, `on_loaded` with the uid of a product
    after each of its loads.
    """

    connect: Connect
    secret: Secret
    lock: Callable[[str], asyncio.Lock]
    sector_key: bytes
    judge: Callable[[], None]
    news: Callable[[], None]
    on_loaded: Callable[[str], Awaitable[None]]
    _shelves: dict[str, Shelf] = field(default_factory=dict)

    def stock(self, plan: StorePlan, group: asyncio.TaskGroup) -> None:
        """Start, wake or stop the loaders so that each product of the plan has one."""
        wanted = {p.uid: p for p in plan.products}
        for uid in [u for u in self._shelves if u not in wanted]:
            gone = self._shelves.pop(uid)
            if gone.task is not None:
                gone.task.cancel()
        for uid, product in wanted.items():
            shelf = self._shelves.get(uid)
            if shelf is None:
                shelf = Shelf(product)
                shelf.task = group.create_task(self._keep_loaded(shelf))
                self._shelves[uid] = shelf
            elif shelf.product != product:
                shelf.product = product
                shelf.wake.set()

    def told(self, outcome: Outcome) -> Outcome:
        """Return a product's outcome with what its source came to, where the store itself is content."""
        shelf = self._shelves.get(outcome.uid)
        if shelf is None or outcome.reason not in {Reason.SERVING, Reason.LOAD_PENDING}:
            return outcome
        outcome = outcome.model_copy(update={"quarantined": shelf.quarantined})
        reason: Reason = Reason.SERVING if shelf.reason is Reason.LOADED else shelf.reason
        if reason is Reason.LOAD_PENDING and outcome.ready:
            reason = Reason(outcome.reason)
        if reason == outcome.reason and not shelf.detail and not shelf.progress:
            return outcome
        detail = " ".join(part for part in (shelf.detail, shelf.progress) if part)
        return outcome.model_copy(update={"reason": reason, "message": detail})

    async def _keep_loaded(self, shelf: Shelf) -> None:
        while True:
            shelf.wake.clear()
            before = shelf.reason, shelf.detail, shelf.progress, shelf.quarantined
            changed = await self._load(shelf)
            shelf.progress = ""
            if changed:
                self.judge()  # agreements that waited for these fields open now; what comes of it is told then
            elif (shelf.reason, shelf.detail, shelf.progress, shelf.quarantined) != before or shelf.told:
                self.news()
            shelf.told = 0.0
            pause = shelf.product.spec.serve.refresh_seconds if shelf.reason in {Reason.LOADED, Reason.ROWS_REFUSED} else RETRY_SECONDS
            try:
                async with asyncio.timeout(pause):
                    await shelf.wake.wait()
            except TimeoutError:
                continue

    async def _load(self, shelf: Shelf) -> bool:
        """Load one product once; return whether agreements must be judged again."""
        was = shelf.reason
        try:
            name = secret_of(shelf.product.spec)
            credentials = Credentials.of(name, await self.secret(name)) if name is not None else None
            loaded, waiting = await self._merge(shelf, credentials)
            await self.on_loaded(shelf.product.uid)
        except SourceError as error:
            shelf.reason, shelf.detail = error.reason, error.detail
            return error.reason is Reason.PUSHDOWN_UNSAFE and error.reason is not was  # the product has been closed
        except loading.ChangedError:
            shelf.wake.set()
        except asyncpg.PostgresError as error:
            shelf.reason, shelf.detail = Reason.LOAD_FAILED, f"PostgreSQL answered {error.sqlstate}."
        except Exception as error:  # noqa: BLE001 - one source must not stop the others; the type is told, never the text, which can hold data
            log.warning("loading %s: %s", shelf.product.name, type(error).__name__)
            shelf.reason, shelf.detail = Reason.LOAD_FAILED, f"{type(error).__name__}."
        else:
            shelf.reason = Reason.ROWS_REFUSED if loaded.refused else Reason.LOADED
            shelf.detail, shelf.quarantined = loaded.detail, loaded.refused
            return waiting
        return False

    async def _merge(self, shelf: Shelf, credentials: Credentials | None) -> tuple[loading.Loaded, bool]:
        connection = await self.connect()
        try:
            product = await served_product(connection, shelf.product.name)
            if product is None or product.uid != shelf.product.uid:
                raise SourceError(Reason.LOAD_PENDING, "The store has not made the product's table yet.")
            loaded = await self._loaded(shelf, connection, product, credentials)
        finally:
            connection.terminate()
        if loaded.written:
            log.info(
                "loaded %s: %d new, %d changed, %d gone, %d refused, %d read before",
                product.name,
                loaded.inserted,
                loaded.updated,
                loaded.deleted,
                loaded.refused,
                loaded.resumed,
            )
        return loaded, bool(product.unfilled) or loaded.written > 0 or loaded.settled

    async def _loaded(self, shelf: Shelf, connection: Any, product: Served, credentials: Credentials | None) -> loading.Loaded:
        begun = time.monotonic()

        def tell(progress: str) -> None:
            shelf.progress, now = progress, time.monotonic()
            if now - max(begun, shelf.told) >= TELL_SECONDS:
                shelf.told = now
                self.news()

        return await loading.load(connection, product, credentials, self.sector_key, self.lock(product.uid), tell)
