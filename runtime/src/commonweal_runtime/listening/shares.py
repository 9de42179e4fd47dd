"""Shares: which connection a newcomer takes the place of when there are no more. Pure: connections come in, a verdict goes out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import IntEnum
from typing import Generic, NamedTuple, Protocol, TypeVar

from commonweal_runtime.listening.limits import Limits


class Phase(IntEnum):
    """What a connection waits for. The lower gives way first: nobody misses an idle one, and an answer under way is worth most."""

    IDLE = 0
    HEAD = 1
    BODY = 2
    ANSWER = 3


class Held(Protocol):
    """An open connection, as far as this matters: its phase, and since when."""

    phase: Phase
    since: float


C = TypeVar("C", bound=Held)


class Verdict(NamedTuple, Generic[C]):
    """Whether a newcomer is let in, and which connection closes for it."""

    admitted: bool
    displaced: C | None = None


def verdict(held: Mapping[str | None, Collection[C]], holder: str | None, limits: Limits) -> Verdict[C]:
    """Return whether one more connection of a holder is let in.

    A holder with its full share may only trade an idle connection for the new one. When all places are taken, the holder with the most gives one
    to a newcomer that has fewer: whoever fills the server takes the places from itself, never from somebody with one connection.
    """
    own = held.get(holder, ())
    if holder is not None and len(own) >= limits.per_address:
        idle = [c for c in own if c.phase is Phase.IDLE]
        return Verdict(bool(idle), _first(idle) if idle else None)
    if sum(map(len, held.values())) < limits.connections:
        return Verdict(admitted=True)
    most = max(held.values(), key=len)
    return Verdict(admitted=True, displaced=_first(most)) if len(most) > len(own) + 1 else Verdict(admitted=False)


def overflowing(held: Mapping[str | None, Collection[C]], unsent: Mapping[C, int], most: int) -> list[C]:
    """Return which connections close so that what is unsent of all fits: always the fullest of the holder with the most, so that who reads slowly pays for it."""
    left = {holder: sorted((c for c in own if unsent[c]), key=lambda c: unsent[c]) for holder, own in held.items()}
    sums = {holder: sum(unsent[c] for c in own) for holder, own in left.items()}
    total, closing = sum(sums.values()), []
    while total > most:
        holder = max(sums, key=lambda h: sums[h])
        closing.append(left[holder].pop())
        sums[holder] -= unsent[closing[-1]]
        total -= unsent[closing[-1]]
    return closing


def _first(connections: Collection[C]) -> C:
    return min(connections, key=lambda c: (c.phase, c.since))
