"""Connections are handed on, and none is ever lost on the way: eight that are lost are a login that nobody reads through again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

import pytest

from commonweal_runtime.data_api import connections
from commonweal_runtime.data_api.connections import Address, ConnectionPools
from commonweal_runtime.data_api.people import People, Principal
from commonweal_runtime.exceptions import ProblemError, StoreUnreachableError

LOGIN, SLOW = "person", "slow"
ADA, BEN = UUID(int=1), UUID(int=2)


@dataclass
class Store:
    """Stands for the address: each connection answers `slow`, and what is asked of Ada, when `answers` is set, and all else at once."""

    answers: asyncio.Event
    opened: int = 0
    last: Callable[[], object] = lambda: None  # done in the turn of the loop before who waits is woken

    async def open(self, _: str) -> Any:
        self.opened += 1
        return self

    async def prepare(self, statement: str) -> Any:
        return _Statement(self, statement)

    def terminate(self) -> None:
        self.opened -= 1


@dataclass
class _Statement:
    store: Store
    text: str

    async def fetchval(self, *args: object) -> str:
        if self.text == SLOW or ADA in args:
            await self.store.answers.wait()
            asyncio.get_running_loop().call_soon(self.store.last)
        return self.text


def pools_of(store: Store, most: int) -> ConnectionPools:
    return ConnectionPools(cast("Address", store), most_per_login=most)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "WAIT_SECONDS", 0.2)


def test_a_connection_handed_to_who_has_just_given_up_goes_to_the_next() -> None:
    """It is given in the very turn of the loop in which the wait ends."""

    async def script() -> None:
        store = Store(asyncio.Event())
        pools = pools_of(store, most=1)
        holder = asyncio.create_task(pools.call(LOGIN, SLOW))
        await asyncio.sleep(0)
        waiter = asyncio.create_task(pools.call(LOGIN, "never"))
        await asyncio.sleep(0)
        third = asyncio.create_task(pools.call(LOGIN, "third"))
        await asyncio.sleep(0)
        store.answers.set()
        store.last = waiter.cancel
        await holder
        with suppress(asyncio.CancelledError):
            await waiter
        assert await third == "third"
        assert await pools.call(LOGIN, "again") == "again"

    asyncio.run(script())


def test_after_more_asked_than_could_wait_everything_is_as_before() -> None:
    """The loop is busy while the waits end, so that answers and deadlines come in one turn of it, again and again."""

    async def script() -> None:
        store = Store(asyncio.Event())
        pools = pools_of(store, most=4)
        loop = asyncio.get_running_loop()

        def busy(until: float) -> None:
            store.answers.set()
            while loop.time() <= until:
                pass

        for _ in range(5):
            store.answers.clear()
            asked = [asyncio.create_task(pools.call(LOGIN, SLOW)) for _ in range(60)]
            over = loop.time() + connections.WAIT_SECONDS
            loop.call_at(over - 0.02, busy, over + 0.02)
            told = await asyncio.gather(*asked, return_exceptions=True)
            assert {t for t in told if isinstance(t, str)} == {SLOW}
            assert all(t == SLOW or isinstance(t, StoreUnreachableError) for t in told)
        assert await asyncio.gather(*(pools.call(LOGIN, "again") for _ in range(4))) == ["again"] * 4
        assert store.opened <= 4

    asyncio.run(script())


def test_who_asks_for_very_much_is_in_nobody_elses_way() -> None:
    """One person's flood once took all connections of the login, and with them everybody's means to withdraw."""

    async def script() -> None:
        store = Store(asyncio.Event())
        people = People(pools_of(store, most=8))
        flood = [asyncio.create_task(people.export(Principal(ADA, ADA))) for _ in range(200)]
        await asyncio.sleep(0)
        assert await people.consents(Principal(BEN, BEN)) == "select person.consents($1, $2)"
        store.answers.set()
        told = await asyncio.gather(*flood, return_exceptions=True)
        refused = [t for t in told if isinstance(t, ProblemError)]
        assert {(p.status, p.reason) for p in refused} == {(429, "TooManyAtOnce")}
        assert len(told) - len(refused) == 16
        assert await people.export(Principal(ADA, ADA))

    asyncio.run(script())
