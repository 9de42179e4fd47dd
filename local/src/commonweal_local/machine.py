"""Questions about this machine that several parts ask."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from commonweal_local.failure import LocalError

# Where Debian puts programs for administrators; not on everybody's PATH.
SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"
LEAST_FREE_GIB = 5


def program(name: str) -> str | None:
    """The path of an installed program, also of one for administrators."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}")


def free_gib(path: Path) -> float:
    """Free space, in GiB, where the path is or would be."""
    existing = next(place for place in (path, *path.parents) if place.exists())
    return shutil.disk_usage(existing).free / 2**30


def require_space(path: Path, gib: float = LEAST_FREE_GIB) -> None:
    """Refuse below that: a full disk makes kubelets evict pods, and etcd and builds stop, long after the cause."""
    free = free_gib(path)
    if free < gib:
        raise LocalError(
            f"{path} is on a disk with {free:.1f} GiB free, and this needs {gib:g}",
            "Free some space, or set COMMONWEAL_HOME and COMMONWEAL_CACHE to directories on a larger disk.",
        )


def memory_mib(what: str = "MemTotal") -> int:
    """The machine's memory in MiB; `MemAvailable` is what could be used now without swapping."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) // 1024
    raise KeyError(what)
