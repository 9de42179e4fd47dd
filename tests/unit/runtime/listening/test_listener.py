"""Attack j on the server itself: whoever holds connections without using them is cut off, and an honest client is answered all the while.

The attackers come from other loopback addresses than the honest client. Numbers and deadlines are small; the code is what pods run.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvloop
from uvicorn.server import ServerState

from commonweal_runtime.listening.connection import Connection
from commonweal_runtime.listening.limits import Limits
from commonweal_runtime.listening.listener import Listener
from commonweal_runtime.server import configuration
from support.certificates import self_signed
from support.waiting import HANG, until

HONEST, ATTACKERS = "127.0.0.1", ("127.0.0.2", "127.0.0.3", "127.0.0.4")
PATIENT = Limits(connections=6, per_address=4)
HASTY = Limits(handshake_seconds=0.2, head_seconds=0.2, body_seconds=0.2, idle_seconds=0.2, write_seconds=0.2, slowest_rate=2**40)
ASKED = b"GET / HTTP/1.1\r\nHost: x\r\n"
LARGE = b"x" * 16 * 2**20
MOST_PIPELINED = 16


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Take the body, if it comes, and answer who asked; under /large with more than fits into any buffer."""
    message: dict[str, Any] = {"more_body": True}
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            return
    body = LARGE if scope["path"] == "/large" else scope["client"][0].encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})


