"""Sites of one department, each with a PostgreSQL of its own, and what both load."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from support.data_api import GRANTS, PEOPLE, READER, Issuer
from support.postgres import HeritageServer, StoreServer


@pytest.fixture(scope="module")
def servers() -> Iterator[list[StoreServer]]:
    """Three PostgreSQL servers."""
    with ExitStack() as stack:
        yield [stack.enter_context(StoreServer()) for _ in range(3)]


@pytest.fixture(scope="session")
def heritage() -> Iterator[HeritageServer]:
    """A heritage PostgreSQL with 200 people, which both sites load."""
    with HeritageServer() as server:
        asyncio.run(server.make("heritage", PEOPLE + READER + ";" + GRANTS))
        yield server


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    """One issuer for clients and people."""
    with Issuer() as running:
        yield running
