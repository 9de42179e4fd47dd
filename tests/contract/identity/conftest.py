"""The issuer's store, a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from support.identity_store import IdentityServer


@pytest.fixture(scope="package")
def server() -> Iterator[IdentityServer]:
    with IdentityServer() as running:
        yield running


@pytest.fixture
def empty(server: IdentityServer) -> IdentityServer:
    """The server, with nothing in it."""
    asyncio.run(server.empty())
    return server
