"""When each stage of a demonstration began and how long it took; stages may overlap."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Span:
    """One stage: seconds from the start of the demonstration, and how many it took."""

    name: str
    at: float
    seconds: float


@dataclass
class Stages:
    """The stages so far; `since` is when they began, in seconds since 1970. Threads may measure at the same time."""

    clock: Callable[[], float] = time.monotonic
    spans: list[Span] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.began, self.since = self.clock(), time.time()

    @contextmanager
    def measured(self, name: str) -> Iterator[None]:
        """Measure a block."""
        started = self.clock()
        try:
            yield
        finally:
            self.note(name, started)

    def note(self, name: str, since: float) -> None:
        """Write down a stage that began at `since`, by the clock, and ends now."""
        self.spans.append(Span(name, since - self.began, self.clock() - since))

    def reached(self, name: str) -> None:
        """Write down how long it took from the start until now, once for each name."""
        if all(span.name != name for span in list(self.spans)):
            self.note(name, self.began)

    @property
    def seconds(self) -> dict[str, float]:
        """How long each stage took, in the order in which they began; a name that comes twice adds up."""
        found: dict[str, float] = {}
        for span in sorted(self.spans, key=lambda span: span.at):
            found[span.name] = found.get(span.name, 0.0) + span.seconds
        return found
