"""Checking passwords takes a processor and memory on purpose; this bounds how much of either attempts can take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from commonweal_runtime.exceptions import SignInBusyError

T = TypeVar("T")
MOST_WAITING = 40  # at some 50 ms each: two seconds


class Lane:
    """One attempt at a time, and a line of bounded length. Known devices and strangers have a lane each, so that neither waits for the other."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._thread, self._most, self._waiting = ThreadPoolExecutor(1), most, 0

    async def run(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, in its turn; SignInBusyError when the line is full."""
        if self._waiting >= self._most:
            raise SignInBusyError
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._waiting -= 1
