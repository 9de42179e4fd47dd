"""Waiting for something to become true, with a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_never = threading.Event()


def within(seconds: float, condition: Callable[[], bool], *, every: float = 0.1) -> bool:
    """Whether the condition became true in time; it is asked at least once."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= end:
            return False
        _never.wait(every)
    return True
