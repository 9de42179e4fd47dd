"""A consumer that links its own references, and the provider's side of it, for tests."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from commonweal_api.plan import StorePlan
from commonweal_runtime.linkage.tokens import token
from support.data_api import Exchange, Issuer
from support.loopback import client
from support.postgres import StoreServer
from support.waiting import HANG, until

# everybody has a number, written in two ways; P3 and P4 were given the same one
PEOPLE_WITH_NUMBERS = """
alter table person add column number text;
update person set number = case when right(ref, 1) in ('1', '2') then 'QQ ' || lpad(substr(ref, 2), 6, '0') || ' C' else 'qq' || lpad(substr(ref, 2), 6, '0') || 'c' end;
update person set number = 'QQ000003C' where ref = 'P4';
"""


def number_of(n: int) -> str:
    """Return a person's number as the consumers write it."""
    return f"QQ{n:06d}C"


class Consumer:
    """Asks as clients of consumers' departments, and as people."""

    def __init__(self, url: str, issuer: Issuer) -> None:
        self._issuer, self._http = issuer, client(url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._http.close()

    def ask(self, method: str, path: str, who: str = "benefits", **more: Any) -> httpx.Response:
        """Ask as the client of a department, for its purpose."""
        headers = {"Authorization": f"Bearer {self._issuer.client(who, 'app')}", "Purpose": f"{who}/serve"}
        return self._http.request(method, f"/v1/people/{path}", headers=headers, **more)

    def me(self, method: str, path: str, who: uuid.UUID, **more: Any) -> httpx.Response:
        """Ask as a person."""
        return self._http.request(method, path, headers={"Authorization": f"Bearer {self._issuer.person(who)}"}, **more)

    def link(self, identifiers: Mapping[str, str], who: str = "benefits") -> httpx.Response:
        """Link references to identifiers, as a consumer would: with the key that the provider hands out."""
        terms = self.ask("POST", "links/key", who).json()
        links = [{"reference": r, "token": token(bytes.fromhex(terms["key"]), i, terms["normalise"])} for r, i in identifiers.items()]
        return self.ask("POST", "links", who, json={"links": links})

    def linked(self, reference: str, who: str = "benefits", **query: str) -> httpx.Response:
        """Read by a reference."""
        return self.ask("GET", f"linked/{reference}", who, params=query)

    def becomes(self, reference: str, status: int, who: str = "benefits") -> httpx.Response:
        """Return the answer to a read by reference once it has the status."""

        async def answered() -> bool:
            return self.linked(reference, who).status_code == status

        asyncio.run(until(answered, patience=HANG))
        return self.linked(reference, who)


@dataclass(frozen=True)
class Provider:
    """The provider's store, what was planned for it, and the consumer in front of it."""

    store: StoreServer
    exchange: Exchange
    plan: StorePlan
    consumer: Consumer

    def sql(self, query: str, *values: Any) -> Any:
        """Return one value, as superuser."""
        return self.store.value(query, *values)

    def resolved(self) -> None:
        """Return once the keeper has looked every link up."""

        async def done() -> bool:
            root = await self.store.superuser("department")
            try:
                return not await root.fetchval("select exists (select from link.entry where not resolved)")
            finally:
                await root.close()

        asyncio.run(until(done))
