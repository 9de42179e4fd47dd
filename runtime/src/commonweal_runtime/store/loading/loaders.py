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
from commonweal_runtime.exceptions import SourceChangedError, SourceReadError
from commonweal_runtime.store import loading
from commonweal_runtime.store.agreements import Served
from commonweal_runtime.store.failures import Work, failure_of
from commonweal_runtime.store.product_tables import served_product
from commonweal_runtime.store.sources import Credentials, secret_of
from commonweal_runtime.store.stopping import stop_if_cancelled

RETRY_SECONDS = 5.0
_READ = frozenset({Reason.LOADED, Reason.ROWS_REFUSED, Reason.LOSS_REFUSED, Reason.KEYS_CLASH})  # the source has been read to its end
TELL_SECONDS = 3.0  # each report is a write to the API server

log = logging.getLogger(__name__)
Connect = Callable[[], Awaitable[Any]]
Secret = Callable[[str], Awaitable[dict[str, str] | None]]


@dataclass(slots=True)
class Loader:
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
class Loaders:
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
    _loaders: dict[str, Loader] = field(default_factory=dict)

    def reconcile(self, plan: StorePlan, group: asyncio.TaskGroup) -> None:
        """Start, wake or stop the loaders so that each product of the plan has one."""
        wanted = {p.uid: p for p in plan.products}
        for uid in [u for u in self._loaders if u not in wanted]:
            gone = self._loaders.pop(uid)
            if gone.task is not None:
                gone.task.cancel()
        for uid, product in wanted.items():
            loader = self._loaders.get(uid)
            if loader is None:
                loader = Loader(product)
                loader.task = group.create_task(self._keep_loaded(loader))
                self._loaders[uid] = loader
            elif loader.product != product:
                loader.product = product
                loader.wake.set()

    def told(self, outcome: Outcome) -> Outcome:
        """Return a product's outcome with what its source came to, where the store itself is content."""
        loader = self._loaders.get(outcome.uid)
        if loader is None or outcome.reason not in {Reason.SERVING, Reason.LOAD_PENDING}:
            return outcome
        outcome = outcome.model_copy(update={"quarantined": loader.quarantined})
        reason: Reason = Reason.SERVING if loader.reason is Reason.LOADED else loader.reason
        if reason is Reason.LOAD_PENDING and outcome.ready:
            reason = Reason(outcome.reason)
        if reason == outcome.reason and not loader.detail and not loader.progress:
            return outcome
        detail = " ".join(part for part in (loader.detail, loader.progress) if part)
        return outcome.model_copy(update={"reason": reason, "message": detail})

    async def _keep_loaded(self, loader: Loader) -> None:
        while True:
            loader.wake.clear()
            before = loader.reason, loader.detail, loader.progress, loader.quarantined
            changed = await self._load(loader)
            stop_if_cancelled()
            loader.progress = ""
            if changed:
                self.judge()  # agreements that waited for these fields open now; what comes of it is told then
            elif (loader.reason, loader.detail, loader.progress, loader.quarantined) != before or loader.told:
                self.news()
            loader.told = 0.0
            pause = loader.product.spec.serve.refresh_seconds if loader.reason in _READ else RETRY_SECONDS
            try:
                async with asyncio.timeout(pause):
                    await loader.wake.wait()
            except TimeoutError:
                continue

    async def _load(self, loader: Loader) -> bool:
        """Load one product once; return whether agreements must be judged again."""
        was = loader.reason
        try:
            name = secret_of(loader.product.spec)
            credentials = Credentials.of(name, await self.secret(name)) if name is not None else None
            loaded, waiting = await self._merge(loader, credentials)
            await self.on_loaded(loader.product.uid)
        except SourceChangedError:
            loader.wake.set()
        except Exception as error:  # noqa: BLE001 - one source must not stop the others; the type is told, never the text, which can hold data
            if not isinstance(error, (SourceReadError, asyncpg.PostgresError)):
                log.warning("loading %s: %s", loader.product.name, type(error).__name__)
            loader.reason, loader.detail = failure_of(error, Work.LOAD)
            return loader.reason is Reason.PUSHDOWN_UNSAFE and was is not Reason.PUSHDOWN_UNSAFE  # the product has been closed
        else:
            loader.reason = Reason.ROWS_REFUSED if loaded.refused else Reason.LOADED
            loader.detail, loader.quarantined = loaded.detail, loaded.refused
            return waiting
        return False

    async def _merge(self, loader: Loader, credentials: Credentials | None) -> tuple[loading.Loaded, bool]:
        connection = await self.connect()
        try:
            product = await served_product(connection, loader.product.name)
            if product is None or product.uid != loader.product.uid:
                raise SourceReadError(Reason.LOAD_PENDING, "The store has not made the product's table yet.")
            loaded = await self._loaded(loader, connection, product, credentials)
        finally:
            connection.terminate()
        if loaded.renamed:
            log.info("loaded %s: ids renamed: %d", product.name, loaded.renamed)
        if loaded.written:
            log.info(
                "loaded %s: %d new, %d changed, %d gone, %d refused, %d read before, %s",
                product.name,
                loaded.inserted,
                loaded.updated,
                loaded.deleted,
                loaded.refused,
                loaded.resumed,
                loaded.scope.described,
            )
        return loaded, bool(product.unfilled) or loaded.written > 0 or loaded.settled

    async def _loaded(self, loader: Loader, connection: Any, product: Served, credentials: Credentials | None) -> loading.Loaded:
        begun = time.monotonic()

        def tell(progress: str) -> None:
            loader.progress, now = progress, time.monotonic()
            if now - max(begun, loader.told) >= TELL_SECONDS:
                loader.told = now
                self.news()

        return await loading.load(connection, product, credentials, self.sector_key, self.lock(product.uid), tell)
