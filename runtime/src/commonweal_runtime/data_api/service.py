"""What one process of the data API holds: verifiers, catalogue, connections; and the reads of the department's consumers."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import orjson

from commonweal_runtime.audit.service import AuditService
from commonweal_runtime.data_api import callers, problems
from commonweal_runtime.data_api.callers import Asked, Calling
from commonweal_runtime.data_api.catalogue import Catalogue
from commonweal_runtime.data_api.catalogue_watch import CatalogueWatch
from commonweal_runtime.data_api.complaints import Complaints
from commonweal_runtime.data_api.connections import Address, ConnectionPools
from commonweal_runtime.data_api.linking import Cases, Linking
from commonweal_runtime.data_api.openapi import document
from commonweal_runtime.data_api.people import People, Registrars
from commonweal_runtime.data_api.reads import Reader, ReadRequest
from commonweal_runtime.data_api.requests import Query, after_of, fields_of, limit_of, subject_of
from commonweal_runtime.data_api.settings import Settings, SignIn
from commonweal_runtime.exceptions import ProblemError
from commonweal_runtime.federation.serving import FeedService
from commonweal_runtime.serving import next_tick
from commonweal_runtime.tokens import Client, Fetch, KeySet, Verifier, fetch_by_discovery, fetch_from, fetch_from_cluster, fetch_given
from commonweal_runtime.turns import Turns

# What is not given is answered on this tick. It lies above what nearly every read takes, so that absent and denied end on the same one; a shorter tick
# would fall among the reads' own times, and tell the two apart by which of them crosses it more often.
MISS_TICK = 0.005

log = logging.getLogger(__name__)


class Service:
    """The parts behind the routes. What refuses raises a ProblemError."""

    def __init__(self, settings: Settings, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        address = Address(settings.store_host, settings.store_port, settings.database_key)
        self.settings = settings
        self.pools = ConnectionPools(address)
        self.watch = CatalogueWatch(address, self.pools.close)
        turns = Turns()
        self.people, self.registrars = People(self.pools, turns), Registrars(self.pools, turns)
        self.complaints = Complaints(self.pools, turns)
        self.linking, self.cases = (
            Linking(self.pools, settings.department, settings.database_key, settings.mail, turns),
            Cases(self.pools, turns),
        )
        self.clients = Verifier(
            issuer=settings.client_issuer, audience=settings.audience, keys=KeySet(fetch_from_cluster(settings.client_jwks))
        )
        self.persons = _verifier_of_people(settings.sign_in)
        self.audit = AuditService(self.pools, settings.database_key, turns)
        self.feed = FeedService(self.pools, settings.sector_key, settings.department)
        self._reader = Reader(self.pools, self.watch.closed)
        self._described: tuple[Catalogue, bytes] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the catalogue while the application runs."""
        task = asyncio.create_task(self.watch.follow())
        try:
            yield
        finally:
            task.cancel()
            self.pools.close()

    @property
    def ready(self) -> bool:
        """Whether requests can be judged."""
        return self.watch.known

    def openapi(self) -> bytes:
        """Return the OpenAPI document of the products in force; made once for each state of the catalogue."""
        catalogue = self.watch.catalogue()
        if self._described is None or self._described[0] is not catalogue:
            self._described = catalogue, json.dumps(document(catalogue), ensure_ascii=False).encode()
        return self._described[1]

    def jwks(self) -> bytes:
        """Return the department's public keys: the seal key, of receipts and seals, and the key of its agreements."""
        signing = self.watch.catalogue().department.get("signing")
        return orjson.dumps({"keys": [self.audit.jwk, *([signing] if signing else [])]})

    async def point(self, read: ReadRequest, subject: str) -> bytes:
        """Return one subject's record or records; absent and denied raise the same ProblemError after the same time."""
        arrived = asyncio.get_running_loop().time()
        answer = await self._reader.point(read, subject_of(subject))
        if answer is not None:
            return answer.encode()
        await next_tick(arrived, MISS_TICK)
        raise problems.not_found()

    async def page(self, read: ReadRequest, query: Query) -> bytes:
        """Return a page of what the agreement lets through."""
        answer = await self._reader.page(read, after_of(query), limit_of(query))
        return answer.encode() if answer is not None else b'{"items": [], "next": null}'

    async def read_request(
        self, bearer: str | None, purpose: str | None, product: str, query: Query, calling: Calling | None = None
    ) -> ReadRequest:
        """Return who asks for what under which agreement, or raise why not. `calling` is whom a model runtime says that it answers."""
        client = await self.clients.client(bearer)
        asked = Asked(product, purpose, fields_of(query))
        try:
            return callers.read_request(self.watch.catalogue(), client, asked, calling, self._now())
        except ProblemError as problem:
            self._note(client, problem)
            raise

    @staticmethod
    def _note(client: Client, problem: ProblemError) -> None:
        """Log who was refused and why: neither the product asked for, which is the caller's text, nor any subject."""
        log.info("%s", json.dumps({"refused": problem.reason, "client": str(client)}))


def _verifier_of_people(sign_in: SignIn) -> Verifier:
    keys = KeySet(_keys_of(sign_in))
    return Verifier(issuer=sign_in.issuer, audience=sign_in.audiences, keys=keys, naming=sign_in.naming, skew=sign_in.skew)


def _keys_of(sign_in: SignIn) -> Fetch:
    if sign_in.keys is not None or not sign_in.issuer:
        return fetch_given(sign_in.keys or {})
    return fetch_from(sign_in.jwks) if sign_in.jwks else fetch_by_discovery(sign_in.issuer)
