"""A keyed work queue with client-go's semantics, priorities, and turns between tenants.

Guarantees: a key is never handed out twice at the same time; a key added while it is being worked on runs once more; adds of a waiting key fold
into one, and the most urgent priority wins; inside one priority the tenants take turns, so a department with a thousand changes delays nobody else.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import OrderedDict, deque
from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple


class Key(NamedTuple):
    """One object to reconcile. `tenant` is the department's namespace, also for the cluster-scoped Department itself."""

    tenant: str
    kind: str
    name: str


class Priority(IntEnum):
    """Smaller comes first: taking access away overtakes everything."""

    REVOCATION = 0
    SPEC = 1
    DRIFT = 2
    RESYNC = 3


class WorkQueue:
    """The queue. `clock` gives monotonic seconds; `base` and `cap` bound the back-off of one key, in seconds."""

    def __init__(self, clock: Callable[[], float], base: float = 0.05, cap: float = 60.0) -> None:
        self._lanes: list[OrderedDict[str, deque[Key]]] = [OrderedDict() for _ in Priority]
        self._dirty: dict[Key, Priority] = {}
        self._processing: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._delayed: list[tuple[float, Priority, Key]] = []
        self._due: dict[Key, tuple[float, Priority]] = {}
        self._waiters: list[tuple[Priority, asyncio.Future[None]]] = []
        self._clock, self._base, self._cap = clock, base, cap
        self._sooner = asyncio.Event()

    def __len__(self) -> int:
        return len(self._dirty) + len(self._processing)

    def add(self, key: Key, priority: Priority) -> None:
        """Ask for the key to be reconciled."""
        had = self._dirty.get(key)
        if had is not None and had <= priority:
            return
        self._dirty[key] = priority
        if key not in self._processing:
            self._offer(key, priority)

    def add_after(self, key: Key, priority: Priority, delay: float) -> None:
        """Add the key after `delay` seconds. One delayed entry stands per key: the earlier one."""
        when, had = self._clock() + delay, self._due.get(key)
        if had is not None and had[0] <= when:
            return
        self._due[key] = (when, priority)
        heapq.heappush(self._delayed, (when, priority, key))
        self._sooner.set()

    def retry(self, key: Key, priority: Priority) -> float:
        """Add the key again after its own exponential back-off with jitter; return the delay in seconds."""
        count = self._failures[key] = self._failures.get(key, 0) + 1
        delay = min(self._cap, self._base * 2.0 ** min(count - 1, 20)) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, not a secret
        self.add_after(key, priority, delay)
        return delay

    def forget(self, key: Key) -> None:
        """Forget the key's failures."""
        self._failures.pop(key, None)

    def release_due(self) -> float | None:
        """Move the delayed keys that are due to their lanes; return the seconds to the next one, or None."""
        now = self._clock()
        while self._delayed and self._delayed[0][0] <= now:
            when, priority, key = heapq.heappop(self._delayed)
            if self._due.get(key) == (when, priority):  # else a sooner entry took its place
                del self._due[key]
                self.add(key, priority)
        return self._delayed[0][0] - now if self._delayed else None

    async def run_clock(self) -> None:
        """Release delayed keys when they are due, until cancelled; sleeps in between."""
        while True:
            self._sooner.clear()
            try:
                await asyncio.wait_for(self._sooner.wait(), self.release_due())
            except TimeoutError:
                continue

    async def get(self, worst: Priority) -> tuple[Key, Priority]:
        """Return the next key whose priority is `worst` or more urgent; `done` must be called for it."""
        while True:
            taken = self.take(worst)
            if taken is not None:
                return taken
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append((worst, future))
            try:
                await future
            except asyncio.CancelledError:
                if future.done() and not future.cancelled():
                    self._wake(Priority.REVOCATION)  # the wake-up was meant for somebody: pass it on
                raise

    def take(self, worst: Priority) -> tuple[Key, Priority] | None:
        """Return the next key without waiting, or None."""
        for priority in list(Priority)[: worst + 1]:
            key = self._first(priority)
            if key is not None:
                del self._dirty[key]
                self._processing.add(key)
                return key, priority
        return None

    def done(self, key: Key) -> None:
        """Say that the work on the key has ended; what was added meanwhile becomes available."""
        self._processing.discard(key)
        priority = self._dirty.get(key)
        if priority is not None:
            self._offer(key, priority)

    def _first(self, priority: Priority) -> Key | None:
        lane = self._lanes[priority]
        while lane:
            tenant, keys = lane.popitem(last=False)
            key = keys.popleft()
            if keys:
                lane[tenant] = keys  # to the end: the next tenant has its turn
            # An entry is stale when the key was promoted to a more urgent lane, or is running.
            if self._dirty.get(key) == priority and key not in self._processing:
                return key
        return None

    def _offer(self, key: Key, priority: Priority) -> None:
        self._lanes[priority].setdefault(key.tenant, deque()).append(key)
        self._wake(priority)

    def _wake(self, priority: Priority) -> None:
        # The pickiest waiter first, so that reserved workers take what only they are reserved for.
        fitting = [(worst, i) for i, (worst, future) in enumerate(self._waiters) if not future.done() and priority <= worst]
        if fitting:
            self._waiters.pop(min(fitting)[1])[1].set_result(None)
        self._waiters = [w for w in self._waiters if not w[1].done()]
