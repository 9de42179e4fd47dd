"""How much one holder may ask of the portal: a person by their session, others by their address. Each replica counts its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

MOST_HOLDERS = 50_000


class Rate(NamedTuple):
    """`burst` requests at once, and one more each `seconds`."""

    burst: int
    seconds: float


PAGES = Rate(60, 0.5)
SAYINGS = Rate(20, 3.0)  # forms that change something at a department


class Allowance:
    """A rate with a burst (GCRA) for each holder: it never shuts, it lets one more through in every interval."""

    def __init__(self, rate: Rate, clock: Callable[[], float], most: int = MOST_HOLDERS) -> None:
        self._rate, self._clock, self._most = rate, clock, most
        self._free_at: dict[str, float] = {}

    def take(self, holder: str) -> int:
        """Return 0 and count one request, or in how many seconds the next one is heard."""
        now = self._clock()
        free_at = max(self._free_at.get(holder, now), now)
        wait = free_at - now - (self._rate.burst - 1) * self._rate.seconds
        if wait > 0:
            return int(wait) + 1
        if len(self._free_at) >= self._most:
            self._free_at = {held: at for held, at in self._free_at.items() if at > now}
        self._free_at[holder] = free_at + self._rate.seconds
        return 0
