"""Throttle: guessing passwords gets slow before it gets anywhere."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

WINDOW_SECONDS = 900
MOST_PER_NAME = 10
MOST_PER_ADDRESS = 50
MOST_KEYS = 20_000


class Throttle:
    """Counts failed sign-ins by name and by address over a quarter of an hour, in this process."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: dict[str, deque[float]] = {}

    def wait(self, username: str, address: str) -> int:
        """Return how many seconds to wait before the next attempt; 0 is now."""
        return max(self._wait(f"name:{username}", MOST_PER_NAME), self._wait(f"address:{address}", MOST_PER_ADDRESS))

    def failed(self, username: str, address: str) -> None:
        """Note a failed attempt."""
        for key in (f"name:{username}", f"address:{address}"):
            if key not in self._failures and len(self._failures) >= MOST_KEYS:
                self._failures.pop(next(iter(self._failures)))
            self._failures.setdefault(key, deque()).append(self._clock())

    def succeeded(self, username: str) -> None:
        """Forget the failures of a name; an address keeps its own."""
        self._failures.pop(f"name:{username}", None)

    def _wait(self, key: str, most: int) -> int:
        failures, now = self._failures.get(key, deque()), self._clock()
        while failures and failures[0] <= now - WINDOW_SECONDS:
            failures.popleft()
        if not failures:
            self._failures.pop(key, None)
        return int(failures[-most] + WINDOW_SECONDS - now) + 1 if len(failures) >= most else 0
