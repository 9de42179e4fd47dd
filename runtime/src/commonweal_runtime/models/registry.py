"""The models that a plan names, kept loaded; and what is reported of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from pydantic import ValidationError

from commonweal_api.plan import FeatureSource, ModelEntry, ModelPlan, ModelReport, Outcome, digest_of
from commonweal_api.reasons import Reason
from commonweal_runtime.models.features import Product
from commonweal_runtime.models.loaded_model import LoadedModel
from commonweal_runtime.models.log import STORE_ERRORS, DecisionLog
from commonweal_runtime.models.problems import unknown_model
from commonweal_runtime.models.sources import SourceError
from commonweal_runtime.plan_exchange import PlanExchange
from commonweal_runtime.store.failures import Work, failure_of

RETRY_SECONDS = 2.0
_logger = logging.getLogger(__name__)


class ModelRegistry:
    """All models of one department in one process. `source_errors` are the products that cannot be read now."""

    def __init__(self, department: str, log: DecisionLog, source_errors: Mapping[Product, SourceError]) -> None:
        self.department, self._log, self._source_errors = department, log, source_errors
        self.models: dict[str, LoadedModel] = {}
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
                self.report_soon()

    async def carry_out(self, plan: ModelPlan) -> None:
        """Serve what the plan names and nothing else. A model whose spec changed goes on with its sums if its features are the same."""
        models: dict[str, LoadedModel] = {}
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

    def model(self, name: str) -> LoadedModel:
        """Return the model of that name, or raise the problem that says it is not served."""
        model = self.models.get(name)
        if model is None:
            raise unknown_model(self.department, name)
        return model

    async def close(self) -> None:
        """Save all sums, so that the next start is quick; without it nothing is lost."""
        await asyncio.gather(*self._saving, *(s.save(self._log) for s in self.models.values()), return_exceptions=True)

    async def _open(self, entry: ModelEntry) -> LoadedModel:
        model = self.models.get(entry.name)
        if model is not None and model.revise(entry):
            return model
        return await LoadedModel.open(self._log, self.department, entry)

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
        source_errors = self.source_errors_of(entry)
        message = "; ".join(f"{e['product']} is not read ({e['state']}: {e['reason']}), its features are withheld" for e in source_errors)
        return Outcome(uid=entry.uid, generation=entry.generation, ready=True, reason=Reason.RUNTIME_READY, message=message)

    def source_errors_of(self, entry: ModelEntry) -> list[dict[str, str]]:
        """Return the products of a model that cannot be read, with why."""
        products = sorted({(f.department, f.product) for f in entry.spec.features} & set(self._source_errors))
        found = [(p, self._source_errors[p]) for p in products]
        return [{"product": "/".join(p), "state": error.state, "reason": error.reason} for p, error in found]

    def report_soon(self) -> None:
        """Have the report made again."""
        self._changed.set()

    def save_soon(self, model: LoadedModel) -> None:
        """Save the sums if enough was learnt since they were last saved."""
        if model.save_due:
            task = asyncio.create_task(model.save(self._log))
            self._saving.add(task)
            task.add_done_callback(self._saved)

    def _saved(self, task: asyncio.Task[bool]) -> None:
        self._saving.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _logger.warning("the sums could not be saved, the log still has them: %s", type(task.exception()).__name__)
