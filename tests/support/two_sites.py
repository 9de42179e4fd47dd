"""One department running on two sites: two stores, two keepers, two data APIs as processes, and the two links between them."""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import httpx

from commonweal_api.plan import FeedPeer, StorePlan
from support.data_api import DataApi, Exchange, Issuer, KeeperProcess, agreement, person_product, plan
from support.federation import Link
from support.loopback import client
from support.postgres import HeritageServer, StoreServer, free_port
from support.waiting import HANG, until

STALE_SECONDS = 5


class Site:
    """One of the sites: its own store, keeper and data API, and the link by which the other site reaches it."""

    def __init__(self, name: str, issuer: Issuer) -> None:
        self.name, self._issuer = name, issuer
        self.store = StoreServer()
        self.exchange = Exchange(self.store.directory / "exchange")
        self.keeper = KeeperProcess(self.store, self.exchange.directory)
        self.api = DataApi(self.store, issuer)
        self.link = Link(free_port(), self.api.port)
        self.http = client(self.api.url)

    def read(self, who: uuid.UUID, consumer: str = "tax") -> httpx.Response:
        """Read a person as a consumer's client: `tax` by consent, `benefits` by public task."""
        headers = {"Authorization": f"Bearer {self._issuer.client(consumer, 'app')}", "Purpose": f"{consumer}/serve"}
        return self.http.get(f"/v1/people/subjects/{who}", headers=headers)

    def say(self, who: uuid.UUID, what: str, agreement_name: str = "yes") -> None:
        """Give, withdraw, object or lift as the person."""
        kind = "consents" if what in {"Given", "Withdrawn"} else "objections"
        headers = {"Authorization": f"Bearer {self._issuer.person(who)}"}
        answer = self.http.put(f"/me/{kind}/{agreement_name}", headers=headers, json={"state": what})
        if answer.status_code != 200:
            raise RuntimeError(answer.text)

    def becomes(self, who: uuid.UUID, status: int, consumer: str = "tax", patience: float = HANG) -> float:
        """Return after how many seconds a read is answered with `status`; TimeoutError if it never is."""

        async def answered() -> bool:
            return self.read(who, consumer).status_code == status

        return asyncio.run(until(answered, patience=patience))

    def closes(self, who: uuid.UUID, consumer: str = "tax") -> float:
        """Return after how many seconds a read gives nothing any more, whatever it is refused with."""

        async def refused() -> bool:
            return self.read(who, consumer).status_code != 200

        return asyncio.run(until(refused))

    def ask(self, query: str, *values: Any) -> Any:
        """Return one value from the store, as superuser."""
        return self.store.value(query, *values)

    def holds(self, query: str, *values: Any) -> None:
        """Return once a query says true; TimeoutError if it never does."""

        async def go() -> None:
            root = await self.store.superuser("department")

            async def asked() -> bool:
                return bool(await root.fetchval(query, *values))

            try:
                await until(asked)
            finally:
                await root.close()

        asyncio.run(go())

    def kill_keeper(self) -> None:
        """End the keeper as a power cut would; `self.keeper.__enter__()` starts it again."""
        process = self.keeper.process
        if process is None:
            raise RuntimeError("the keeper does not run")
        process.kill()
        process.wait(10)

    def crash_database(self) -> None:
        """End every process of PostgreSQL at once and start it again: it recovers from its log."""
        postmaster = int((self.store.data / "postmaster.pid").read_text().splitlines()[0])
        os.kill(postmaster, signal.SIGQUIT)  # immediate shutdown: children are ended, nothing is written
        self.store.stop()
        self.store.start()


class Department:
    """Both sites. `with` starts everything and returns when both have loaded their product."""

    def __init__(self, heritage: HeritageServer, issuer: Issuer, stale_seconds: int = STALE_SECONDS) -> None:
        self._stale_seconds = stale_seconds
        self.east, self.west = Site("east", issuer), Site("west", issuer)
        self._heritage = heritage
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:  # what fails half way ends what runs already
            for site in self.sites:
                stack.enter_context(site.store)
                site.exchange.put(self.plan_of(site))
                stack.enter_context(site.keeper)
            for site in self.sites:
                asyncio.run(site.exchange.settled(self.plan_of(site)))
                stack.enter_context(site.api)
                stack.enter_context(site.http)
                stack.enter_context(site.link)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    @property
    def sites(self) -> tuple[Site, Site]:
        """East and west."""
        return self.east, self.west

    def other(self, site: Site) -> Site:
        """Return the other site."""
        return self.west if site is self.east else self.east

    def plan_of(self, site: Site) -> StorePlan:
        """Return the plan of one site: the same manifests, and the other site's address."""
        agreements = {"yes": agreement("Consent"), "task": agreement("PublicTask", consumer="benefits")}
        products = {"people": person_product(self._heritage, serve={"refreshSeconds": 86400})}
        other = self.other(site)
        peer = FeedPeer(name=other.name, url=f"http://127.0.0.1:{other.link.port}")
        same = plan(products, agreements, uid=f"-{site.name}")
        return same.model_copy(update={"site": site.name, "peers": [peer], "max_staleness_seconds": self._stale_seconds})

    def cut(self) -> None:
        """Cut the link, both ways."""
        for site in self.sites:
            site.link.cut()

    def heal(self) -> None:
        """Heal the link, both ways."""
        for site in self.sites:
            site.link.heal()
