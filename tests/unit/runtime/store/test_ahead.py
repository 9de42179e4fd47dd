"""The next batch is read while the last one is stored, and never more than one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from commonweal_runtime.store.loading.ahead import ahead


def test_one_item_is_fetched_meanwhile_and_no_second() -> None:
    fetched: list[int] = []

    async def items() -> AsyncIterator[int]:
        for n in range(1, 5):
            fetched.append(n)
            yield n

    async def go() -> list[tuple[int, int]]:
        seen = []
        async with ahead(items()) as given:
            async for item in given:
                for _ in range(5):  # the others have their turns
                    await asyncio.sleep(0)
                seen.append((item, fetched[-1]))
        return seen

    assert asyncio.run(go()) == [(1, 2), (2, 3), (3, 4), (4, 4)]


def test_an_error_comes_in_its_place_and_what_is_fetched_is_ended() -> None:
    ended: list[str] = []

    async def items() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            ended.append("ended")

    async def breaks() -> AsyncIterator[int]:
        yield 1
        raise ConnectionError

    async def go() -> None:
        async with ahead(breaks()) as given:
            assert await anext(given) == 1
            with pytest.raises(ConnectionError):
                await anext(given)
        async with ahead(items()) as given:
            assert await anext(given) == 1
            await asyncio.sleep(0)
        assert ended == ["ended"]

    asyncio.run(go())


def test_a_load_that_is_cancelled_while_it_stops_its_reader_stays_cancelled() -> None:
    """A keeper that is told to end while a load ends by itself must not take up the next one."""
    begun = asyncio.Event()

    async def items() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            begun.set()
            await asyncio.Event().wait()

    async def load() -> None:
        async with ahead(items()) as given:
            await anext(given)
            await asyncio.sleep(0)
            raise ConnectionError

    async def go() -> None:
        loading = asyncio.create_task(load())
        await begun.wait()
        loading.cancel()
        await asyncio.wait([loading])
        assert loading.cancelled()

    asyncio.run(go())
