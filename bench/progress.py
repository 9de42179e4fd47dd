"""A line that says how far something is and how long it still takes; on a terminal it is drawn over itself, in a log it comes at each tenth."""

from __future__ import annotations

import sys
import time

WIDTH = 30


class Progress:
    """Progress of `what` towards `total`, in any unit."""

    def __init__(self, what: str, total: float) -> None:
        self._what, self._total = what, max(total, 1)
        self._begun, self._told = time.monotonic(), -1

    def at(self, done: float) -> None:
        """Show that `done` of the total is done."""
        share = min(done / self._total, 1.0)
        spent = time.monotonic() - self._begun
        left = f"{spent / share - spent:4.0f} s left" if 0 < share < 1 else f"{spent:4.0f} s     " if share else ""
        line = f"  {self._what} [{'#' * int(WIDTH * share):{WIDTH}}] {share:4.0%} {left}"
        if sys.stdout.isatty():
            print("\r" + line, end="\n" if share == 1 else "", flush=True)
        elif int(share * 10) > self._told:
            self._told = int(share * 10)
            print(line, flush=True)

    @property
    def seconds(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._begun
