"""A store, a heritage database and token issuers for the tests of the audit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from support.audit import Ledger
from support.data_api import GRANTS, PEOPLE, READER, Issuer
from support.postgres import HeritageServer, StoreServer

Run = Callable[[Callable[[Ledger], Awaitable[Any]]], Any]


@pytest.fixture(scope="session")
def heritage() -> Iterator[HeritageServer]:
    """A heritage PostgreSQL with the database `heritage`: 200 people."""
    with HeritageServer() as server:
        asyncio.run(server.make("heritage", PEOPLE + READER + ";" + GRANTS))
        yield server


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    """One issuer for clients and people."""
    with Issuer() as running:
        yield running


@pytest.fixture(scope="module")
def store() -> Iterator[StoreServer]:
    """A store for each module, so that what one tampers with is not in another's way."""
    with StoreServer() as server:
        yield server


@pytest.fixture
def run(store: StoreServer) -> Run:
    """Run a script with a ledger of the module's store, in a transaction-free session of its own."""

    def go(script: Callable[[Ledger], Awaitable[Any]]) -> Any:
        async def inner() -> Any:
            ledger = await Ledger.of(store)
            try:
                return await script(ledger)
            finally:
                await ledger.root.close()

        return asyncio.run(inner())

    return go
