"""Turns: how many requests of one holder are carried out at once, so that nobody who asks for much is in another's way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from commonweal_runtime.exceptions import ProblemError


@dataclass(slots=True)
class _Line:
    places: asyncio.Semaphore
    held: int = 0


class Turns:
    """At most `at_once` of one holder are under way, and `waiting` more wait for these, not for anybody else's; what is beyond is refused."""

    def __init__(self, at_once: int = 2, waiting: int = 14) -> None:
        self._at_once, self._most = at_once, at_once + waiting
        self._lines: dict[Hashable, _Line] = {}

    @asynccontextmanager
    async def of(self, holder: Hashable) -> AsyncIterator[None]:
        """Have one turn. Raises the ProblemError of a holder that has asked for too much at once."""
        line = self._lines.setdefault(holder, _Line(asyncio.Semaphore(self._at_once)))
        if line.held >= self._most:
            raise too_many_at_once(self._most)
        line.held += 1
        try:
            async with line.places:
                yield
        finally:
            line.held -= 1
            if not line.held:
                del self._lines[holder]


def too_many_at_once(most: int) -> ProblemError:
    return ProblemError(
        429,
        "TooManyAtOnce",
        "Too many at once",
        f"Of one caller at most {most} requests are carried out or wait at the same time.",
        "Wait for answers before asking more.",
        {"Retry-After": "1"},
    )
