"""Turns: a bounded number of one holder at once, whatever becomes of them."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from commonweal_runtime.exceptions import ProblemError
from commonweal_runtime.turns import Turns


def test_no_more_of_one_holder_than_its_turns_and_nobody_waits_for_another() -> None:
    async def script() -> None:
        turns, over = Turns(at_once=2, waiting=3), asyncio.Event()
        under_way: list[str] = []

        async def ask(holder: str) -> None:
            async with turns.of(holder):
                under_way.append(holder)
                await over.wait()

        asked = [asyncio.create_task(ask("ada")) for _ in range(5)]
        other = asyncio.create_task(ask("ben"))
        for _ in range(3):
            await asyncio.sleep(0)
        assert sorted(under_way) == ["ada", "ada", "ben"]
        with pytest.raises(ProblemError, match="at most 5 requests"):
            await ask("ada")
        over.set()
        await asyncio.gather(*asked, other)
        await ask("ada")

    asyncio.run(script())


def test_who_fails_or_is_cancelled_gives_the_turn_back() -> None:
    async def script() -> None:
        turns = Turns(at_once=1, waiting=1)
        for _ in range(3):
            with suppress(KeyError):
                async with turns.of("ada"):
                    raise KeyError
        async with turns.of("ada"):
            waiting = asyncio.create_task(turns.of("ada").__aenter__())
            await asyncio.sleep(0)
            waiting.cancel()
            with suppress(asyncio.CancelledError):
                await waiting
        async with turns.of("ada"):
            pass

    asyncio.run(script())
