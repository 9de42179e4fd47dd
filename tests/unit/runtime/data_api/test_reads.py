"""Reads that arrive together share a statement, and none is ever left waiting or given another's answer."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from commonweal_runtime.data_api.catalogue import Agreement
from commonweal_runtime.data_api.lanes import Lanes, UnreachableError
from commonweal_runtime.data_api.reads import IN_FLIGHT_DEFERRED, IN_FLIGHT_DURABLE, Question, Reader
from commonweal_runtime.problems import Problem

FAR = datetime(2030, 1, 1, tzinfo=UTC)
AGREEMENT = Agreement(1, "one", "people", "tax", frozenset({"app"}), ("tax/serve",), ("a",), 100, datetime(2026, 1, 1, tzinfo=UTC), FAR)


class Store(Lanes):
    """Stands for the connections: answers each subject with itself, after a few turns of the loop, and remembers how many came together."""

    def __init__(self, turns: int = 1, *, down: bool = False) -> None:
        self.turns, self.down, self.sizes, self.running, self.most = turns, down, [], 0, 0  # type: ignore[var-annotated]

    async def call(self, login: str, statement: str, *args: Any) -> str | None:
        self.running += 1
        self.most = max(self.most, self.running)
        for _ in range(self.turns):
            await asyncio.sleep(0)
        self.running -= 1
        if self.down:
            raise UnreachableError
        subjects = args[0].strip("{}").split(",") if "points" in statement else [str(args[0])]
        self.sizes.append(len(subjects))
        return "\n".join("" if s.endswith("0") else s for s in subjects) or None


async def closed(_: Agreement) -> Problem:
    raise AssertionError("no agreement is closed here")


def question(purpose: str = "tax/serve", *, durable: bool = True) -> Question:
    return Question(replace(AGREEMENT, durable=durable), "tax/app", purpose, None)


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("durable", [True, False])
def test_every_read_gets_its_own_answer(turns: int, durable: bool) -> None:
    """Readers that ask again at once meet a worker at every point of its life; one that is forgotten would hang the test."""
    store = Store(turns)
    reader = Reader(store, closed)

    async def ask(n: int) -> None:
        for k in range(40):
            subject = UUID(int=n * 1000 + k)
            answer = await reader.point(question(f"p/{n % 3}", durable=durable), subject)
            assert answer == (None if str(subject).endswith("0") else str(subject))
            for _ in range((n + k) % 4):
                await asyncio.sleep(0)

    async def script() -> None:
        async with asyncio.timeout(20):
            await asyncio.gather(*(ask(n) for n in range(32)))

    asyncio.run(script())
    assert sum(store.sizes) == 32 * 40
    assert store.most <= (IN_FLIGHT_DURABLE if durable else IN_FLIGHT_DEFERRED)
    if turns:
        assert max(store.sizes) > 1, "nothing was ever read together"


@pytest.mark.parametrize("callers", [2, 3, 5])
@pytest.mark.parametrize("durable", [True, False])
def test_a_read_that_comes_while_a_worker_ends_is_not_forgotten(callers: int, durable: bool) -> None:
    """Whoever is answered asks again in the same turn of the loop: the worker that answered has looked for the last time, but has not ended."""
    reader = Reader(Store(1), closed)

    async def chain(n: int) -> None:
        for k in range(1, 30):
            await reader.point(question(durable=durable), UUID(int=n * 1000 + k))

    async def script() -> None:
        async with asyncio.timeout(10):
            await asyncio.gather(*(chain(n) for n in range(callers)))

    asyncio.run(script())


def test_the_store_down_is_told_to_everybody_who_waits() -> None:
    reader = Reader(Store(2, down=True), closed)

    async def script() -> list[Any]:
        async with asyncio.timeout(20):
            return await asyncio.gather(*(reader.point(question(), UUID(int=n)) for n in range(20)), return_exceptions=True)

    assert {getattr(e, "reason", None) for e in asyncio.run(script())} == {"StoreUnavailable"}
