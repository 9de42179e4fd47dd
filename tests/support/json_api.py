"""An HTTP API on loopback, over TLS, that answers as a test tells it to: whole answers, or bytes that are none."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from support.certificates import SITE

Headers = Mapping[str, str]


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Headers
    body: str
    port: int


@dataclass
class Said:
    """One answer. `hold`: the connection stays open after it."""

    body: bytes | str = b""
    status: int = 200
    headers: Headers = field(default_factory=dict)
    hold: bool = False

    def sent(self) -> bytes:
        body = self.body.encode() if isinstance(self.body, str) else self.body
        given = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close", **self.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        return f"HTTP/1.1 {self.status} x\r\n{head}\r\n".encode() + body


def says(value: Any, **more: Any) -> Said:
    """Answer with a value as JSON."""
    return Said(json.dumps(value), **more)


Handler = Callable[[Asked], Said | bytes]


@dataclass
class Api:
    """A running one: what it was asked, and where it is."""

    port: int = 0
    asked: list[Asked] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}/people"


def trusted(folder: Path, *hosts: str) -> ssl.SSLContext:
    """Return what a server proves itself with."""
    now = datetime.now(UTC)
    issued = SITE.issue(hosts or ("localhost", "127.0.0.1"), now, now + timedelta(days=1))
    (folder / "api.crt").write_text(issued.certificate)
    (folder / "api.key").write_text(issued.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "api.crt", folder / "api.key")
    return context


async def _request(reader: asyncio.StreamReader, port: int) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = (await reader.readexactly(int(headers.get("content-length", "0")))).decode()
    parts = urlsplit(first.split()[1])
    return Asked(first.split()[0], parts.path, dict(parse_qsl(parts.query)), headers, body, port)


@asynccontextmanager
async def serving(handler: Handler, context: ssl.SSLContext) -> AsyncIterator[Api]:
    """Answer until the context is left."""
    api = Api()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = await _request(reader, api.port)
            api.asked.append(asked)
            answer = handler(asked)
            writer.write(answer if isinstance(answer, bytes) else answer.sent())
            await writer.drain()
            if isinstance(answer, Said) and answer.hold:
                await reader.read()
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    api.port = server.sockets[0].getsockname()[1]
    async with server:
        yield api


@contextmanager
def running(handler: Handler, context: ssl.SSLContext) -> Iterator[Api]:
    """Answer from a thread of its own until the context is left."""
    started: Future[Api] = Future()
    loop, ended = asyncio.new_event_loop(), asyncio.Event()

    async def run() -> None:
        async with serving(handler, context) as api:
            started.set_result(api)
            await ended.wait()

    thread = Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        yield started.result(10)
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()
