"""What is the same for everybody is looked up once for all who ask, whether it is there or not."""

from __future__ import annotations

import asyncio

import pytest

from commonweal_runtime.data_api import problems, public_routes
from commonweal_runtime.data_api.public_routes import Kept
from commonweal_runtime.exceptions import ProblemError


class Store:
    """Answers with how often it was asked, or is away."""

    def __init__(self) -> None:
        self.asked, self.away = 0, False

    async def look(self) -> str:
        self.asked += 1
        await asyncio.sleep(0)
        if self.away:
            raise problems.store_unavailable()
        return str(self.asked)


def test_all_who_ask_within_the_time_share_one_look() -> None:
    store = Store()

    async def script() -> list[bytes]:
        kept = Kept(store.look)
        return await asyncio.gather(*(kept.get() for _ in range(50)))

    assert set(asyncio.run(script())) == {b"1"}


def test_after_the_time_it_is_looked_up_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    monkeypatch.setattr(public_routes, "KEPT_SECONDS", 0.0)

    async def script() -> list[bytes]:
        kept = Kept(store.look)
        return [await kept.get() for _ in range(3)]

    assert asyncio.run(script()) == [b"1", b"2", b"3"]


def test_a_store_that_is_away_is_not_asked_by_each_in_turn_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    store.away = True

    async def script() -> bytes:
        kept = Kept(store.look)
        told = await asyncio.gather(*(kept.get() for _ in range(50)), return_exceptions=True)
        assert {getattr(problem, "reason", None) for problem in told} == {"StoreUnavailable"}
        assert store.asked == 1
        assert len({id(problem) for problem in told}) == 50  # one that is raised again would keep the frames of all before
        monkeypatch.setattr(public_routes, "AWAY_SECONDS", 0.0)
        kept = Kept(store.look)
        with pytest.raises(ProblemError):
            await kept.get()
        store.away = False
        return await kept.get()

    assert asyncio.run(script()) == b"3"
