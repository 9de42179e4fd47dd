"""Reads that arrive together share a statement, and none is ever left waiting or given another's answer."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from commonweal_runtime.data_api import problems
from commonweal_runtime.data_api.catalogue import Agreement
from commonweal_runtime.data_api.connections import ConnectionPools
from commonweal_runtime.data_api.reads import IN_FLIGHT, Reader, ReadRequest
from commonweal_runtime.exceptions import ProblemError, StoreUnreachableError

FAR = datetime(2030, 1, 1, tzinfo=UTC)
AGREEMENT = Agreement(1, "one", "people", "tax", frozenset({"app"}), ("tax/serve",), ("a",), 100, datetime(2026, 1, 1, tzinfo=UTC), FAR)


class Store(ConnectionPools):
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
            raise StoreUnreachableError
        if "_take" in statement:
            return "\n".join("" if s.endswith("0") else s for s in args[0].split("\n"))
        subjects = args[0].strip("{}").split(",") if "points" in statement or "_ask" in statement else [str(args[0])]
        self.sizes.append(len(subjects))
        if "_ask" in statement:
            return "\n".join(subjects)  # the ticket of each is itself
        return "\n".join("" if s.endswith("0") else s for s in subjects) or None


async def closed(_: Agreement) -> ProblemError:
    raise AssertionError("no agreement is closed here")


def read(purpose: str = "tax/serve", *, durability: str = "Durable", counted: bool = False) -> ReadRequest:
    return ReadRequest(replace(AGREEMENT, durability=durability, counted=counted), "tax/app", purpose, None)


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("durability", IN_FLIGHT)
def test_every_read_gets_its_own_answer(turns: int, durability: str) -> None:
    """Readers that ask again at once meet a worker at every point of its life; one that is forgotten would hang the test."""
    store = Store(turns)
    reader = Reader(store, closed)

    async def ask(n: int) -> None:
        for k in range(40):
            subject = UUID(int=n * 1000 + k)
            answer = await reader.point(read(f"p/{n % 3}", durability=durability), subject)
            assert answer == (None if str(subject).endswith("0") else str(subject))
            for _ in range((n + k) % 4):
                await asyncio.sleep(0)

    async def script() -> None:
        async with asyncio.timeout(20):
            await asyncio.gather(*(ask(n) for n in range(32)))

    asyncio.run(script())
    assert sum(store.sizes) == 32 * 40
    assert store.most <= IN_FLIGHT[durability]
    if turns:
        assert max(store.sizes) > 1, "nothing was ever read together"


@pytest.mark.parametrize("callers", [2, 3, 5])
@pytest.mark.parametrize("durability", IN_FLIGHT)
def test_a_read_that_comes_while_a_worker_ends_is_not_forgotten(callers: int, durability: str) -> None:
    """Whoever is answered asks again in the same turn of the loop: the worker that answered has looked for the last time, but has not ended."""
    reader = Reader(Store(1), closed)

    async def chain(n: int) -> None:
        for k in range(1, 30):
            await reader.point(read(durability=durability), UUID(int=n * 1000 + k))

    async def script() -> None:
        async with asyncio.timeout(10):
            await asyncio.gather(*(chain(n) for n in range(callers)))

    asyncio.run(script())


def test_the_store_down_is_told_to_everybody_who_waits() -> None:
    reader = Reader(Store(2, down=True), closed)

    async def script() -> list[Any]:
        async with asyncio.timeout(20):
            return await asyncio.gather(*(reader.point(read(), UUID(int=n)) for n in range(20)), return_exceptions=True)

    assert {getattr(e, "reason", None) for e in asyncio.run(script())} == {"StoreUnavailable"}


def test_reads_that_are_counted_are_never_taken_together() -> None:
    """A statement that a limit refuses is refused as a whole, so one read too many would take others with it."""
    store = Store(3)
    reader = Reader(store, closed)

    async def script() -> None:
        await asyncio.gather(*(reader.point(read(counted=True), UUID(int=n + 1)) for n in range(30)))

    asyncio.run(script())
    assert store.sizes == [1] * 30


class Refusing(ConnectionPools):
    """A store that refuses every statement with one state of ours."""

    def __init__(self, state: str, message: str) -> None:
        self.state, self.message = state, message

    async def call(self, login: str, statement: str, *args: Any) -> str | None:
        error = asyncpg.PostgresError(self.message)
        error.sqlstate = self.state
        raise error


TOLD = {
    "CW001": ("no", 403, "PurposeNotAgreed", None),
    "CW003": ("no", 403, "AgreementExpired", None),
    "CW005": ("no", 403, "FieldNotAgreed", None),
    "CW006": ("17", 429, "FrequencyLimit", "17"),
    "CW007": ("3", 429, "RateLimit", "3"),
    "CW008": ("no", 503, "ConsentFeedStale", "10"),
    "CW009": ("no", 503, "QualityStopped", "60"),
    "CW010": ("no", 503, "AnswersPending", "5"),
    "CW012": ("no", 503, "SourceUnavailable", "5"),
    "CW013": ("no", 503, "DepartmentMoving", "5"),
    "CW014": ("https://registry.cloud.example", 421, "DepartmentMoved", None),
    "CW015": ("86", 429, "SayingLimit", "86"),
    "CW011": ("no", 503, "StoreUnavailable", "2"),
    "XX000": ("secret", 503, "StoreUnavailable", "2"),
}


@pytest.mark.parametrize("state", TOLD)
def test_each_refusal_of_the_store_has_its_answer(state: str) -> None:
    message, status, reason, wait = TOLD[state]
    with pytest.raises(ProblemError) as refused:
        asyncio.run(Reader(Refusing(state, message), closed).point(read(), UUID(int=1)))
    assert (refused.value.status, refused.value.reason, refused.value.headers.get("Retry-After")) == (status, reason, wait)
    assert "secret" not in str(refused.value)


def test_what_was_allowed_once_names_no_time_to_wait() -> None:
    with pytest.raises(ProblemError) as refused:
        asyncio.run(Reader(Refusing("CW006", "0"), closed).point(read(), UUID(int=1)))
    assert (refused.value.reason, dict(refused.value.headers)) == ("FrequencyLimit", {})


def test_a_refusal_keeps_nothing_of_those_before() -> None:
    """An exception that is raised again keeps the frames, and so the people, of every time before."""
    assert problems.not_found() is not problems.not_found()
    assert problems.not_found().body() == problems.not_found().body()
