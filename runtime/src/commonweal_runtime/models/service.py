"""What one process of the model runtime holds and does: who may call which model, decisions, rewards, and what is learnt from both."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import asyncpg

from commonweal_api.plan import MODEL_PLAN, MODEL_REPORT
from commonweal_api.store_access import MODELS_ROLE
from commonweal_runtime.exceptions import ProblemError
from commonweal_runtime.models import answers, oip
from commonweal_runtime.models.bodies import ActivateBody, ForgetBody, InferBody, RankBody, RewardBody
from commonweal_runtime.models.calls import Call, call_of
from commonweal_runtime.models.loaded_model import LoadedModel
from commonweal_runtime.models.log import STORE_ERRORS, DecisionLog
from commonweal_runtime.models.problems import reward_conflict, unknown_event
from commonweal_runtime.models.rank import Ranker
from commonweal_runtime.models.registry import RETRY_SECONDS, ModelRegistry
from commonweal_runtime.models.settings import Settings
from commonweal_runtime.models.sources import FeatureReader, TokenFiles
from commonweal_runtime.plan_exchange import open_exchange
from commonweal_runtime.serving import next_tick
from commonweal_runtime.store.certificate import trust
from commonweal_runtime.store.passwords import pool
from commonweal_runtime.tokens import Client, KeySet, Verifier, fetch_from_cluster
from commonweal_runtime.turns import Turns

CONNECTIONS = 8
CONNECTIONS_PER_SOURCE = 64
TICK = 0.02
"""Above what nearly every decision takes, so that one with something read and one without end on the same tick (s)."""

log = logging.getLogger(__name__)


class Service:
    """The parts behind the routes, which are there while it is `running`. What refuses raises a ProblemError."""

    registry: ModelRegistry
    log: DecisionLog
    _reader: FeatureReader
    _ranker: Ranker

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.turns = Turns(at_once=16, waiting=112)
        self.clients = Verifier(
            issuer=settings.client_issuer, audience=settings.audience, keys=KeySet(fetch_from_cluster(settings.client_jwks))
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the plan while the application runs; the sums are saved when it stops."""
        connector = aiohttp.TCPConnector(limit=0, limit_per_host=CONNECTIONS_PER_SOURCE)
        async with _pool_of(self._settings) as pool, aiohttp.ClientSession(connector=connector) as session:
            self.log, self._reader = DecisionLog(pool), FeatureReader(session, TokenFiles(self._settings.tokens))
            self._ranker = Ranker(self.log, self._reader, self._settings.requests)
            self.registry = ModelRegistry(self._settings.department, self.log, self._reader.source_errors)
            following = asyncio.create_task(self._follow())
            try:
                yield
            finally:
                following.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await following
                await self.registry.close()

    async def ready(self) -> bool:
        """Return whether a plan was carried out and the store is there."""
        return self.registry.ready and await self.log.reachable()

    def model(self, name: str) -> LoadedModel:
        """Return the model of that name, or raise the problem that says it is not served."""
        return self.registry.model(name)

    async def callable_models(self, authorization: str | None) -> list[str]:
        """Return the names of the models that the caller may call."""
        client = await self.clients.client(authorization)
        return [name for name, model in sorted(self.registry.models.items()) if _answers(model, client)]

    async def called(self, authorization: str | None, name: str) -> Call:
        """Return the call if the caller's token is good and the model answers the caller."""
        client = await self.clients.client(authorization)
        return call_of(self.model(name), client)

    async def rank(self, call: Call, body: RankBody, *, explain: bool = False) -> dict[str, Any]:
        """Decide what to offer."""
        before = dict(self._reader.source_errors)
        async with self.turns.of(call.caller), _on_tick(call):
            ranked = await self._ranker.rank(call, self.registry.sources, body, explain=explain and call.values)
        if self._reader.source_errors != before:
            self.registry.report_soon()
        return answers.ranked(call, ranked, explain=explain)

    async def infer(self, call: Call, body: InferBody) -> dict[str, Any]:
        """Score, and leave no trace but the reads."""
        return await oip.infer(call, self._reader, self.registry.sources, body)

    async def activate(self, call: Call, body: ActivateBody) -> dict[str, Any]:
        """Note that a decision was shown."""
        first = await self.log.activate(call.model.ref, body.event_id, str(call.caller))
        if first is None:
            raise unknown_event(body.event_id)
        return {"eventId": body.event_id, "activated": True, "duplicate": not first}

    async def reward(self, call: Call, body: RewardBody) -> dict[str, Any]:
        """Join a reward and learn from it, exactly once however often it is sent."""
        model, wait = call.model, call.model.entry.spec.learning.reward_wait_seconds
        async with self.turns.of(call.caller), _on_tick(call):
            joined = await self.log.reward(model.ref, model.space, body.event_id, body.value, wait, caller=str(call.caller))
            if joined.outcome == "Unknown":
                raise unknown_event(body.event_id)
            if joined.outcome == "Conflict":
                raise reward_conflict()
            if joined.example is not None and not model.take(joined.example):
                await model.catch_up(self.log)
        self.registry.save_soon(model)
        return answers.rewarded(call, joined)

    async def forget(self, call: Call, body: ForgetBody) -> dict[str, Any]:
        """Forget a person in what was learnt and in the log."""
        async with self.turns.of(call.caller), _on_tick(call):
            forgotten = await call.model.forget(self.log, {d: str(s) for d, s in body.subjects.items()})
        return answers.forgotten(call, forgotten)

    async def state(self, call: Call) -> dict[str, Any]:
        """Return the counters and the digest of a model, as far as the caller is told them."""
        async with self.turns.of(call.caller):
            await call.model.catch_up(self.log)
            counts = await self.log.counts(call.model.ref)
        return answers.state(call, counts, self.registry.source_errors_of(call.model.entry))

    async def _follow(self) -> None:
        """Make the schema as soon as the store is there, then carry out plans."""
        while True:
            try:
                await self.log.set_up()
                break
            except STORE_ERRORS as error:
                log.warning("the store is away, trying again: %s", type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)
        async with open_exchange(MODEL_PLAN, MODEL_REPORT) as exchange:
            await self.registry.follow(exchange)


def _answers(model: LoadedModel, client: Client) -> bool:
    try:
        call_of(model, client)
    except ProblemError:
        return False
    return True


@contextlib.asynccontextmanager
async def _on_tick(call: Call) -> AsyncIterator[None]:
    """Let a caller that is told a decision alone wait for the next tick: the time says neither whether anything was read nor what was learnt.

    A refusal does not wait.
    """
    arrived = asyncio.get_running_loop().time()
    yield
    if not call.values:
        await next_tick(arrived, TICK)


def _pool_of(settings: Settings) -> asyncpg.Pool:
    """Return the pool, not opened. It connects when first used, so a store that comes later is no reason to fail now."""
    return pool(
        host=settings.store_host,
        port=settings.store_port,
        user=MODELS_ROLE,
        password=settings.password,
        database=settings.database,
        min_size=0,
        max_size=CONNECTIONS,
        timeout=5,
        command_timeout=10,
        ssl=trust(settings.store_certificate),
        reset=_as_it_is,
    )


async def _as_it_is(_: object) -> None:
    """Hand a connection back as it is: nothing here changes a session, and resetting it would cost a round trip per request."""
