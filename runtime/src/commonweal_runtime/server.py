"""How every web application is started: one process of uvicorn over HTTP/1.1, as the pod is what is multiplied.

Connections come through our own listener, which holds the limits and deadlines for all applications alike before one sees a request.
"""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import ssl
import sys
from collections.abc import Callable

import uvicorn
import uvloop

from commonweal_runtime import core_dumps
from commonweal_runtime.certificates import LOOK_SECONDS, Presented, presented
from commonweal_runtime.exceptions import CertificateMissingError
from commonweal_runtime.listening.connection import Connection
from commonweal_runtime.listening.limits import Limits
from commonweal_runtime.listening.listener import Listener

BACKLOG = 1024
LAST_WORDS_SECONDS = 20
OTHER_FILES = 200  # what a process has open besides connections of clients


def serve(factory: str, port: int) -> None:
    """Serve the application that `factory` ("module:function") makes, until SIGTERM. COMMONWEAL_LISTEN and COMMONWEAL_PORT replace all addresses and `port`.

    It is served over TLS with the certificate in COMMONWEAL_TLS_DIR. Without that variable only this machine is served: any other address ends the process.
    """
    core_dumps.forbid()
    limits = Limits.from_environment()
    _allow_files(limits.connections + OTHER_FILES)
    host = os.environ.get("COMMONWEAL_LISTEN", "0.0.0.0")  # noqa: S104 - the pod's own address; a NetworkPolicy says who reaches it
    address = host, int(os.environ.get("COMMONWEAL_PORT", port))
    try:
        tls = presented(host)
    except CertificateMissingError as error:
        sys.exit(str(error))
    uvloop.run(Server(configuration(factory, limits), address, limits, tls).serve())


def configuration(factory: str, limits: Limits) -> uvicorn.Config:
    """Return how uvicorn runs an application. What a proxy says of its client is believed of trusted proxies only."""
    return uvicorn.Config(
        factory,
        factory=True,
        interface="asgi3",
        http=Connection,
        ws="none",
        lifespan="on",
        proxy_headers=bool(limits.trusted_proxies),
        forwarded_allow_ips=[str(network) for network in limits.trusted_proxies],
        timeout_keep_alive=int(limits.idle_seconds) + 1,  # the listener's deadline comes first
        timeout_graceful_shutdown=LAST_WORDS_SECONDS,
        server_header=False,
        access_log=False,
        log_config=None,
    )


class Server(uvicorn.Server):
    """uvicorn, which is given its connections by our listener."""

    def __init__(self, config: uvicorn.Config, address: tuple[str, int], limits: Limits, tls: Presented | None = None) -> None:
        super().__init__(config)
        self._address, self._limits, self._tls = address, limits, tls
        self._listener: Listener | None = None
        self._looking: asyncio.TimerHandle | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen once the application has started."""
        await super().startup(sockets=sockets or [])
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        listening = socket.create_server(self._address, family=family, backlog=BACKLOG)
        self._listener = Listener(listening, self._connection, self._limits, self._context)
        self._listener.start()
        self._look()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer who still comes, for `leaving_seconds`; then finish what is under way, within `LAST_WORDS_SECONDS`."""
        # A pod is told to end at the moment in which balancers are told to send nobody there any more, and they hear it later than the pod does.
        try:
            await asyncio.sleep(self._limits.leaving_seconds)
        finally:
            if self._listener is not None:
                self._listener.stop()
        await super().shutdown(sockets=sockets or [])
        if self._listener is not None:
            self._listener.end()
        if self._looking is not None:
            self._looking.cancel()

    def _look(self) -> None:
        """Present another certificate soon after it was put in place."""
        if self._tls is not None:
            self._tls.refresh()
            self._looking = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def _context(self) -> ssl.SSLContext | None:
        return self._tls.context if self._tls is not None else None

    def _connection(self, lost: Callable[[Connection], None]) -> Connection:
        return Connection(self._limits, lost, config=self.config, server_state=self.server_state, app_state=self.lifespan.state)


def _allow_files(wanted: int) -> None:
    """Let this process have as many files open as its connections need, as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
