"""How much memory the keeper may take: a little less than its container has.

What a source sends decides how much a load takes, and whoever drafts a product names the source. A container that takes more than its limit is killed whole and
waits up to five minutes to be started again, and while it waits nothing is closed, sealed or swept. An allocation that fails ends the load alone; where many loads together
leave nothing for the rest of the keeper, it begins again in the same process, with what is to be closed.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import resource
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

# What the kernel counts against the container and not against this limit: pages of files, page tables, the sockets' buffers.
KEPT_BYTES = 48 << 20
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
AGAIN_SECONDS = 1.0
_NONE = 1 << 50  # how the older of the two says that there is no limit
# glibc's allocator, as malloc.h numbers what can be set.
_ARENA_MAX, _MMAP_THRESHOLD = -8, -3
# What is this long or longer goes back to the system at once, however long what was let go before: by itself the allocator keeps ever longer blocks for later.
GIVEN_BACK_BYTES = 128 << 10
STACK_BYTES = 1 << 20  # of a thread; the eight megabytes that are usual would count whole, used or not

log = logging.getLogger(__name__)


def container_bytes(files: tuple[Path, ...] = _LIMITS) -> int | None:
    """Return the container's memory limit, or None where there is none."""
    found = next((text for file in files if file.exists() and (text := file.read_text().strip()).isdigit()), None)
    return int(found) if found is not None and int(found) < _NONE else None


def bound(limit: int | None) -> None:
    """Have this process refuse itself what a container of `limit` bytes would be killed for, and give back what it no longer holds; without a limit nothing changes."""
    if limit is not None and limit > KEPT_BYTES:
        _give_back()
        _, hardest = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (limit - KEPT_BYTES, hardest))


def _give_back() -> None:
    """Leave nothing of a failed load with the allocator, where it would count against the limit and be missing to threads, whose stacks come from the system."""
    threading.stack_size(STACK_BYTES)
    choose = getattr(ctypes.CDLL(None), "mallopt", None)  # another C library gives back by itself
    if choose is not None:
        choose(_MMAP_THRESHOLD, GIVEN_BACK_BYTES)
        choose(_ARENA_MAX, 1)  # what a thread has let go serves the next one, too


async def outlasting(work: Callable[[], Awaitable[None]], pause: float = AGAIN_SECONDS) -> None:
    """Run `work` until it ends, and again whenever memory ran out in it, once what it held is let go. Raises whatever else ended it."""
    ran_out = True
    while ran_out:
        ran_out = False
        try:
            await work()
        except Exception as ended:
            if not _ran_out(ended):
                raise
            ran_out = True
        if ran_out:
            gc.collect()
            log.error("memory ran out, so the keeper begins again: too many sources give too much at once")
            await asyncio.sleep(pause)


def _ran_out(error: Exception) -> bool:
    if isinstance(error, ExceptionGroup):
        return all(map(_ran_out, error.exceptions))
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and str(error) == "can't start new thread")
