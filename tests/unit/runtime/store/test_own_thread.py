"""What a source's thread held is let go before anybody goes on."""

from __future__ import annotations

import asyncio
import threading

import pytest

from commonweal_runtime.store.sources.own_thread import own_thread
from support.waiting import HANG


def test_nobody_goes_on_while_the_thread_still_holds_something() -> None:
    told, done = threading.Event(), list[str]()

    def work() -> None:
        told.wait(HANG)
        done.append("let go")

    async def read() -> list[str]:
        async with own_thread("reading", told.set) as thread:
            asyncio.get_running_loop().run_in_executor(thread, work)
        return list(done)

    assert asyncio.run(read()) == ["let go"]


def test_no_room_for_the_threads_stack_is_memory_that_ran_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def read() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", no_room)
            async with own_thread("reading"):
                pytest.fail("it has begun")

    with pytest.raises(MemoryError):
        asyncio.run(read())
