"""What bounds a read: whether the server's machine answers, not how long it computes.

A view can need an hour for its first row, and a row that waits for a lock comes when the lock goes: the kernel answers probes meanwhile.
"""

from __future__ import annotations

import socket
from typing import Protocol

_PROBES = {
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE): 1,
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE): 20,
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL): 10,
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT): 4,
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT): 60_000,  # ms
}


class Line(Protocol):
    """A socket, or what an event loop shows of one."""

    def setsockopt(self, level: int, option: int, value: int, /) -> None:
        """Set an option, as of any socket."""
        ...


def probe(line: Line) -> None:
    """Have a connection break within a minute once the machine at its other end is gone or cut off."""
    for (level, option), value in _PROBES.items():
        line.setsockopt(level, option, value)
