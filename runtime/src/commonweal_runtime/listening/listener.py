"""The listener: accepts connections within the shares, and cuts off those that are overdue."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable

from commonweal_runtime.listening.connection import Connection
from commonweal_runtime.listening.limits import Limits
from commonweal_runtime.listening.shares import overflowing, verdict

AT_ONCE = 100
BREATH_SECONDS = 1.0
Make = Callable[[Callable[[Connection], None]], Connection]
Tls = Callable[[], ssl.SSLContext | None]

log = logging.getLogger(__name__)


class Listener:
    """One listening socket. A connection counts from the moment it is accepted, so a TLS handshake holds a place and has its deadline as well.

    `tls` is asked at each connection, so that another certificate counts from the next one on and changes nothing of a handshake under way.
    """

    def __init__(self, listening: socket.socket, make: Make, limits: Limits, tls: Tls = lambda: None) -> None:
        self._socket, self._make, self._limits, self._tls = listening, make, limits, tls
        self._loop = asyncio.get_running_loop()
        self._held: dict[str | None, set[Connection]] = {}
        self._holders: dict[Connection, str | None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Accept, until `stop`."""
        self._socket.setblocking(False)
        self._loop.add_reader(self._socket, self._accept)
        self._sweep()

    def stop(self) -> None:
        """Accept no more. Connections go on, and their deadlines hold."""
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def end(self) -> None:
        """Look at no deadline any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                accepted, peer = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # no descriptor is free: one may be in a moment
                log.error("cannot accept: %s", error)  # noqa: TRY400 - the error's text is all there is
                self._loop.remove_reader(self._socket)
                self._loop.call_later(BREATH_SECONDS, self._resume)
                return
            self._admit(accepted, peer[0])

    def _resume(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.add_reader(self._socket, self._accept)

    def _admit(self, accepted: socket.socket, peer: str) -> None:
        holder = self._limits.holder(peer)
        admitted, displaced = verdict(self._held, holder, self._limits)
        if not admitted:
            accepted.close()
            return
        if displaced is not None:
            displaced.cut()
            self._release(displaced)
        connection = self._make(self._release)
        self._held.setdefault(holder, set()).add(connection)
        self._holders[connection] = holder
        connection.opening = self._loop.create_task(self._open(accepted, connection))

    async def _open(self, accepted: socket.socket, connection: Connection) -> None:
        """Hand the socket over to its connection; one that never gets through its handshake is forgotten."""
        accepted.setblocking(False)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # head and body are two packets, and the second need not wait
        tls = self._tls()
        seconds = self._limits.handshake_seconds if tls else None
        try:
            await self._loop.connect_accepted_socket(lambda: connection, accepted, ssl=tls, ssl_handshake_timeout=seconds)
        except (OSError, TimeoutError, asyncio.CancelledError):
            with contextlib.suppress(OSError):
                accepted.close()
            self._release(connection)

    def _release(self, connection: Connection) -> None:
        """Give back the place of a connection; again is no harm."""
        if connection in self._holders:
            holder = self._holders.pop(connection)
            self._held[holder].discard(connection)
            if not self._held[holder]:
                del self._held[holder]

    def _sweep(self) -> None:
        now = self._loop.time()
        for connection in [c for c in self._holders if c.overdue(now)]:
            connection.cut()
        for connection in overflowing(self._held, {c: c.unsent for c in self._holders}, self._limits.most_unsent):
            connection.cut()
        self._timer = self._loop.call_later(self._limits.sweep_seconds, self._sweep)
