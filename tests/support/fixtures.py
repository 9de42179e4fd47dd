"""The servers that contract tests of the data plane share. A folder's conftest imports the ones it needs, and has servers of its own by that."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from support.data_api import GRANTS, PEOPLE, READER, Issuer
from support.keeper import Bench
from support.postgres import HeritageServer, StoreServer


@pytest.fixture(scope="package")
def heritage() -> Iterator[HeritageServer]:
    """A heritage PostgreSQL with the database `heritage`: 200 people, 200 visits of 50 of them."""
    with HeritageServer() as server:
        asyncio.run(server.make("heritage", PEOPLE + READER + ";" + GRANTS))
        yield server


@pytest.fixture(scope="package")
def issuer() -> Iterator[Issuer]:
    """One issuer for clients and people; the tokens differ in `iss`."""
    with Issuer() as running:
        yield running


@pytest.fixture(scope="module")
def store() -> Iterator[StoreServer]:
    """A store for each module, so that none finds another's numbers."""
    with StoreServer() as server:
        yield server


@pytest.fixture(scope="module")
def bench(store: StoreServer, heritage: HeritageServer) -> Bench:
    """Plans put one after the other on one exchange."""
    return Bench(store, heritage)
