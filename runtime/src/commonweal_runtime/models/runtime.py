"""Runtime: the models that a plan names, kept served; and what is reported of them."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from pydantic import ValidationError

from commonweal_api.plan import FeatureSource, ModelEntry, ModelPlan, ModelReport, Outcome, digest_of
from commonweal_api.reasons import Reason
from commonweal_runtime.models.bodies import ActivateBody, ForgetBody, RankBody, RewardBody
from commonweal_runtime.models.log import STORE_ERRORS, DecisionLog
from commonweal_runtime.models.rank import Ranked, Ranker
from commonweal_runtime.models.served import Served
from commonweal_runtime.models.sources import FeatureReader
from commonweal_runtime.plan_exchange import PlanExchange
from commonweal_runtime.problems import Problem
from commonweal_runtime.store.failures import Work, failure_of

RETRY_SECONDS = 2.0
_logger = logging.getLogger(__name__)


class Runtime:
    """All models of one department in one process."""

    def __init__(self, department: str, log: DecisionLog, reader: FeatureReader, key: bytes) -> None:
        self.department, self.log, self.reader = department, log, reader
        self.ranker = Ranker(log, reader, key)
        self.models: dict[str, Served] = {}
        self.sources: dict[str, FeatureSource] = {}
        self._plan: ModelPlan | None = None
        self._refused: dict[str, tuple[Reason, str]] = {}
        self._changed = asyncio.Event()
        self._saving: set[asyncio.Task[bool]] = set()

    @property
    def ready(self) -> bool:
        """Whether a plan was carried out, so that a model that is not here is truly not planned."""
        return self._plan is not None

    async def follow(self, exchange: PlanExchange) -> None:
        """Carry out each plan that arrives, and keep the report true; never returns."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._report_changes(exchange))
            async for text in exchange.plans():
                await self._carry_out(text)
                self._changed.set()

    async def carry_out(self, plan: ModelPlan) -> None:
        """Serve what the plan names and nothing else. A model whose spec changed goes on with its sums if its features are the same."""
        models: dict[str, Served] = {}
        self._refused = {}
        for entry in plan.models:
            try:
                models[entry.name] = await self._open(entry)
            except ValueError as error:
                self._refused[entry.name] = failure_of(error, Work.MODEL)
        self.models, self.sources = models, {s.department: s for s in plan.sources}
        self._plan = plan

    def report(self) -> ModelReport | None:
        """Return what is true of each planned model now, or None before the first plan."""
        if self._plan is None:
            return None
        return ModelReport(plan=digest_of(self._plan), models={e.name: self._outcome(e) for e in self._plan.models})

    def model(self, name: str) -> Served:
        """Return the model of that name, or raise the problem that says it is not served."""
        served = self.models.get(name)
        if served is None:
            detail = f"The department {self.department} serves no model {name}."
            raise Problem(
                404, "UnknownModel", "No such model", detail, "See kubectl get modelservices for what is served, and its conditions."
            )
        return served

    async def rank(self, served: Served, body: RankBody, *, explain: bool = False) -> Ranked:
        """Decide what to offer."""
        troubles = dict(self.reader.troubles)
        ranked = await self.ranker.rank(served, self.sources, body, explain=explain)
        if self.reader.troubles != troubles:
            self._changed.set()
        return ranked

    async def activate(self, served: Served, body: ActivateBody) -> dict[str, Any]:
        """Note that a decision was shown."""
        first = await self.log.activate(served.place, body.event_id)
        if first is None:
            raise unknown_event(body.event_id)
        return {"eventId": body.event_id, "activated": True, "duplicate": not first}

    async def reward(self, served: Served, body: RewardBody) -> dict[str, Any]:
        """Join a reward and learn from it, exactly once however often it is sent."""
        wait = served.entry.spec.learning.reward_wait_seconds
        joined = await self.log.reward(served.place, served.space, body.event_id, body.value, wait)
        if joined.outcome == "Unknown":
            raise unknown_event(body.event_id)
        if joined.outcome == "Conflict":
            detail = "value: this event was rewarded before with another value."
            raise Problem(409, "RewardConflict", "Event already rewarded", detail, "A reward is final: send the same value, or none.")
        if joined.lesson is not None and not served.take(joined.lesson):
            await served.catch_up(self.log)
        self._save_soon(served)
        return {"joined": True, "learned": joined.learnt, "late": joined.late, "duplicate": joined.outcome == "Duplicate"}

    async def forget(self, served: Served, body: ForgetBody) -> dict[str, Any]:
        """Forget a person in what was learnt and in the log."""
        forgotten = await served.forget(self.log, {d: str(s) for d, s in body.subjects.items()})
        return {"decisions": forgotten.decisions, "unlearned": forgotten.unlearned, "digest": served.learner.digest()}

    async def state(self, served: Served) -> dict[str, Any]:
        """Return the counters and the digest of a model."""
        await served.catch_up(self.log)
        spec = served.entry.spec
        return {
            "model": served.entry.name,
            "title": spec.title,
            "purpose": spec.purpose,
            **await self.log.counts(served.place),
            "rows": served.learner.rows,
            "digest": served.learner.digest(),
            "sources": self._troubles(served.entry),
        }

    async def close(self) -> None:
        """Save all sums, so that the next start is quick; without it nothing is lost."""
        await asyncio.gather(*self._saving, *(s.save(self.log) for s in self.models.values()), return_exceptions=True)

    async def _open(self, entry: ModelEntry) -> Served:
        served = self.models.get(entry.name)
        if served is not None and served.revise(entry):
            return served
        return await Served.open(self.log, entry)

    async def _carry_out(self, text: str) -> None:
        """Carry out a plan, again and again while the store is away; a text that is no plan changes nothing."""
        try:
            plan = ModelPlan.model_validate_json(text)
        except ValidationError as error:
            _logger.error("the plan cannot be read and is not carried out: %s", error.errors(include_input=False)[0])  # noqa: TRY400
            return
        while True:
            try:
                await self.carry_out(plan)
            except STORE_ERRORS as error:
                _logger.warning("the store is away, trying again: %s", type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def _report_changes(self, exchange: PlanExchange) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            report = self.report()
            if report is not None:
                await exchange.report(report.model_dump_json(by_alias=True, exclude_none=True))

    def _outcome(self, entry: ModelEntry) -> Outcome:
        refused = self._refused.get(entry.name)
        if refused is not None:
            reason, message = refused
            return Outcome(uid=entry.uid, generation=entry.generation, ready=False, reason=reason, message=message)
        troubles = self._troubles(entry)
        message = "; ".join(f"{t['product']} is not read ({t['state']}: {t['reason']}), its features are withheld" for t in troubles)
        return Outcome(uid=entry.uid, generation=entry.generation, ready=True, reason=Reason.RUNTIME_READY, message=message)

    def _troubles(self, entry: ModelEntry) -> list[dict[str, str]]:
        products = sorted({(f.department, f.product) for f in entry.spec.features} & set(self.reader.troubles))
        troubles = self.reader.troubles
        return [{"product": "/".join(p), "state": troubles[p].state, "reason": troubles[p].reason} for p in products]

    def _save_soon(self, served: Served) -> None:
        if served.save_due:
            task = asyncio.create_task(served.save(self.log))
            self._saving.add(task)
            task.add_done_callback(self._saved)

    def _saved(self, task: asyncio.Task[bool]) -> None:
        self._saving.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _logger.warning("the sums could not be saved, the log still has them: %s", type(task.exception()).__name__)


def unknown_event(event: str) -> Problem:
    """Return the refusal of an event that was never ranked."""
    detail = f"eventId: the model has decided nothing on the event {event}."
    return Problem(404, "UnknownEvent", "No such event", detail, "Rank first, then send the reward with the same eventId.")
