"""The watch of the catalogue goes on, whatever a connection raises when its store dies under it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from commonweal_runtime.data_api import catalogue_watch
from commonweal_runtime.data_api.catalogue_watch import CatalogueWatch


class OddError(Exception):
    """None of those that a driver is known to raise."""


class Connection:
    """Answers as a store does."""

    async def add_listener(self, *_: Any) -> None:
        """Listen to nothing."""

    async def fetchval(self, _: str) -> str:
        return "text"

    def terminate(self) -> None:
        """End."""


class Dying:
    """A store whose first connection fails in a way of its own."""

    def __init__(self) -> None:
        self.opened = 0

    async def open(self, _: str) -> Connection:
        self.opened += 1
        if self.opened == 1:
            raise OddError
        return Connection()


class Read:
    """What was read."""

    numbers: frozenset[int] = frozenset()


def test_an_exception_that_nobody_foresaw_does_not_end_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue_watch, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(catalogue_watch, "parse", lambda _: Read())
    store = Dying()

    async def scenario() -> None:
        read = asyncio.Event()
        address: Any = store
        watch = CatalogueWatch(address, lambda _: read.set())
        task = asyncio.create_task(watch.follow())
        async with asyncio.timeout(30):
            await read.wait()
        assert watch.known
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())
    assert store.opened == 2
