"""A server that is told to end is still sent clients for a moment, and none of them finds the door shut."""

from __future__ import annotations

import asyncio
import socket

from unit.runtime.listening.test_listener import ASKED, HONEST, application, run

from commonweal_runtime.listening.limits import Limits
from commonweal_runtime.server import Server, configuration
from support.waiting import HANG


class Told(Server):
    """Says when it has begun to end."""

    leaving: asyncio.Event

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.leaving.set()
        await super().shutdown(sockets)


def server(leaving_seconds: float) -> tuple[Told, int]:
    """Return a server that is not started, and its port."""
    with socket.create_server((HONEST, 0)) as free:
        port = free.getsockname()[1]
    limits = Limits(leaving_seconds=leaving_seconds)
    config = configuration(lambda: application, limits)
    config.lifespan = "off"
    made = Told(config, (HONEST, port), limits)
    made.leaving = asyncio.Event()
    return made, port


def test_who_comes_while_balancers_still_lead_there_is_answered() -> None:
    async def script() -> None:
        leaving, port = server(HANG)
        serving = asyncio.create_task(leaving.serve())
        leaving.should_exit = True  # as SIGTERM does
        await leaving.leaving.wait()
        reader, writer = await asyncio.open_connection(HONEST, port)
        writer.write(ASKED + b"Connection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()
        serving.cancel()
        await asyncio.wait([serving])

    run(script())


def test_a_server_that_nobody_is_led_to_ends_at_once() -> None:
    async def script() -> None:
        alone, _ = server(0)
        alone.should_exit = True
        await alone.serve()

    run(script())
