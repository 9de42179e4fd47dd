"""Waiting for something to become true, with a deadline that says what was awaited."""

from __future__ import annotations

from collections.abc import Callable

from commonweal_stacks.waiting import within

__all__ = ["until", "within"]


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
