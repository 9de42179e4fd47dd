"""Progress that a person can follow: each long step says what it waits for and for how long it has."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from commonweal_local.durations import Durations

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
TICK_SECONDS = 0.2
PLAIN_EVERY_SECONDS = 30.0


class Step:
    """One running step. `update` says what it is waiting for now, `reach` also how far it is.

    `usual` is how long it took when it was last measured, in seconds; 0 when it never was.
    """

    def __init__(self, title: str, started: float, usual: float = 0.0) -> None:
        self.title = title
        self.started = started
        self.usual = usual
        self.detail = ""
        self._share: float | None = None

    def update(self, detail: str) -> None:
        """Say what is awaited."""
        self.detail = detail

    def reach(self, share: float, detail: str = "") -> None:
        """Say which share of the time is behind us, from 0 to 1, by what is done and not by the clock."""
        self._share, self.detail = share, detail

    def line(self, now: float) -> str:
        """The step with its details, as far as they are known, and the seconds since it started."""
        details = ", ".join(part for part in (self.detail, *self._outlook(now - self.started)) if part)
        return f"{self.title}{': ' if details else ''}{details} ({now - self.started:.0f} s)"

    def _outlook(self, elapsed: float) -> tuple[str, ...]:
        share, left = outlook(elapsed, self._share, self.usual)
        return (f"{share:.0%}".replace("%", " %"), in_words(left)) if share is not None else ()


def outlook(elapsed: float, share: float | None, usual: float) -> tuple[float | None, float]:
    """The share that is done and the seconds left; no share when nothing is known.

    The further a step is, the more its own pace counts, and the less what is usual. A step that takes longer than usual is never said to be done.
    """
    if share is None:
        return (min(elapsed / usual, 0.99), max(usual - elapsed, 0.0)) if usual else (None, 0.0)
    by_pace = elapsed * (1 - share) / share if share else usual
    expected = usual * (1 - share) if usual else by_pace
    return share, share * by_pace + (1 - share) * expected


def in_words(seconds: float) -> str:
    """Time left, as a person says it."""
    if seconds < 45:
        return "less than a minute left"
    minutes = max(round(seconds / 60), 1)
    return f"about {minutes} minute{'s' if minutes > 1 else ''} left"


class Progress:
    """Writes to one stream: a moving line on a terminal, a line at the start, each 30 s and at the end elsewhere."""

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        live: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
        durations: Durations | None = None,
    ) -> None:
        self._durations = durations if durations is not None else Durations()
        self._stream = stream if stream is not None else sys.stderr
        self._live = live if live is not None else self._stream.isatty() and not os.environ.get("CI")
        self._clock = clock
        self._lock = threading.Lock()
        self._running: list[Step] = []
        self._whole = Step("", 0.0)

    @contextmanager
    def whole(self, measured: str) -> Iterator[None]:
        """Say with each step, too, how far all of the block is, by how long it took here the last time."""
        self._whole = Step("in all", self._clock(), self._durations.usual(measured))
        yield
        self._durations.keep(measured, self._clock() - self._whole.started)
        self._whole = Step("", 0.0)

    @contextmanager
    def step(self, title: str, measured: str = "") -> Iterator[Step]:
        """Show a step for as long as the block runs; a block that raises is shown as failed, and the error goes on.

        `measured` is the name under which its time is kept for the next run on this machine.
        """
        step, stop = Step(title, self._clock(), self._durations.usual(measured)), threading.Event()
        if not self._live:
            self._write(f"... {title}\n")
        ticker = threading.Thread(target=self._tick, args=(step, stop), daemon=True)
        self._running.append(step)
        ticker.start()
        try:
            yield step
        except BaseException:
            self._end(step, stop, ticker, "failed")
            raise
        self._end(step, stop, ticker, "ok")
        if measured:
            self._durations.keep(measured, self._clock() - step.started)

    def say(self, text: str) -> None:
        """One line that stays."""
        self._write(("\r\x1b[K" if self._live else "") + text + "\n")

    def _end(self, step: Step, stop: threading.Event, ticker: threading.Thread, outcome: str) -> None:
        stop.set()
        ticker.join()
        self._running.remove(step)
        mark = {"ok": "✓", "failed": "✗"}[outcome] if self._live else outcome
        self.say(f"{mark} {step.title} ({self._clock() - step.started:.1f} s)")

    def _tick(self, step: Step, stop: threading.Event) -> None:
        turn = 0
        while not stop.wait(TICK_SECONDS if self._live else PLAIN_EVERY_SECONDS):
            now = self._clock()
            if not self._live:
                self._write(f"    still: {step.line(now)}{self._of_all(now)}\n")
            elif step is next(iter(self._running), None):  # one line for all that runs: the oldest has it
                more = f", and {len(self._running) - 1} more" if len(self._running) > 1 else ""
                self._write(f"\r\x1b[K{SPINNER[turn % len(SPINNER)]} {step.line(now)}{more}{self._of_all(now)}")
            turn += 1

    def _of_all(self, now: float) -> str:
        return f"; {self._whole.line(now)}" if self._whole.usual else ""

    def _write(self, text: str) -> None:
        with self._lock:
            self._stream.write(text)
            self._stream.flush()


class Silent(Progress):
    """For callers that show their own progress."""

    def __init__(self) -> None:
        super().__init__(live=False)

    def _write(self, text: str) -> None:
        """Nothing is shown."""
