"""A task that is told to end does end, whatever it was busy with."""

from __future__ import annotations

import asyncio

import pytest

from commonweal_runtime.store.stopping import stop, stop_if_cancelled


def test_an_error_that_takes_the_place_of_the_cancellation_does_not_undo_it() -> None:
    passed: list[str] = []

    async def busy() -> None:
        try:
            try:
                await asyncio.Event().wait()
            finally:
                raise ConnectionError  # as a driver does that ends its transaction on a connection that is gone
        except ConnectionError:
            passed.append("told")
        stop_if_cancelled()
        passed.append("went on")

    async def go() -> None:
        task = asyncio.create_task(busy())
        await asyncio.sleep(0)
        await stop(task)
        assert task.cancelled()

    asyncio.run(go())
    assert passed == ["told"]


def test_a_task_that_was_not_told_to_end_goes_on() -> None:
    async def go() -> None:
        stop_if_cancelled()

    asyncio.run(go())


def test_what_a_stopped_task_ends_with_is_nobodys_error() -> None:
    async def fails() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ConnectionError

    async def go() -> None:
        task = asyncio.create_task(fails())
        await asyncio.sleep(0)
        await stop(task)
        with pytest.raises(ConnectionError):
            task.result()

    asyncio.run(go())
