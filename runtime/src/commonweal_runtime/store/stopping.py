"""The end of a task."""

from __future__ import annotations

import asyncio
from typing import Any


async def stop(task: asyncio.Task[Any]) -> None:
    """Cancel a task and return when it has ended, with whatever it ended. A cancellation of the caller meanwhile is the caller's, and comes through."""
    task.add_done_callback(_heard)
    task.cancel()
    await asyncio.wait([task])


def stop_if_cancelled() -> None:
    """Raise CancelledError if the running task was told to end: an error of what it was busy with can have taken that one's place.

    So it is where a store dies and its keeper is told to end: what a driver says of its broken connection comes after the cancellation, and hides it.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _heard(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()  # else asyncio says that it was never retrieved
