"""Doing something again and again while something else happens: for tests, and for benches."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Self


class Repeating:
    """Calls `act` every so many seconds, in a thread of its own, for as long as the block runs; never after it."""

    def __init__(self, seconds: float, act: Callable[[], object]) -> None:
        self._seconds, self._act, self._stop = seconds, act, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            self._act()