class Connect:
    """Opens connections to a listener, from any loopback address."""

    def __init__(self, port: int, state: ServerState) -> None:
        self._port, self.state = port, state
        self.opened: list[asyncio.StreamWriter] = []

    async def __call__(self, source: str = HONEST, sent: bytes = b"", **more: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(HONEST, self._port, local_addr=(source, 0), **more)
        self.opened.append(writer)
        writer.write(sent)
        return reader, writer


async def closed(state: ServerState) -> None:
    """Return once the server has no connection."""

    async def none() -> bool:
        return not state.connections

    await until(none)


@asynccontextmanager
async def listening(limits: Limits, tls: ssl.SSLContext | None = None, kind: type[Connection] = Connection) -> AsyncIterator[Connect]:
    """A listener as a server has it."""
    config = configuration(lambda: application, limits)
    config.load()
    state = ServerState()
    listener = Listener(
        at := socket.create_server((HONEST, 0)),
        lambda lost: kind(limits, lost, config=config, server_state=state, app_state={}),
        limits,
        lambda: tls,
    )
    connect = Connect(at.getsockname()[1], state)
    listener.start()
    try:
        yield connect
    finally:
        for writer in connect.opened:
            writer.transport.abort()
        listener.stop()
        await closed(state)
        listener.end()


def run(script: Coroutine[Any, Any, None]) -> None:
    """Run a test on the loop that pods run on."""

    async def bounded() -> None:
        async with asyncio.timeout(HANG):
            await script

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(bounded())


async def answered(connect: Connect, source: str = HONEST, more: bytes = b"", **how: Any) -> bytes:
    """Return what a well-behaved client is answered; b"" when it is hung up on."""
    reader, _ = await connect(source, ASKED + more + b"Connection: close\r\n\r\n", **how)
    return await ended(reader)


async def ended(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the other side closes."""
    with contextlib.suppress(ConnectionError):
        return await reader.read()
    return b""


ATTACKS = {
    "nothing": b"",
    "a head without end": ASKED + b"X-Slow: ",
    "a body without end": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
    "chunks without end": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    "an answer that is not read": b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n",
    "a connection that is kept": ASKED + b"\r\n",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_while_attackers_hold_all_that_they_get_an_honest_client_is_answered(attack: str) -> None:
    async def script() -> None:
        async with listening(PATIENT) as connect:
            for _ in range(4):
                for source in ATTACKERS:
                    await connect(source, ATTACKS[attack], limit=1)
                assert (await answered(connect)).endswith(HONEST.encode())

    run(script())


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_keeps_the_server_waiting_is_cut_off(attack: str) -> None:
    async def script() -> None:
        async with listening(HASTY) as connect:
            reader, _ = await connect(sent=ATTACKS[attack], limit=1)
            await closed(connect.state)
            assert len(await ended(reader)) < len(LARGE)

    run(script())


def test_a_head_that_comes_byte_by_byte_has_one_deadline() -> None:
    async def script() -> None:
        async with listening(HASTY) as connect:
            reader, writer = await connect(sent=ASKED)
            end = asyncio.create_task(ended(reader))
            while not end.done():
                writer.write(b"X")
                await asyncio.wait([end], timeout=HASTY.sweep_seconds / 2)
            assert end.result() == b""

    run(script())


def test_an_address_over_its_share_is_hung_up_on_and_no_other_is() -> None:
    async def script() -> None:
        async with listening(replace(PATIENT, connections=100)) as connect:
            for _ in range(4):
                await connect(ATTACKERS[0], ASKED)
            assert await answered(connect, ATTACKERS[0]) == b""
            assert (await answered(connect)).endswith(HONEST.encode())

    run(script())


def test_an_address_over_its_share_gives_up_a_connection_that_it_does_not_use() -> None:
    async def script() -> None:
        async with listening(PATIENT) as connect:
            kept, _ = await connect(sent=ASKED + b"\r\n")
            assert (await kept.readuntil(HONEST.encode())).startswith(b"HTTP/1.1 200")
            for _ in range(3):
                await connect(sent=ASKED)
            assert (await answered(connect)).endswith(HONEST.encode())
            assert await ended(kept) == b""

    run(script())


@pytest.mark.parametrize(
    "sent",
    [
        ASKED + b"X: " + b"a" * 5000,
        ASKED + b"".join(b"X-%d: y\r\n" % n for n in range(200)) + b"\r\n",
        b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n",
    ],
    ids=["one header", "many headers", "an address"],
)
def test_a_head_that_is_too_large_is_refused_with_the_limit(sent: bytes) -> None:
    async def script() -> None:
        async with listening(replace(PATIENT, longest_head=4096)) as connect:
            said = await ended((await connect(sent=sent))[0])
            assert said.startswith(b"HTTP/1.1 431 ")
            assert b"at most 4096 bytes" in said

    run(script())


def test_what_many_do_not_read_is_bounded_over_all_and_the_one_with_the_most_pays() -> None:
    async def script() -> None:
        async with listening(replace(PATIENT, connections=20, most_unsent=3 * len(LARGE))) as connect:
            slow = [(await connect(source, b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"))[0] for source in [ATTACKERS[0]] * 4 + [ATTACKERS[1]]]
            reader, _ = await connect(sent=ASKED + b"\r\n")
            assert (await reader.readuntil(HONEST.encode())).startswith(b"HTTP/1.1 200")

            async def fits() -> bool:
                return len(connect.state.connections) < len(slow) + 1 and sum(c.unsent for c in connect.state.connections) <= 3 * len(LARGE)

            await until(fits)
            assert {c.client[0] for c in connect.state.connections} == {HONEST, *ATTACKERS[:2]}

    run(script())


def test_http_2_is_not_spoken() -> None:
    async def script() -> None:
        async with listening(PATIENT) as connect:
            assert (await ended((await connect(sent=b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))[0])).startswith(b"HTTP/1.1 400 ")

    run(script())


@pytest.mark.parametrize(
    "sent", [ASKED + b"\r\n", ASKED + b"a:\r\n" * 150 + b"\r\n", b"GET / HTTP/1.1\r\n\r\n"], ids=["short", "wide", "shortest"]
)
def test_what_is_asked_before_the_answer_is_out_is_bounded(sent: bytes) -> None:
    """Each request is some kilobytes once it is parsed, and a read of the socket holds ten thousand: twelve connections took all the memory of a pod."""

    async def script() -> None:
        parsed = 0

        class Counting(Connection):
            def on_headers_complete(self) -> None:
                nonlocal parsed
                parsed += 1
                super().on_headers_complete()

        async with listening(Limits(), kind=Counting) as connect:
            reader, writer = await connect(sent=sent * (2**20 // len(sent)))
            with contextlib.suppress(ConnectionError):
                while await reader.read(2**16):
                    pass
            writer.close()
            assert 1 <= parsed <= MOST_PIPELINED
            await closed(connect.state)
            assert b" 200 " in await answered(connect)

    run(script())


def test_requests_on_one_connection_are_answered_in_order() -> None:
    async def script() -> None:
        async with listening(PATIENT) as connect:
            reader, _ = await connect(sent=(ASKED + b"\r\n") * 2 + ASKED + b"Connection: close\r\n\r\n")
            assert (await ended(reader)).count(b"HTTP/1.1 200 OK") == 3

    run(script())


@pytest.mark.parametrize(("trusted", "client"), [("", HONEST), ("127.0.0.2/32", HONEST), ("127.0.0.1/32", "192.0.2.1")])
def test_only_a_trusted_proxy_says_who_its_client_is(trusted: str, client: str) -> None:
    async def script() -> None:
        limits = Limits.from_environment({"COMMONWEAL_TRUSTED_PROXIES": trusted})
        async with listening(limits) as connect:
            assert (await answered(connect, more=b"X-Forwarded-For: 192.0.2.9, 192.0.2.1\r\n")).endswith(b"\r\n\r\n" + client.encode())

    run(script())


def test_a_tls_handshake_that_does_not_come_holds_no_place(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path, HONEST)
    ours, theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=str(certificate))
    ours.load_cert_chain(certificate, key)

    async def script() -> None:
        async with listening(PATIENT, ours) as connect:
            for _ in range(4):
                for source in ATTACKERS:
                    await connect(source)
            assert (await answered(connect, ssl=theirs)).endswith(HONEST.encode())
        async with listening(HASTY, ours) as connect:
            assert await ended((await connect())[0]) == b""

    run(script())
