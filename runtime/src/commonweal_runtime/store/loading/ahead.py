"""One step ahead: the next batch is read while the last one is stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from commonweal_runtime.store.stopping import stop

T = TypeVar("T")


@asynccontextmanager
async def ahead(items: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """Give the items of an iterator, none of which is None, the next one being fetched while the caller is busy with one: never more than one is waiting.

    An error of the iterator comes in its place. What is being fetched is cancelled and waited for when the context is left.
    """
    fetching: list[asyncio.Task[T | None]] = []

    async def step() -> T | None:
        return await anext(items, None)

    async def given() -> AsyncIterator[T]:
        fetching[:] = [asyncio.create_task(step())]
        while (item := await fetching[0]) is not None:
            fetching[:] = [asyncio.create_task(step())]
            yield item

    try:
        yield given()
    finally:
        for task in fetching:
            await stop(task)
