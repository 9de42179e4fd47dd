"""Throttle: guessing passwords gets slow before it gets anywhere, and slow is all that a person becomes whose password somebody guesses.

An attempt is reserved before its password is looked at, so attempts that run at once are counted as well. A limit is a rate with a burst
(GCRA): it never shuts, it lets one more through in every interval. A device on which the person has signed in before has a limit of its own,
as OWASP describes device cookies: strangers, wherever they are, cannot use it up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

MOST_KEYS = 50_000


class Rate(NamedTuple):
    """`burst` attempts at once, and one more each `seconds`."""

    burst: int
    seconds: float


DEVICE = Rate(10, 90.0)  # of one person on one device
NAME_AND_ADDRESS = Rate(10, 90.0)  # strangers: one name from one address
NAME = Rate(20, 90.0)  # strangers: one name from anywhere; one address cannot use up more than half
ADDRESS = Rate(50, 6.0)  # strangers: any names from one address


class Attempt(NamedTuple):
    """A reserved attempt, or in how many seconds the next one can be had."""

    reserved: tuple[tuple[str, Rate], ...] = ()
    wait: int = 0


class Throttle:
    """Counts attempts in this process. With several replicas each counts its own: no more than as many times the limits are let through."""

    def __init__(self, clock: Callable[[], float], most_keys: int = MOST_KEYS) -> None:
        self._clock, self._most = clock, most_keys
        self._free_at: dict[str, float] = {}  # when all that was reserved under a key has been made up for

    def reserve(self, username: str, address: str, device: str | None) -> Attempt:
        """Reserve one attempt under all of its limits, or none."""
        now, limits = self._clock(), _limits(username, address, device)
        waits = [self._free_at.get(key, now) - now - (rate.burst - 1) * rate.seconds for key, rate in limits]
        if max(waits) > 0:
            return Attempt(wait=int(max(waits)) + 1)
        for key, rate in limits:
            self._free_at[key] = max(self._free_at.get(key, now), now) + rate.seconds
        if len(self._free_at) > self._most:
            self._forget(now)
        return Attempt(reserved=limits)

    def refund(self, attempt: Attempt) -> None:
        """Give back an attempt that was right: only what fails counts."""
        for key, rate in attempt.reserved:
            if key in self._free_at:
                self._free_at[key] -= rate.seconds

    def _forget(self, now: float) -> None:
        """Forget what has been made up for, and if that is too little, the half that soonest will be: a name under attack is not among it."""
        self._free_at = {key: at for key, at in self._free_at.items() if at > now}
        if len(self._free_at) > self._most:
            kept = sorted(self._free_at.items(), key=lambda item: -item[1])[: self._most // 2]
            self._free_at = dict(kept)


def _limits(username: str, address: str, device: str | None) -> tuple[tuple[str, Rate], ...]:
    if device is not None:
        return ((f"device:{device}", DEVICE),)
    return (
        (f"name and address:{len(username)}:{username}:{address}", NAME_AND_ADDRESS),
        (f"name:{username}", NAME),
        (f"address:{address}", ADDRESS),
    )
