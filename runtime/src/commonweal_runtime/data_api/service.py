"""What one process of the data API holds: verifiers, catalogue, connections."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

from commonweal_runtime.data_api import openapi, refusals
from commonweal_runtime.data_api.lanes import Address, Lanes
from commonweal_runtime.data_api.people import NEWEST, People
from commonweal_runtime.data_api.reads import Question, Reader
from commonweal_runtime.data_api.register import Register
from commonweal_runtime.data_api.requests import after_of, before_of, fields_of, limit_of, state_of, subject_of
from commonweal_runtime.data_api.settings import Settings
from commonweal_runtime.problems import Problem
from commonweal_runtime.tokens import Client, KeySet, Verifier, fetch_from, fetch_from_cluster

MISS_TICK = 0.005

log = logging.getLogger(__name__)
Query = dict[str, str]


class Service:
    """The operations behind the routes. Each takes the bearer header and raises a Problem when it refuses."""

    def __init__(self, settings: Settings, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        address = Address(settings.store_host, settings.store_port, settings.database_key)
        self._now = now
        self.lanes = Lanes(address)
        self._register = Register(address, self.lanes.close)
        self._reader = Reader(self.lanes, self._register.closed)
        self._people = People(self.lanes)
        self._clients = Verifier(
            issuer=settings.client_issuer, audience=settings.audience, keys=KeySet(fetch_from_cluster(settings.client_jwks))
        )
        self._persons = Verifier(issuer=settings.person_issuer, audience=settings.audience, keys=KeySet(fetch_from(settings.person_jwks)))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the catalogue while the application runs."""
        task = asyncio.create_task(self._register.follow())
        try:
            yield
        finally:
            task.cancel()
            self.lanes.close()

    @property
    def ready(self) -> bool:
        """Whether requests can be judged."""
        return self._register.known

    def openapi(self) -> bytes:
        """Return the OpenAPI document of the products in force."""
        return json.dumps(openapi.document(self._register.catalogue()), ensure_ascii=False).encode()

    async def point(self, bearer: str | None, purpose: str | None, product: str, subject: str, query: Query) -> bytes:
        """Return one subject's record or records; absent and denied raise the same Problem after the same time."""
        loop = asyncio.get_running_loop()
        arrived = loop.time()
        question = await self.question(bearer, purpose, product, query)
        answer = await self._reader.point(question, subject_of(subject))
        if answer is not None:
            return answer.encode()
        await asyncio.sleep(MISS_TICK - (loop.time() - arrived) % MISS_TICK)
        raise refusals.NOT_FOUND

    async def page(self, bearer: str | None, purpose: str | None, product: str, query: Query) -> bytes:
        """Return a page of what the agreement lets through."""
        question = await self.question(bearer, purpose, product, query)
        answer = await self._reader.page(question, after_of(query), limit_of(query))
        return answer.encode() if answer is not None else b'{"items": [], "next": null}'

    async def uses(self, bearer: str | None, query: Query) -> bytes:
        """Return who read what about the person."""
        subject = await self._person(bearer)
        return (await self._people.uses(subject, before_of(query, NEWEST), limit_of(query))).encode()

    async def consents(self, bearer: str | None) -> bytes:
        """Return the agreements that concern the person."""
        return (await self._people.consents(await self._person(bearer))).encode()

    async def consent(self, bearer: str | None, agreement: str, body: bytes) -> bytes:
        """Give or withdraw consent."""
        subject = await self._person(bearer)
        return (await self._people.consent(subject, _named(agreement), given=state_of(body, "Given", "Withdrawn"))).encode()

    async def objection(self, bearer: str | None, agreement: str, body: bytes) -> bytes:
        """Object or lift the objection."""
        subject = await self._person(bearer)
        return (await self._people.objection(subject, _named(agreement), objected=state_of(body, "Objected", "Lifted"))).encode()

    async def _person(self, bearer: str | None) -> UUID:
        return (await self._persons.person(bearer)).subject

    async def question(self, bearer: str | None, purpose: str | None, product: str, query: Query) -> Question:
        """Return who asks for what under which agreement, or raise why not."""
        client = await self._clients.client(bearer)
        fields = fields_of(query)
        try:
            agreement = self._register.catalogue().choose(product, client, purpose, fields, self._now())
        except Problem as problem:
            self._note(client, problem)
            raise
        return Question(agreement, str(client), purpose or "", ",".join(fields) if fields is not None else None)

    @staticmethod
    def _note(client: Client, problem: Problem) -> None:
        """Log who was refused and why: neither the product asked for, which is the caller's text, nor any subject."""
        log.info('{"refused": "%s", "client": "%s"}', problem.reason, client)


def _named(agreement: str) -> str:
    if len(agreement) > 63 or "\x00" in agreement:
        raise refusals.no_such_agreement()
    return agreement
