"""The health of products: keeps answers of today, runs checks on schedule and after loads, and knows freshness and versions for the report."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from commonweal_api.data_product import DataProductSpec
from commonweal_api.plan import Outcome, ProductPlan, StorePlan
from commonweal_api.quality import OnFail, QualityCount
from commonweal_api.reasons import Reason, entry_of
from commonweal_runtime.store import answers, quality, versions
from commonweal_runtime.store.product_tables import served_product

TICK_SECONDS = 2.0

log = logging.getLogger(__name__)
Connect = Callable[[], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Health:
    """One product's health: its checks by name with state and detail, and whether its records are fresh (None: nothing promised, or not loaded)."""

    count: QualityCount
    checks: tuple[tuple[str, str, str], ...] = ()
    sla_met: bool | None = None


@dataclass(slots=True)
class ProductHealth:
    """The products of a plan, watched. `news` is called when a report would differ."""

    connect: Connect
    news: Callable[[], None]
    _plan: StorePlan | None = None
    _known: dict[str, Health] = field(default_factory=dict)
    _due: dict[str, float] = field(default_factory=dict)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    async def follow(self, plan: StorePlan) -> None:
        """Watch the products of an expanded plan from now on. Checks of products that have changed are due at once, and count as not run until then."""
        before = {p.uid: p.spec for p in self._products()}
        self._plan = plan
        self._due = {p.uid: self._due[p.uid] for p in plan.products if p.uid in self._due and before.get(p.uid) == p.spec}
        await self._with(self._look)
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled."""
        connection = await self.connect()
        try:
            while True:
                self._wake.clear()
                await self._turn(connection)
                with suppress(TimeoutError):
                    async with asyncio.timeout(TICK_SECONDS):
                        await self._wake.wait()
        finally:
            connection.terminate()

    async def loaded(self, uid: str) -> None:
        """Run the checks of a product that has just been loaded, so that it opens or stops before anybody is told of the load."""

        async def check(connection: Any) -> None:
            await self._answer(connection)
            await self._check(connection, uid)
            await self._look(connection)

        await self._with(check)

    async def _with(self, work: Callable[[Any], Awaitable[None]]) -> None:
        """Work on a connection of its own; what PostgreSQL refuses stays closed and is tried again in the next turn."""
        connection = await self.connect()
        try:
            await work(connection)
        except asyncpg.PostgresError as error:
            log.info("products: %s; next time", error.sqlstate)
        finally:
            connection.terminate()

    async def _turn(self, connection: Any) -> None:
        """Do once what is due; what fails stays closed and is tried again in the next turn."""
        try:
            await self._answer(connection)
            now = asyncio.get_running_loop().time()
            for product in self._products():
                if self._due.get(product.uid, 0.0) <= now:
                    await self._check(connection, product.uid)
            await self._look(connection)
        except asyncpg.PostgresConnectionError:
            raise
        except asyncpg.PostgresError as error:
            log.info("products: %s; next time", error.sqlstate)

    def _products(self) -> Iterable[ProductPlan]:
        return self._plan.products if self._plan is not None else ()

    async def _answer(self, connection: Any) -> None:
        for name in await answers.due(connection):
            product = await served_product(connection, name)
            if product is not None:
                changed = await answers.sweep(connection, product)
                log.info("answers of %s are of today: %d changed", name, changed)

    async def _check(self, connection: Any, uid: str) -> None:
        """Run a product's checks; one that was never loaded has nothing to check."""
        name = await connection.fetchval("select name from agreement.product where uid = $1 and loaded_at is not null", uid)
        product = await served_product(connection, name) if name is not None else None
        if product is None:
            return
        self._due[uid] = asyncio.get_running_loop().time() + product.spec.serve.refresh_seconds
        if product.spec.quality:
            await quality.run(connection, product)

    async def _look(self, connection: Any) -> None:
        rows = await connection.fetch("select uid, agreement.standing_of(uid)::text as standing from agreement.product")
        known = {r["uid"]: _health_of(json.loads(r["standing"])) for r in rows}
        if known != self._known:
            self._known = known
            self.news()

    def told(self, outcomes: dict[str, Outcome]) -> dict[str, Outcome]:
        """Return the outcomes of the plan's own products: each with its checks, its freshness, and the versions that are served."""
        plan = self._plan
        if plan is None:
            return outcomes
        specs = {p.name: p.spec for p in plan.products}
        own = {name: outcome for name, outcome in outcomes.items() if versions.MARK not in name}
        return {
            name: self._with_versions(name, outcomes, self._with_health(specs[name], outcome))
            for name, outcome in own.items()
            if name in specs
        }

    def _with_health(self, spec: DataProductSpec, outcome: Outcome) -> Outcome:
        health = self._known.get(outcome.uid)
        if health is None:
            return outcome
        bad = [
            (name, f"Check «{name}»: {detail or 'it has not run in time.'}") for name, state, detail in health.checks if state != "Passed"
        ]
        stopping = {q.name for q in spec.quality if q.on_fail is OnFail.STOP_SERVING}
        update: dict[str, Any] = {"sla_met": health.sla_met, "quality": health.count if spec.quality else None}
        if outcome.ready and bad:
            stopped = any(name in stopping for name, _ in bad)
            text = " ".join(sentence for _, sentence in bad)
            reason = Reason.QUALITY_STOPPED if stopped else Reason(outcome.reason)
            message = text if stopped else f"{outcome.message} {text}".strip()
            update |= {"ready": not stopped, "reason": reason, "message": message}
        return outcome.model_copy(update=update)

    def _with_versions(self, name: str, outcomes: dict[str, Outcome], outcome: Outcome) -> Outcome:
        served, lacking = [], []
        for product in self._products():
            if product.name == name or product.name.startswith(name + versions.MARK):
                of = outcomes.get(product.name)
                if of is not None and of.ready:
                    served.append(product.spec.version)
                elif of is not None and product.name != name:
                    lacking.append(_lacking(product.spec.version, of, outcome.reason))
        return outcome.model_copy(update={"versions": served, "message": " ".join([outcome.message, *lacking]).strip()})


def _lacking(version: str, outcome: Outcome, said: str) -> str:
    """Return why an earlier version is not served; the sentence of the reason `said` stands before it already."""
    sentence = "" if outcome.reason == said else entry_of(outcome.reason).sentence
    return f"Version {version}: {' '.join(part for part in (sentence, outcome.message) if part) or 'the same.'}"


def _health_of(standing: dict[str, Any]) -> Health:
    checks, sla = standing["quality"], standing["sla"]
    return Health(
        QualityCount(passed=checks["passed"], failed=checks["failed"], not_run=checks["notRun"]),
        tuple((c["name"], c["state"], c["detail"] or "") for c in checks["checks"]),
        sla["met"] if sla else None,
    )
