"""One running department for all tests of the API; each test speaks of people of its own, so that none is in another's way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from support.data_api import GRANTS, PEOPLE, READER, Issuer
from support.department import Department, everything, running
from support.postgres import HeritageServer, StoreServer


@pytest.fixture(scope="session")
def heritage() -> Iterator[HeritageServer]:
    """A heritage PostgreSQL with the database `heritage`: 200 people, 200 visits of 50 of them."""
    with HeritageServer() as server:
        asyncio.run(server.make("heritage", PEOPLE + READER + ";" + GRANTS))
        yield server


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    """One issuer for clients and people; the tokens differ in `iss`."""
    with Issuer() as running_issuer:
        yield running_issuer


@pytest.fixture(scope="session")
def store() -> Iterator[StoreServer]:
    """The department's store."""
    with StoreServer() as server:
        yield server


@pytest.fixture(scope="session")
def department(store: StoreServer, heritage: HeritageServer, issuer: Issuer) -> Iterator[Department]:
    """A department with everything that the API has routes for."""
    with running(store, heritage, issuer, everything(heritage)) as department:
        yield department
