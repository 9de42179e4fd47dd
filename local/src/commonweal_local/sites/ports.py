"""Ports on loopback: whether a site's own are free, and who has one that is not."""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path

from commonweal_local.exceptions import LocalError
from commonweal_local.sites.site import Site
from commonweal_local.waiting import within

TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
LISTENS, ENDED = "0A", "06"
SHOWN = 100
ENDING_SECONDS = 5.0
SOMEBODY = "a program that cannot be seen: another user's, or one in another container"


def of(site: Site) -> tuple[int, ...]:
    """Every port that the site listens on; etcd's second one is that of its peers."""
    return (*astuple(site.ports), site.ports.etcd + 1)


def taken(site: Site) -> int | None:
    """The first port of a site on loopback that another program has, such as a site of another home."""
    return next((port for port in of(site) if not is_free(port)), None)


def require_free(site: Site) -> None:
    """For a site on loopback: raise LocalError that names who has one of its ports. What is just ending is waited for."""
    within(ENDING_SECONDS, lambda: not (port := taken(site)) or _pid_of(port) is not None, every=0.05)
    port = taken(site)
    if port:
        raise LocalError(
            f"Port {port}, which site {site.name!r} needs, is held by {holder(port)}",
            "End that program, then repeat: the site keeps its address, and never takes another.",
        )


def holder(port: int) -> str:
    """Who has a port, as a person looks for it: command and pid."""
    pid = _pid_of(port)
    return f"{_command(pid)} (pid {pid})" if pid else SOMEBODY


def stranger(site: Site, members: Collection[int]) -> str:
    """Which port of a running site on loopback a program has that is none of its own; nothing when there is none, or it cannot be seen."""
    for port in of(site):
        pid = _pid_of(port)
        if pid and pid not in members:
            return f"port {port} is held by {_command(pid)} (pid {pid})"
    return ""


def is_free(port: int) -> bool:
    """Whether a program could listen at the port of loopback now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _pid_of(port: int) -> int | None:
    """The process that has a socket at the port: one that listens, else one whose connection begins there."""
    found = dict(sorted(_sockets(port), key=lambda pair: pair[1] != LISTENS))
    wanted = [f"socket:[{inode}]" for inode in found]
    return next((pid for name in wanted for pid, links in _open_sockets() if name in links), None) if wanted else None


def _sockets(port: int) -> Iterator[tuple[str, str]]:
    """Inode and state of each socket at the port that keeps others from it."""
    for table in TABLES:
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for words in map(str.split, lines):
            if int(words[1].rpartition(":")[2], 16) == port and words[3] != ENDED:
                yield words[9], words[3]


def _open_sockets() -> Iterator[tuple[int, set[str]]]:
    """Each process that we may look into, with its sockets."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                yield int(entry.name), {found for link in (entry / "fd").iterdir() if (found := _target(link)).startswith("socket:")}


def _target(link: Path) -> str:
    """Where a link leads; nothing when it is closed by now."""
    try:
        return str(link.readlink())
    except OSError:
        return ""


def _command(pid: int) -> str:
    try:
        words = " ".join(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").split())
    except OSError:
        words = ""
    return words[:SHOWN] or "a program"
