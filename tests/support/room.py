"""Where the servers of a test run keep their files: in memory where there is room, so that no test waits for a disk on which others write.

Settings stay the product's own, fsync too: what a killed process had written is there afterwards on either. Benches measure disks: they
never call `in_memory`.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from contextlib import suppress
from pathlib import Path

DISK, MEMORY = Path("/tmp"), Path("/dev/shm")
ENOUGH = 3 << 30
PREFIX = "commonweal-test"

_place = [DISK]


def in_memory() -> None:
    """From now on keep the servers' files in memory, if it has room; what killed runs left there is ended and removed."""
    for left in MEMORY.glob(f"{PREFIX}-*"):
        if not Path("/proc", left.name.removeprefix(f"{PREFIX}-").partition("-")[0]).exists():
            _clear(left)
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ENOUGH:
        _place[0] = MEMORY


def _clear(left: Path) -> None:
    with suppress(OSError, ValueError):
        postmaster = int((left / "data" / "postmaster.pid").read_text().splitlines()[0])
        if Path(f"/proc/{postmaster}/cwd").readlink() == left / "data":
            os.kill(postmaster, signal.SIGQUIT)
    shutil.rmtree(left, ignore_errors=True)


def directory(purpose: str) -> Path:
    """Make a directory that bears this process's id, so that another run knows whether it is still needed."""
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}-{os.getpid()}-{purpose}-", dir=_place[0]))
