"""The processes of a site, seen from the host: which they are, whether they live, what they use."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from commonweal_local.sites.site import Site
from commonweal_local.sites.supervisor import is_zombie

MODULE = "commonweal_local.sites.init"


def launch(argv: Sequence[str], directory: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a first process in a session of its own, so that it outlives us; what it says goes to `init.log` in the directory."""
    with (directory / "init.log").open("ab") as log:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=environment)


def first_process(site: Site) -> int | None:
    """Host pid of the site's first process, or None. The command line is compared, since pids are used again."""
    try:
        pid = int((site.directory / "init.pid").read_text())
    except (OSError, ValueError):
        # Somebody removed the site's files under it: what runs must still be found, to be ended.
        return next((pid for pid in _all_pids() if _is_first(pid, site)), None)
    return pid if _is_first(pid, site) else None


def has_namespaces(pid: int) -> bool:
    """Whether the process lives in a PID namespace other than ours, as the first process of a site with pods does."""
    return _namespace(pid) != _namespace(os.getpid())


def is_starting(pid: int, site: Site) -> bool:
    """Whether a forked process has by now become the site's first process."""
    return _is_first(pid, site)


def members(site: Site) -> dict[int, int]:
    """Host pid -> pid inside the site, of every process of the site."""
    first = first_process(site)
    if first is None:
        return {}
    return _in_namespace(site, first) if site.runs_pods else {pid: pid for pid in _descendants(first)}


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists() and not is_zombie(pid)


def memory_mib(pids: Iterable[int]) -> int:
    """Proportional set size: pages shared with other processes count in equal parts, so sums are true."""
    return sum(_pss_kib(pid) for pid in pids) // 1024


def cpu_seconds(pids: Iterable[int]) -> float:
    """Processor time used so far, user and system."""
    return sum(_ticks(pid) for pid in pids) / os.sysconf("SC_CLK_TCK")


def _is_first(pid: int, site: Site) -> bool:
    try:
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return argv[1:4] == [b"-m", MODULE.encode(), str(site.directory).encode()] and not is_zombie(pid)


def _in_namespace(site: Site, first: int) -> dict[int, int]:
    """Every process at or below the site's PID namespace; pods that have a namespace of their own are one level deeper."""
    depth = len(_namespace_ids(first))
    own = _namespace(first)
    found = {}
    for pid in _all_pids():
        ids = _namespace_ids(pid)
        nested = len(ids) > depth and f"/{site.cgroup}/" in _text(f"/proc/{pid}/cgroup")
        if len(ids) >= depth and (_namespace(pid) == own or nested):
            found[pid] = ids[depth - 1]
    return found


def _all_pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _descendants(first: int) -> list[int]:
    found, todo = [], [first]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += map(int, _text(f"/proc/{pid}/task/{pid}/children").split())
    return found


def _namespace(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:
        return ""


def _namespace_ids(pid: int) -> list[int]:
    """The process's pid in each nested PID namespace, outermost first."""
    for line in _text(f"/proc/{pid}/status").splitlines():
        if line.startswith("NSpid:"):
            return [int(word) for word in line.split()[1:]]
    return []


def _pss_kib(pid: int) -> int:
    lines = _text(f"/proc/{pid}/smaps_rollup").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _ticks(pid: int) -> int:
    fields = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12]) if fields else 0


def _text(path: str) -> str:
    """A file of /proc, or nothing when the process is gone."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""
