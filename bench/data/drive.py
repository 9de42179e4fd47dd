"""The load generator: one process, as many connections as asked for, requests written as bytes; anything but 200 is an error."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from support.data_api import Issuer

# each way of reading, and where the application serves it
KINDS = {
    "bare": "/bare/durable",
    "deferred": "/v1/deferred",
    "durable": "/v1/durable",
    "naive": "/naive/durable",
    "filter": "/filter/durable",
}
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class World:
    """What the load generator needs. `token` is the measured consumer's."""

    port: int
    issuer: Issuer
    token: str
    consented: list[UUID]
    withdrawable: list[UUID]


async def ask(stream: Stream, request: bytes) -> tuple[int, bytes]:
    """Send one request and return status and body."""
    reader, writer = stream
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    at = head.index(b"content-length:") + 15
    body = await reader.readexactly(int(head[at : head.index(b"\r", at)]))
    return int(head[9:12]), body


def request(path: str, token: str, method: str = "GET", body: bytes = b"") -> bytes:
    """Return a request of the measured consumer, or of a person."""
    length = f"Content-Length: {len(body)}\r\nContent-Type: application/json\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nPurpose: bench/serve\r\n{length}\r\n".encode() + body


async def load(world: World, kind: str, seconds: float, connections: int, *, page: bool = False) -> tuple[float, float, float]:
    """Read as fast as `connections` go for `seconds`; return requests a second, p50 and p99 in ms."""
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def one() -> None:
        stream = await asyncio.open_connection("127.0.0.1", world.port)
        at = random.randrange(len(world.consented))
        while time.perf_counter() < end:
            at += 1
            key = world.consented[at % len(world.consented)]
            path = f"{KINDS[kind]}/subjects?after={key}&limit=100" if page else f"{KINDS[kind]}/subjects/{key}"
            begun = time.perf_counter()
            status, body = await ask(stream, request(path, world.token))
            times.append(time.perf_counter() - begun)
            if status != 200:
                raise RuntimeError(f"{kind}: {status} {body.decode()}")
        stream[1].close()

    begun = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    spent = time.perf_counter() - begun
    return len(times) / spent, *(q * 1e3 for q in quantiles(times))


def quantiles(times: Sequence[float]) -> tuple[float, float]:
    """Return median and 99th percentile."""
    ordered = sorted(times)
    return ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]


async def rounds(world: World, count: int, seconds: float, connections: int, *, page: bool = False) -> dict[str, list[float]]:
    """Return, for each kind, its requests per second as a share of the bare read's in the same round.

    Every round visits every kind in a new order, so that what else the machine does falls on all alike.
    """
    for kind in KINDS:
        await load(world, kind, 0.4, connections, page=page)
    shares: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(count):
        rates = {}
        for kind in random.sample(list(KINDS), len(KINDS)):
            rates[kind], p50, p99 = await load(world, kind, seconds, connections, page=page)
            what = "page" if page else "point"
            print(f"  {what} x{connections} {kind:9} {rates[kind]:7.0f}/s p50 {p50:.2f} p99 {p99:.2f} ms", flush=True)
        for kind, rate in rates.items():
            shares[kind].append(rate / rates["bare"])
    return shares


@dataclass(frozen=True)
class Withdrawals:
    """In ms: withdrawal answered, withdrawal answered and next read refused, and a bare one-row commit, each over HTTP; and how many reads were stale."""

    answered: list[float]
    refused: list[float]
    bare: list[float]
    stale: int


async def withdrawals(world: World, count: int) -> Withdrawals:
    """Let people withdraw one after the other, and read each of them at once."""
    stream = await asyncio.open_connection("127.0.0.1", world.port)
    found = Withdrawals([], [], [], 0)
    stale = 0
    for who in world.withdrawable[:count]:
        person = world.issuer.person(who)
        begun = time.perf_counter()
        await ask(stream, request("/bare/commit", world.token, "PUT"))
        found.bare.append((time.perf_counter() - begun) * 1e3)
        begun = time.perf_counter()
        status, body = await ask(stream, request("/me/consents/durable-bench", person, "PUT", b'{"state": "Withdrawn"}'))
        found.answered.append((time.perf_counter() - begun) * 1e3)
        if status != 200:
            raise RuntimeError(body.decode())
        status, _ = await ask(stream, request(f"/v1/durable/subjects/{who}", world.token))
        found.refused.append((time.perf_counter() - begun) * 1e3)
        stale += status == 200
    stream[1].close()
    return Withdrawals(found.answered, found.refused, found.bare, stale)
