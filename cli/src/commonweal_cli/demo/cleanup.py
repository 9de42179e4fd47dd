"""What an earlier demonstration left when it was killed: found and ended, so that the next one, or `down`, starts from something whole.

Whatever a demonstration starts carries its mark in its environment: who began it, and for which home. What is meant to outlive it (the sites,
the heritage machine) carries none.
"""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from commonweal_local import paths, sites
from commonweal_local.sites import bridge, processes
from commonweal_local.sites.site import Site, all_sites
from commonweal_local.waiting import within

MARK = "COMMONWEAL_DEMO"
PROC = Path("/proc")
GRACE_SECONDS = 20.0  # pulumi then writes its state down and lets go of its lock


def sign() -> None:
    """Mark all that this process starts from now on as its own."""
    os.environ[MARK] = f"{os.getpid()} {_started(os.getpid())} {paths.home()}"


def unmarked() -> dict[str, str]:
    """Return the environment for what is to outlive this process."""
    return {key: value for key, value in os.environ.items() if key != MARK}


def end() -> list[str]:
    """End what killed runs of this home left, and say what that was. What a living one started is left alone."""
    found = orphans(PROC, str(paths.home()))
    first = [pid for pid in found if _parent(pid) not in found]
    said = [f"{_name(_argv(pid))} (process {pid}) of an earlier run that was killed" for pid in first]
    _end(first, signal.SIGTERM, GRACE_SECONDS)
    _end(found, signal.SIGKILL, 5.0)
    return said + _half_started_sites()


def orphans(proc: Path, home: str) -> list[int]:
    """Return the processes that carry the mark of a run of this home which no longer lives."""
    found = []
    for entry in proc.iterdir():
        mark = _mark(entry) if entry.name.isdigit() else None
        if mark is None or not processes.alive(int(entry.name)):
            continue
        pid, started, of = mark
        if of == home and _started(int(pid), proc) != started:
            found.append(int(entry.name))
    return sorted(found)


def _half_started_sites() -> list[str]:
    """End first processes that were started, but not yet written down, and sites that were not yet given their cable."""
    with _nobody_else_starts_sites() as alone:
        if not alone:
            return []
        strays = _strays(paths.sites())
        _end(strays, signal.SIGKILL, 10.0)
        said = [f"a site (process {pid}) that was only half started" for pid in strays]
    cut_short = [site.name for site in all_sites(paths.sites()) if _without_cable(site)]
    if cut_short:
        sites.down(cut_short, keep=True)
    return said + [f"site {name}, which had no network yet" for name in cut_short]


def _without_cable(site: Site) -> bool:
    return site.runs_pods and processes.first_process(site) is not None and site.link not in bridge.links()


def _strays(root: Path) -> list[int]:
    """Return the processes that are, or become, the first of a site below `root`, but which no site knows."""
    known = {pid for pid in map(processes.first_process, all_sites(root)) if pid is not None}
    known |= {_parent(pid) for pid in known}
    return [pid for pid in _pids() if pid not in known and _becomes_first(_argv(pid), root)]


def _becomes_first(argv: list[str], root: Path) -> bool:
    return argv[-3:-1] == ["-m", processes.MODULE] and Path(argv[-1]).parent == root


@contextmanager
def _nobody_else_starts_sites() -> Iterator[bool]:
    """Hold the lock of `sites.up`; False when somebody holds it, who will write down what they start."""
    paths.sites().mkdir(parents=True, exist_ok=True)
    with (paths.sites() / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _end(pids: Iterable[int], how: signal.Signals, seconds: float) -> None:
    living = [pid for pid in pids if processes.alive(pid)]
    for pid in living:
        try:
            os.kill(pid, how)
        except ProcessLookupError:
            continue
    within(seconds, lambda: not any(map(processes.alive, living)))


def _mark(entry: Path) -> list[str] | None:
    """Return the three words of a process's mark, or None when it has none, is gone, or is not ours to look at."""
    try:
        variables = (entry / "environ").read_bytes().split(b"\0")
    except OSError:
        return None
    found = next((text for text in variables if text.startswith(f"{MARK}=".encode())), None)
    words = found.decode(errors="replace").partition("=")[2].split(" ", 2) if found else []
    return words if len(words) == 3 and words[0].isdigit() else None


def _started(pid: int, proc: Path = PROC) -> str:
    """Return when a process started, in the kernel's ticks, or nothing when it is gone: numbers of processes are used again."""
    fields = _stat(pid, proc)
    return fields[19] if len(fields) > 19 else ""


def _parent(pid: int) -> int:
    fields = _stat(pid, PROC)
    return int(fields[1]) if fields else 0


def _stat(pid: int, proc: Path) -> list[str]:
    try:
        return (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _argv(pid: int) -> list[str]:
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
    except OSError:
        return []


def _name(argv: list[str]) -> str:
    """Say which program that is; of a Python module, the module."""
    return argv[argv.index("-m") + 1] if "-m" in argv[:-1] else Path(argv[0] if argv else "a program").name


def _pids() -> list[int]:
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]
