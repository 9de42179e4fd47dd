"""When what happened during a move, and the report that is made of it. Pure but for the clock that it is given."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

WIDTH = 40


@dataclass
class Timeline:
    """Steps with their beginning and length, and moments, in seconds since the move began: by the wall clock, for another run may go on with it."""

    clock: Callable[[], float] = time.time
    steps: list[dict[str, Any]] = field(default_factory=list)
    moments: dict[str, float] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.began = self.clock()

    def go_on(self, made: Mapping[str, Any]) -> None:
        """Go on from the report of an earlier run of the same move, as `report` made it."""
        gap = self.began - float(made["began"])
        for step in self.steps:
            step["at"] = round(step["at"] + gap, 3)
        self.began = float(made["began"])
        self.steps = [*made["steps"], *self.steps]
        self.moments = {**made["moments"], **{name: round(at + gap, 3) for name, at in self.moments.items()}}
        self.numbers = {**made["numbers"], **self.numbers}

    @property
    def now(self) -> float:
        """Seconds since the beginning."""
        return round(self.clock() - self.began, 3)

    @contextmanager
    def measured(self, name: str) -> Iterator[None]:
        """Measure a block; one that raises is kept as failed."""
        began = self.now
        step: dict[str, Any] = {"name": name, "at": began, "seconds": 0.0, "ok": False}
        self.steps.append(step)
        try:
            yield
            step["ok"] = True
        finally:
            step["seconds"] = round(self.now - began, 3)

    def mark(self, moment: str) -> None:
        """Keep when something happened; a second time counts, for only the last attempt matters."""
        self.moments[moment] = self.now


def spans(timeline: Timeline) -> dict[str, float | None]:
    """Return the time of read-only (uses refused, words taken) and the time to recover (until the new site answers), in seconds."""
    frozen, opened, answered = (timeline.moments.get(name) for name in ("frozen", "opened", "answered"))
    return {
        "readOnlySeconds": None if frozen is None or opened is None else round(opened - frozen, 3),
        "timeToRecoverSeconds": None if frozen is None or answered is None else round(answered - frozen, 3),
    }


def report(timeline: Timeline, *, department: str, source: str, target: str, move: str) -> dict[str, Any]:
    """Return the report as it is written to the file."""
    return {
        "department": department,
        "from": source,
        "to": target,
        "move": move,
        "began": timeline.began,
        **spans(timeline),
        "numbers": timeline.numbers,
        "totalSeconds": timeline.now,
        "moments": timeline.moments,
        "steps": timeline.steps,
    }


def table(made: dict[str, Any]) -> str:
    """Return the report for people: numbers, then the steps as bars on one scale; `#` while uses were refused, `=` while they were answered."""
    labels = (
        ("read-only (s)", "readOnlySeconds"),
        ("time to recover (s)", "timeToRecoverSeconds"),
        ("rows that differ", "rowsDifferent"),
        ("uses lost", "usesLost"),
        ("words carried over", "wordsCarried"),
        ("bytes of the store", "storeBytes"),
        ("bytes sent while serving", "bytesFirst"),
        ("bytes sent while frozen", "bytesLast"),
        ("tables compared", "tables"),
        ("rows compared", "rows"),
        ("objects applied", "objects"),
        ("changed manifest lines", "changedManifestLines"),
    )
    told = {**made, **made["numbers"]}
    lines = [f"{label:<26} {told[key]}" for label, key in labels if told.get(key) is not None]
    total = max(made["totalSeconds"], 0.001)
    frozen, opened = (made["moments"].get(name) for name in ("frozen", "opened"))
    for step in made["steps"]:
        first, length = int(step["at"] / total * WIDTH), max(1, round(step["seconds"] / total * WIDTH))
        closed = frozen is not None and step["at"] >= frozen and (opened is None or step["at"] < opened)
        bar = " " * min(first, WIDTH - 1) + ("#" if closed else "=") * length
        lines.append(f"{step['name']:<26} {step['seconds']:>7.2f} s  |{bar[:WIDTH]:<{WIDTH}}|{'' if step['ok'] else ' failed'}")
    return "\n".join(lines)
