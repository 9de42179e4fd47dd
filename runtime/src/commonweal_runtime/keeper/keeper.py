"""The keeper: one loop for the plan, one per product for its source, and what else goes on beside them (`_tasks`)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import asyncpg
from pydantic import ValidationError

from commonweal_api.closings import without_closed
from commonweal_api.consent_policy import ConsentPolicySpec
from commonweal_api.department import LinkCases
from commonweal_api.jwk import Jwk
from commonweal_api.plan import Outcome, StorePlan, StoreReport, digest_of
from commonweal_runtime.audit.sealer import Sealer
from commonweal_runtime.federation.pulling import Feed
from commonweal_runtime.keeper.closing import Closing
from commonweal_runtime.keeper.complaints import OpenComplaints
from commonweal_runtime.linkage.linker import Linker
from commonweal_runtime.plan_exchange import PlanExchange
from commonweal_runtime.seal_key import SealKey
from commonweal_runtime.store.enforcement import Enforcement
from commonweal_runtime.store.identity import identities
from commonweal_runtime.store.loading.loaders import Loaders
from commonweal_runtime.store.product_health import ProductHealth
from commonweal_runtime.store.versions import expand, next_end

SWEEP_SECONDS = 2.0
AGAIN_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 3600.0

log = logging.getLogger(__name__)
Connect = Callable[[], Awaitable[Any]]


class Keeper:
    """Keeps one department's store as its plan says. Give it a way to connect as superuser, an exchange, and the department's two keys."""

    def __init__(self, connect: Connect, exchange: PlanExchange, database_key: bytes, sector_key: bytes) -> None:
        self._connect, self._exchange = connect, exchange
        self._database_key, self._sector_key = database_key, sector_key
        self._plan: StorePlan | None = None
        self._carried: StorePlan | None = None  # what the outcomes are of
        self._outcomes: tuple[dict[str, Outcome], dict[str, Outcome]] = ({}, {})
        self._loaders: Loaders | None = None
        self._news = asyncio.Event()
        self._judge = asyncio.Event()
        self._enforcement: Enforcement | None = None
        self._closing = Closing(connect, exchange, self._judge.set)
        self._health = ProductHealth(connect, self._news.set)
        self._seal_key = SealKey.of(database_key)
        self._feed = Feed(connect, sector_key, self._judge.set)
        self._complaints = OpenComplaints(connect, self._news.set)
        self._linker = Linker(connect, database_key)
        self._links: LinkCases | None = None
        self._next_end: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Work until cancelled. A lost database connection ends it: the pod starts it again, and it finds everything as it left it."""
        connection = await self._connect()
        try:
            self._enforcement = Enforcement(connection, self._database_key, self._admits)
            await self._enforcement.prepare()
            self._closing.identities = await identities(connection)
            self._loaders = Loaders(
                self._connect,
                self._exchange.secret,
                self._enforcement.table_lock,
                self._sector_key,
                judge=self._judge.set,
                news=self._news.set,
                on_loaded=self._health.loaded,
            )
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry_out(self._enforcement, group))
                for task in self._tasks():
                    group.create_task(task())
        finally:
            connection.terminate()

    def _tasks(self) -> tuple[Callable[[], Coroutine[Any, Any, None]], ...]:
        """What goes on beside the plan and the loads; each runs until cancelled, and one that ends with an error ends the keeper."""
        return (
            self._closing.run,
            self._follow,
            self._tell,
            self._sweep,
            self._health.run,
            self._feed.run,
            self._linker.run,
            self._complaints.run,
            Sealer(self._connect, self._seal_key).run,
        )

    async def _follow(self) -> None:
        async for text in self._exchange.plans():
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
            plan, listed = self._plan, self._closing.listed
            if plan is None or listed is None:
                continue
            now = datetime.now(UTC)
            whole = expand(without_closed(self._closing.identities.plan(plan), listed), now)
            await self._feed.follow(whole)  # before agreements by consent open, the store knows whom it must have heard
            self._outcomes, self._carried = await enforcement.apply(whole), plan
            if enforcement.unfinished:  # a load or another closing was in the way
                asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._judge.set)
            self._wait_for(next_end(plan, now))
            await self._health.follow(whole)
            self._linker.follow(whole)
            if self._loaders is not None:
                self._loaders.reconcile(whole, group)
            self._news.set()

    def _admits(self, uid: str, spec: ConsentPolicySpec) -> bool:
        listed = self._closing.listed
        return listed is not None and listed.admits(uid, spec)

    def _wait_for(self, end: datetime | None) -> None:
        """Carry the plan out again when its next version ends."""
        if self._next_end is not None:
            self._next_end.cancel()
            self._next_end = None
        if end is not None:
            seconds = max((end - datetime.now(UTC)).total_seconds(), 0.0)
            self._next_end = asyncio.get_running_loop().call_later(min(seconds, LONGEST_WAIT_SECONDS), self._judge.set)

    async def _sweep(self) -> None:
        connection = await self._connect()
        try:
            while True:
                try:
                    # a copy that is not the authority yet concludes nothing: what ends meanwhile is told by the site that it came from
                    await connection.fetchval("select consent.sweep() where not exists (select from move.standing where state <> 'Frozen')")
                    await connection.execute("select audit.tidy(); select matching.tidy()")
                    await self._count_cases(connection)
                except (asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError):
                    log.info("sweep crossed a load; next time")
                await asyncio.sleep(SWEEP_SECONDS)
        finally:
            connection.terminate()

    async def _count_cases(self, connection: Any) -> None:
        """Have the report say what waits for a registrar."""
        row = await connection.fetchrow("select open, frozen from matching.waiting()")
        found = LinkCases(open=row["open"], frozen=row["frozen"]) if row["open"] is not None else None
        if found != self._links:
            self._links = found
            self._news.set()

    async def _tell(self) -> None:
        """Keep the report equal to what is so."""
        while True:
            await self._news.wait()
            self._news.clear()
            await self._exchange.report(self._report().model_dump_json(by_alias=True, exclude_none=True))

    def _report(self) -> StoreReport:
        products, agreements = self._outcomes
        if self._loaders is not None:
            products = {name: self._loaders.told(outcome) for name, outcome in products.items()}
        told = self._health.told(products)
        carried = digest_of(self._carried) if self._carried else ""
        identities = self._closing.identities
        told, agreements = identities.outcomes(told), identities.outcomes(agreements)
        return StoreReport(
            plan=carried,
            products=told,
            agreements=agreements,
            seal_key=Jwk.model_validate(self._seal_key.jwk),
            complaints=self._complaints.count,
            links=self._links,
        )
