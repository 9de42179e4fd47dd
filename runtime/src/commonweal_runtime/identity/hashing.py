"""Checking passwords takes a processor and memory on purpose; this bounds how much of either attempts can take."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import TypeVar

from commonweal_runtime.exceptions import SignInBusyError

T = TypeVar("T")
_NOBODY: Mapping[str, int] = MappingProxyType({})
MOST_WAITING = 40  # at some 50 ms each: two seconds
MOST_OF_A_NAME, MOST_OF_AN_ADDRESS = 4, 10  # of these; what is right is not throttled, so one account could fill the line for ever


class Lane:
    """One attempt at a time, and a line of bounded length. Known devices and strangers have a lane each, so that neither waits for the other."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._thread, self._most, self._waiting = ThreadPoolExecutor(1), most, 0
        self._held: Counter[str] = Counter()

    async def run(self, work: Callable[[], T], shares: Mapping[str, int] = _NOBODY) -> T:
        """Return what `work` returns, in its turn; SignInBusyError when the line is full, or one of the holders in `shares` has as many in it as it may."""
        if self._waiting >= self._most or any(self._held[holder] >= most for holder, most in shares.items()):
            raise SignInBusyError
        self._waiting += 1
        self._held.update(shares.keys())
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._waiting -= 1
            self._held -= Counter(shares.keys())


def shares_of(username: str, address: str) -> dict[str, int]:
    """Return whose shares of a line an attempt counts towards, and how large each is."""
    return {f"name:{username}": MOST_OF_A_NAME, f"address:{address}": MOST_OF_AN_ADDRESS}
