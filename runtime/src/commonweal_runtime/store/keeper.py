"""The keeper: one loop for the plan, one for consents that run out, one per product for its source."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from pydantic import ValidationError

from commonweal_api.plan import Outcome, ProductPlan, StorePlan, StoreReport, digest_of
from commonweal_api.reasons import Reason
from commonweal_runtime.desk import Desk
from commonweal_runtime.store import loading
from commonweal_runtime.store.enforcement import Enforcement
from commonweal_runtime.store.shelving import message_of, served_product
from commonweal_runtime.store.sources import Credentials, SourceError

SWEEP_SECONDS = 2.0
RETRY_SECONDS = 5.0
AGAIN_SECONDS = 0.5

log = logging.getLogger(__name__)
Connect = Callable[[], Awaitable[Any]]


@dataclass(slots=True)
class Shelf:
    """One product's loader, and what its last load came to."""

    product: ProductPlan
    task: asyncio.Task[None] | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    reason: Reason = Reason.LOAD_PENDING
    detail: str = ""


class Keeper:
    """Keeps one department's store as its plan says. Give it a way to connect as superuser, a desk, and the department's two keys."""

    def __init__(self, connect: Connect, desk: Desk, database_key: bytes, sector_key: bytes) -> None:
        self._connect, self._desk = connect, desk
        self._database_key, self._sector_key = database_key, sector_key
        self._plan: StorePlan | None = None
        self._carried: StorePlan | None = None  # what the outcomes are of
        self._outcomes: tuple[dict[str, Outcome], dict[str, Outcome]] = ({}, {})
        self._shelves: dict[str, Shelf] = {}
        self._news = asyncio.Event()
        self._judge = asyncio.Event()
        self._enforcement: Enforcement | None = None

    async def run(self) -> None:
        """Work until cancelled. A lost database connection ends it: the pod starts it again, and it finds everything as it left it."""
        connection = await self._connect()
        try:
            self._enforcement = Enforcement(connection, self._database_key)
            await self._enforcement.prepare()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._follow())
                group.create_task(self._carry_out(self._enforcement, group))
                group.create_task(self._sweep())
                group.create_task(self._tell())
        finally:
            connection.terminate()

    async def _follow(self) -> None:
        async for text in self._desk.plans():
            try:
                self._plan = StorePlan.model_validate_json(text)
            except ValidationError as error:
                log.error("the plan cannot be read; the one before it stays in force: %s", error.errors(include_input=False)[0])  # noqa: TRY400
            else:
                self._judge.set()

    async def _carry_out(self, enforcement: Enforcement, group: asyncio.TaskGroup) -> None:
        while True:
            await self._judge.wait()
            self._judge.clear()
            plan = self._plan
            if plan is None:
                continue
            self._outcomes, self._carried = await enforcement.apply(plan), plan
            if enforcement.unfinished:  # a load was in the way
                asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._judge.set)
            self._stock(plan, group)
            self._news.set()

    async def _sweep(self) -> None:
        connection = await self._connect()
        try:
            while True:
                try:
                    await connection.fetchval("select consent.sweep()")
                except (asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError):
                    log.info("sweep crossed a load; next time")
                await asyncio.sleep(SWEEP_SECONDS)
        finally:
            connection.terminate()

    async def _tell(self) -> None:
        """Keep the report equal to what is so."""
        while True:
            await self._news.wait()
            self._news.clear()
            await self._desk.report(self._report().model_dump_json(by_alias=True, exclude_none=True))

    def _report(self) -> StoreReport:
        products, agreements = self._outcomes
        told = {name: self._with_load(outcome) for name, outcome in products.items()}
        return StoreReport(plan=digest_of(self._carried) if self._carried else "", products=told, agreements=agreements)

    def _with_load(self, outcome: Outcome) -> Outcome:
        """Return a product's outcome with what its source came to, where the store itself is content."""
        shelf = self._shelves.get(outcome.uid)
        if shelf is None or outcome.reason not in {Reason.SERVING, Reason.LOAD_PENDING}:
            return outcome
        reason = Reason.SERVING if shelf.reason is Reason.LOADED else shelf.reason
        if reason is Reason.LOAD_PENDING and outcome.ready:
            return outcome
        return outcome.model_copy(update={"reason": reason, "message": message_of(reason, shelf.detail)})

    # sources

    def _stock(self, plan: StorePlan, group: asyncio.TaskGroup) -> None:
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

    async def _keep_loaded(self, shelf: Shelf) -> None:
        while True:
            shelf.wake.clear()
            before = shelf.reason, shelf.detail
            changed = await self._load(shelf)
            if changed:
                self._judge.set()  # agreements that waited for these fields open now; what comes of it is told then
            elif (shelf.reason, shelf.detail) != before:
                self._news.set()
            pause = shelf.product.spec.serve.refresh_seconds if shelf.reason in {Reason.LOADED, Reason.ROWS_REFUSED} else RETRY_SECONDS
            try:
                async with asyncio.timeout(pause):
                    await shelf.wake.wait()
            except TimeoutError:
                continue

    async def _load(self, shelf: Shelf) -> bool:
        """Load one product once; return whether agreements must be judged again."""
        try:
            name = shelf.product.spec.source.postgres.credentials.name
            credentials = Credentials.of(name, await self._desk.secret(name))
            loaded, waiting = await self._merge(shelf, credentials)
        except SourceError as error:
            shelf.reason, shelf.detail = error.reason, error.detail
        except loading.ChangedError:
            shelf.wake.set()
        except asyncpg.PostgresError as error:
            shelf.reason, shelf.detail = Reason.LOAD_FAILED, f"PostgreSQL answered {error.sqlstate}."
        except Exception as error:  # noqa: BLE001 - one source must not stop the others; the type is told, never the text, which can hold data
            log.warning("loading %s: %s", shelf.product.name, type(error).__name__)
            shelf.reason, shelf.detail = Reason.LOAD_FAILED, f"{type(error).__name__}."
        else:
            shelf.reason = Reason.ROWS_REFUSED if loaded.refused else Reason.LOADED
            shelf.detail = loaded.detail
            return waiting
        return False

    async def _merge(self, shelf: Shelf, credentials: Credentials) -> tuple[loading.Loaded, bool]:
        if self._enforcement is None:
            raise RuntimeError("run() has not been called")
        connection = await self._connect()
        try:
            product = await served_product(connection, shelf.product.name)
            if product is None or product.uid != shelf.product.uid:
                raise SourceError(Reason.LOAD_PENDING, "The store has not made the product's table yet.")
            lock = self._enforcement.table_lock(product.uid)
            loaded = await loading.load(connection, product, credentials, self._sector_key, lock)
        finally:
            connection.terminate()
        if loaded.written:
            log.info(
                "loaded %s: %d new, %d changed, %d gone, %d refused",
                product.name,
                loaded.inserted,
                loaded.updated,
                loaded.deleted,
                loaded.refused,
            )
        return loaded, bool(product.unfilled) or loaded.written > 0
