"""How often a site was started or changed in vain, and when it may be tried again: less and less often, at once again when it was well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from commonweal_local.provider.facts import Problem

FIRST_SECONDS, LONGEST_SECONDS = 5.0, 300.0


@dataclass(frozen=True)
class Attempt:
    """What the last step ended with, None when it went well, and the seconds before the next."""

    problem: Problem | None
    wait: float


class Attempts:
    """By site. `clock` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._count: dict[str, int] = {}
        self._earliest: dict[str, float] = {}
        self._problem: dict[str, Problem] = {}

    def begun(self, name: str) -> None:
        """Note that a step begins: the next may come after 5 s, then 10, 20 ... 300, however it ends."""
        count = self._count.get(name, 0)
        self._count[name] = count + 1
        self._earliest[name] = self._clock() + min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(count, 10))
        self._problem.pop(name, None)

    def failed(self, name: str, problem: Problem) -> None:
        """Note what the step ended with."""
        if self._earliest.get(name, 0.0) <= self._clock():
            self.begun(name)
        self._problem[name] = problem

    def of(self, name: str, *, well: bool) -> Attempt:
        """What is to be known before the next step; a site that is well when the next one may come starts afresh."""
        if well and self._earliest.get(name, 0.0) <= self._clock():
            for kept in (self._count, self._earliest, self._problem):
                kept.pop(name, None)
        return Attempt(self._problem.get(name), max(0.0, self._earliest.get(name, 0.0) - self._clock()))
