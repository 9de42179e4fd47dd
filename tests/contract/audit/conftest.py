"""A store, a heritage database and token issuers for the tests of the audit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from support.audit import Ledger
from support.fixtures import heritage, issuer, store
from support.postgres import StoreServer

__all__ = ["heritage", "issuer", "store"]

Run = Callable[[Callable[[Ledger], Awaitable[Any]]], Any]


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
