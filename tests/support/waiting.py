"""Waiting for what another process does. A deadline is for hangs alone: however busy the machine is, nothing else reaches it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from threading import Event
from typing import TypeVar

T = TypeVar("T")
HANG = 300.0
EVERY = 0.02  # between two looks: often enough to lose no time, and seldom enough to leave the processor to what is waited for


def wait_for(what: str, attempt: Callable[[], T | None], *, seconds: float = HANG, every: float = EVERY) -> T:
    """Return the first answer of `attempt` that is not None; TimeoutError names `what` after that many seconds."""
    deadline, pause = time.monotonic() + seconds, Event()
    while (found := attempt()) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        pause.wait(every)
    return found


async def until(question: Callable[[], Awaitable[bool]], *, wanted: bool = True, patience: float = HANG) -> float:
    """Return after how many seconds the answer is the wanted one; TimeoutError if it never is."""
    begun = time.monotonic()
    async with asyncio.timeout(patience):
        while await question() != wanted:  # noqa: ASYNC110 - another process changes it
            await asyncio.sleep(EVERY)
    return time.monotonic() - begun


async def until_none(root: object, count: str, *values: object) -> None:
    """Return once a query of this connection counts nothing any more."""

    async def none() -> bool:
        return not await root.fetchval(count, *values)  # type: ignore[attr-defined]

    await until(none)
