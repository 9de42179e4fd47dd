"""Health, readiness and metrics over HTTP, served by a thread of their own: work that keeps the loop busy is no reason to be restarted, and begins anew after it.

A loop that has not come round for a minute hangs, and then the kubelet is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable

STALL_SECONDS = 60.0
BEAT_SECONDS = 0.5
_REMEMBERED = 60  # beats


class LoopWatch:
    """Measures how late the event loop is. It is healthy as long as it comes round; asked from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._last = clock, clock()
        self._lags: deque[float] = deque(maxlen=_REMEMBERED)

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            self.beat()
            await asyncio.sleep(BEAT_SECONDS)

    def beat(self) -> None:
        """Take note that the loop has come round; it was to do so every half second."""
        now = self._clock()
        self._lags.append(max(0.0, now - self._last - BEAT_SECONDS))
        self._last = now

    @property
    def worst(self) -> float:
        """The worst lag remembered, in seconds."""
        return max(tuple(self._lags), default=0.0)

    @property
    def healthy(self) -> bool:
        """Whether the loop has come round within the last minute."""
        return self._clock() - self._last < STALL_SECONDS


class Probes:
    """`/healthz`, `/readyz`, `/metrics`; anything else is 404. Requests are read up to 8 KiB and within 5 s. What answers is called in the probes' thread."""

    def __init__(self, healthy: Callable[[], bool], ready: Callable[[], bool], metrics: Callable[[], str]) -> None:
        self._healthy, self._ready, self._metrics = healthy, ready, metrics

    async def serve(self, host: str, port: int, listening: Callable[[int], None] = lambda _: None) -> None:
        """Serve in a thread until cancelled; `listening` is told the port, which matters when `port` is 0."""
        loop, ended = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()
        serving = _Serving(self._answer, host, port)

        def run() -> None:
            fault = serving.run(lambda bound: _tell(loop, listening, bound))
            _tell(loop, _settle, ended, fault)

        thread = threading.Thread(target=run, name="probes", daemon=True)
        thread.start()
        try:
            await asyncio.shield(ended)
        finally:
            serving.stop()
            thread.join()

    def response(self, path: str) -> tuple[int, str]:
        """Return status and body for a path."""
        if path == "/metrics":
            return 200, self._metrics()
        check = {"/healthz": self._healthy, "/readyz": self._ready}.get(path)
        if check is None:
            return 404, "not found: there are /healthz, /readyz and /metrics\n"
        return (200, "ok\n") if check() else (503, "not yet\n" if path == "/readyz" else "the event loop hangs\n")

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


class _Serving:
    """The server's own loop, in whatever thread calls `run`."""

    def __init__(self, answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], host: str, port: int) -> None:
        self._answer, self._host, self._port = answer, host, port
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()

    def run(self, listening: Callable[[int], None]) -> BaseException | None:
        """Serve until stopped; return what ended it otherwise."""
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve(listening))
        except Exception as fault:  # noqa: BLE001 - raised where the probes were asked for
            return fault
        return None

    def stop(self) -> None:
        """Have it end, from any thread; safe when it has ended."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop.set)

    async def _serve(self, listening: Callable[[int], None]) -> None:
        server = await asyncio.start_server(self._answer, self._host, self._port, limit=8192)
        async with server:
            listening(server.sockets[0].getsockname()[1])
            await self._stop.wait()


def _tell(loop: asyncio.AbstractEventLoop, what: Callable[..., None], *told: object) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended before
        loop.call_soon_threadsafe(what, *told)


def _settle(ended: asyncio.Future[None], fault: BaseException | None) -> None:
    if ended.done():
        return
    if fault is None:
        ended.set_result(None)
    else:
        ended.set_exception(fault)
