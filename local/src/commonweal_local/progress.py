"""Progress that a person can follow: each long step says what it waits for and for how long it has."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
TICK_SECONDS = 0.2
PLAIN_EVERY_SECONDS = 30.0


class Step:
    """One running step. `update` says what it is waiting for now."""

    def __init__(self, title: str, started: float) -> None:
        self.title = title
        self.started = started
        self.detail = ""

    def update(self, detail: str) -> None:
        """Say what is awaited, or how far it is ("3 of 9", "42 %")."""
        self.detail = detail

    def line(self, now: float) -> str:
        detail = f": {self.detail}" if self.detail else ""
        return f"{self.title}{detail} ({now - self.started:.0f} s)"


class Progress:
    """Writes to one stream: a moving line on a terminal, a line at the start, each 30 s and at the end elsewhere."""

    def __init__(self, stream: TextIO | None = None, *, live: bool | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._live = live if live is not None else self._stream.isatty() and not os.environ.get("CI")
        self._clock = clock
        self._lock = threading.Lock()

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Show a step for as long as the block runs; a block that raises is shown as failed, and the error goes on."""
        step, stop = Step(title, self._clock()), threading.Event()
        if not self._live:
            self._write(f"... {title}\n")
        ticker = threading.Thread(target=self._tick, args=(step, stop), daemon=True)
        ticker.start()
        try:
            yield step
        except BaseException:
            self._end(step, stop, ticker, "failed")
            raise
        self._end(step, stop, ticker, "ok")

    def say(self, text: str) -> None:
        """One line that stays."""
        self._write(("\r\x1b[K" if self._live else "") + text + "\n")

    def _end(self, step: Step, stop: threading.Event, ticker: threading.Thread, outcome: str) -> None:
        stop.set()
        ticker.join()
        mark = {"ok": "✓", "failed": "✗"}[outcome] if self._live else outcome
        self.say(f"{mark} {step.title} ({self._clock() - step.started:.1f} s)")

    def _tick(self, step: Step, stop: threading.Event) -> None:
        turn = 0
        while not stop.wait(TICK_SECONDS if self._live else PLAIN_EVERY_SECONDS):
            now = self._clock()
            if self._live:
                self._write(f"\r\x1b[K{SPINNER[turn % len(SPINNER)]} {step.line(now)}")
            else:
                self._write(f"    still: {step.line(now)}\n")
            turn += 1

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
