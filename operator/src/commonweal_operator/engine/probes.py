"""Health, readiness and metrics over HTTP, served by the very loop they speak of: a blocked loop does not answer, and the kubelet restarts it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

LAG_LIMIT_SECONDS = 5.0
BEAT_SECONDS = 0.5
_REMEMBERED = 60  # beats


class LoopWatch:
    """Measures how late the event loop is. More than 5 s within the last half minute means that it is not healthy."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lags: deque[float] = deque(maxlen=_REMEMBERED)

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            before = self._clock()
            await asyncio.sleep(BEAT_SECONDS)
            self.note(self._clock() - before - BEAT_SECONDS)

    def note(self, lag: float) -> None:
        """Take one measurement, in seconds."""
        self._lags.append(max(0.0, lag))

    @property
    def worst(self) -> float:
        """The worst lag remembered, in seconds."""
        return max(self._lags, default=0.0)

    @property
    def healthy(self) -> bool:
        """Whether the loop kept up."""
        return self.worst < LAG_LIMIT_SECONDS


class Probes:
    """`/healthz`, `/readyz`, `/metrics`; anything else is 404. Requests are read up to 8 KiB and within 5 s."""

    def __init__(self, healthy: Callable[[], bool], ready: Callable[[], bool], metrics: Callable[[], str]) -> None:
        self._healthy, self._ready, self._metrics = healthy, ready, metrics

    async def serve(self, host: str, port: int, listening: Callable[[int], None] = lambda _: None) -> None:
        """Serve until cancelled; `listening` is told the port, which matters when `port` is 0."""
        server = await asyncio.start_server(self._answer, host, port, limit=8192)
        listening(server.sockets[0].getsockname()[1])
        async with server:
            await server.serve_forever()

    def response(self, path: str) -> tuple[int, str]:
        """Return status and body for a path."""
        if path == "/metrics":
            return 200, self._metrics()
        check = {"/healthz": self._healthy, "/readyz": self._ready}.get(path)
        if check is None:
            return 404, "not found: there are /healthz, /readyz and /metrics\n"
        return (200, "ok\n") if check() else (503, "not yet\n" if path == "/readyz" else "the event loop is blocked\n")

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(5):
                line = await reader.readline()
                while (await reader.readline()).strip():
                    pass
            parts = line.decode("latin-1").split()
            status, body = self.response(parts[1].partition("?")[0] if len(parts) == 3 else "")
            head = f"HTTP/1.1 {status} {'OK' if status == 200 else 'No'}\r\nContent-Type: text/plain; version=0.0.4\r\n"
            writer.write(f"{head}Content-Length: {len(body.encode())}\r\nConnection: close\r\n\r\n{body}".encode())
            await writer.drain()
        except (TimeoutError, ValueError, OSError):
            pass  # a client that does not speak HTTP is not our concern
        finally:
            writer.close()
