"""A thread for a driver that blocks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager

END_SECONDS = 5.0


def _nothing() -> None:
    """Be done once everything before it is, and what that held is let go."""


@asynccontextmanager
async def own_thread(name: str, cut: Callable[[], None] = _nothing) -> AsyncIterator[Executor]:
    """Lend one thread, and take it back only when it has let go what it held: the memory of a load that failed is there for the next one.

    `cut` ends what the thread waits for at that moment; one that waits on is left to itself after `END_SECONDS`. MemoryError where there is no room for its stack.
    """
    loop, thread = asyncio.get_running_loop(), ThreadPoolExecutor(1, thread_name_prefix=name)
    try:
        loop.run_in_executor(thread, _nothing)
    except RuntimeError:  # «can't start new thread»
        raise MemoryError from None
    try:
        yield thread
    finally:
        cut()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(END_SECONDS):
                    await loop.run_in_executor(thread, _nothing)
        finally:
            thread.shutdown(wait=False)
