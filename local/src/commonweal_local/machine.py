"""Questions about this machine that several parts ask."""

from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path

from commonweal_local import paths
from commonweal_local.exceptions import LocalError

# Where Debian puts programs for administrators; not on everybody's PATH.
SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"
LEAST_FREE_GIB = 5
PT_INTERP = 3


def program(name: str) -> str | None:
    """The path of an installed program, also of one for administrators."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}")


def is_static(path: Path) -> bool:
    """Whether a program needs no file but itself: an ELF file that asks for no loader."""
    with path.open("rb") as file:
        head = file.read(64)
        if head[:6] != b"\x7fELF\x02\x01":  # 64 bits, little end first: all that is built for here
            return False
        (offset,) = struct.unpack_from("<Q", head, 32)
        size, count = struct.unpack_from("<HH", head, 54)
        file.seek(offset)
        table = file.read(size * count)
    return all(struct.unpack_from("<I", table, size * number)[0] != PT_INTERP for number in range(count))


def free_gib(path: Path) -> float:
    """Free space, in GiB, where the path is or would be."""
    existing = next(place for place in (path, *path.parents) if os.path.exists(place))  # noqa: PTH110 - Path.exists raises where it may not look
    return shutil.disk_usage(existing).free / 2**30


def require_space(path: Path, gib: float = LEAST_FREE_GIB) -> None:
    """Refuse a place that cannot be written, or has less: a full disk makes kubelets evict pods, and etcd and builds stop, long after the cause."""
    paths.require_writable(path)
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
