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


def until(
    what: str,
    seconds: float,
    condition: Callable[[], bool],
    *,
    every: float = 0.1,
    meanwhile: tuple[type[BaseException], ...] = (),
) -> None:
    """Wait until the condition is true; raises TimeoutError that names what was awaited and why it was not there.

    Exceptions of the kinds in `meanwhile` mean "not yet", as from a server that is starting.
    """
    last = ""

    def asked() -> bool:
        nonlocal last
        try:
            return condition()
        except meanwhile as error:
            last = f" ({error})"
            return False

    if not within(seconds, asked, every=every):
        raise TimeoutError(f"{what}: not there after {seconds:.0f} s{last}")
