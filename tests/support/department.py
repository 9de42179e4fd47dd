"""A running department with everything that the data API has routes for, and a client to ask it with."""

from __future__ import annotations

import asyncio
import functools
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from commonweal_api.plan import StorePlan
from support.data_api import DEPARTMENT, DataApi, Exchange, Issuer, KeeperProcess, agreement, person_product, plan, subject, visit_product
from support.loopback import client
from support.postgres import HeritageServer, StoreServer

PERSON, OTHER = subject("P1"), subject("P2")
REGISTRAR = "register"


class Department:
    """The running department. People and clients sign in with tokens of the issuer; `client` and `person` make each token once, for signing takes time."""

    def __init__(self, api: DataApi, issuer: Issuer, http: httpx.Client) -> None:
        self.api, self.issuer, self.http = api, issuer, http
        self.client = functools.cache(issuer.client)
        self.person = functools.cache(issuer.person)

    def ask(self, path: str, consumer: str = "tax", purpose: str | None = None, token: str | None = None, **headers: str) -> httpx.Response:
        """Ask as a consumer's client `app`, for its purpose unless another is given; an empty one is left out. `if_match` is If-Match."""
        purpose = f"{consumer}/serve" if purpose is None else purpose
        own = {"Authorization": f"Bearer {token or self.client(consumer, 'app')}"} | ({"Purpose": purpose} if purpose else {})
        return self.http.get(path, headers=own | {k.replace("_", "-"): v for k, v in headers.items()})

    def me(self, method: str, path: str, who: uuid.UUID = PERSON, about: uuid.UUID | None = None, **more: Any) -> httpx.Response:
        """Ask as a person, about somebody else if one is named."""
        headers = {"Authorization": f"Bearer {self.person(who)}"} | ({"On-Behalf-Of": str(about)} if about else {})
        return self.http.request(method, path, headers=headers, **more)

    def own(self, method: str, path: str, client: str = REGISTRAR, **more: Any) -> httpx.Response:
        """Ask as one of the department's own clients."""
        return self.http.request(method, path, headers={"Authorization": f"Bearer {self.client(DEPARTMENT, client)}"}, **more)


@contextmanager
def running(store: StoreServer, heritage: HeritageServer, issuer: Issuer, wanted: StorePlan, **env: str) -> Iterator[Department]:
    """Keep `wanted` and serve it while the block runs."""
    exchange = Exchange(store.directory / "exchange")
    exchange.put(wanted)
    with KeeperProcess(store, exchange.directory):
        asyncio.run(exchange.settled(wanted))
        with DataApi(store, issuer, **env) as api, client(api.url) as http:
            yield Department(api, issuer, http)


def everything(heritage: HeritageServer) -> StorePlan:
    """Return a plan in which every route has something to answer.

    Consumers: tax (public task), health (consent, with delegates), once, seldom and often (limits), archive (a strict product), legacy (an earlier version).
    """
    people = person_product(heritage, version="2.0.0", rights={"erasure": "Supported"})
    legacy = {"version": "1.4.0", "fields": people["fields"][:4], "until": "2029-01-01T00:00:00Z"}
    consent = {"objection": "Honoured", "consentValidityDays": 365, "delegation": ["Parent", "Attorney", "Adviser"]}
    document = plan(
        {
            "people": {**people, "earlier": [legacy]},
            "visits": visit_product(heritage),
            "secret": person_product(heritage, title="Secrets", serve={"refreshSeconds": 5, "auditDurability": "Strict"}),
            "cards": person_product(heritage, title="Cards", rights={"erasure": "Supported"}),
        },
        {
            "task": agreement("PublicTask", product="people", limits={"maxRows": 100, "dataLifeDays": 30}),
            "yes": agreement("Consent", consumer="health", subjects=consent),
            "visits": agreement("PublicTask", product="visits", fields=["kind", "hasDay"], limits={"maxRows": 3}),
            "once": agreement("PublicTask", consumer="once", limits={"maxRows": 100, "once": True}),
            "seldom": agreement("PublicTask", consumer="seldom", limits={"maxRows": 100, "perSubject": {"max": 2, "seconds": 3600}}),
            "often": agreement("PublicTask", consumer="often", limits={"maxRows": 100, "requests": {"max": 5, "seconds": 3600}}),
            "strict": agreement("PublicTask", product="secret", consumer="archive"),
            "strict-consent": agreement("Consent", product="secret", consumer="clinic"),
            "legacy": agreement("PublicTask", consumer="legacy", product="people", fields=["fullName", "birthYear"]),
            "cards": agreement("Consent", product="cards", consumer="health"),
        },
    ).model_dump(by_alias=True, mode="json", exclude_none=True)
    for entry in document["agreements"]:
        if entry["name"] == "legacy":
            entry["spec"]["product"]["version"] = 1
    return StorePlan.model_validate({**document, "registrars": [REGISTRAR]})
