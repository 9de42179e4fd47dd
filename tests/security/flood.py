"""What one attacker on the network sends to a web application: `python flood.py '{"how": ..., "host": ..., "port": ..., "from": [...], ...}'`.

To be run in a network namespace of its own that has the addresses in `from`. Bounded by `count` and `seconds`; prints what became of it, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from commonweal_runtime.identity import sign_in as flow

Ordered = dict[str, Any]
HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "
BODY = b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 60000\r\n\r\n"
AT_ONCE = 200  # handshakes


def unchecked() -> ssl.SSLContext:
    """An attacker does not care who answers."""
    found = ssl.create_default_context()
    found.check_hostname, found.verify_mode = False, ssl.CERT_NONE
    return found


async def sockets(order: Ordered) -> Counter[str]:
    """Open connections, send nothing or a little at a time, and hold each for as long as it is let."""
    turns, end = asyncio.Semaphore(AT_ONCE), time.monotonic() + order["seconds"]
    secured = None if order["how"] == "idle" else unchecked()
    start = {"idle": b"", "heads": HEAD, "bodies": BODY}[order["how"]]

    async def one(number: int) -> str:
        local = (order["from"][number % len(order["from"])], 0)
        try:
            async with turns, asyncio.timeout(15):
                reader, writer = await asyncio.open_connection(order["host"], order["port"], ssl=secured, local_addr=local)
        except (OSError, TimeoutError):
            return "not let in"
        try:
            writer.write(start)
            return await held(reader, writer, start[-1:], end)
        except OSError:
            return "cut off"
        finally:
            writer.transport.abort()

    return Counter(await asyncio.gather(*(one(number) for number in range(order["count"]))))


async def held(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, more: bytes, end: float) -> str:
    """Send a byte a second until the server hangs up or the attack is over; return which."""
    while time.monotonic() < end:
        try:
            async with asyncio.timeout(1):
                if not await reader.read(4096):
                    return "cut off"
        except TimeoutError:
            writer.write(more)
    return "held to the end"


async def guesses(order: Ordered) -> Counter[str]:
    """Try wrong passwords for these names from these addresses, all at once."""
    connectors = {each: aiohttp.TCPConnector(ssl=unchecked(), local_addr=(each, 0), limit=20) for each in order["from"]}

    async def one(number: int) -> str:
        address, name = order["from"][number % len(order["from"])], order["names"][number % len(order["names"])]
        base = f"https://{order['host']}:{order['port']}"
        try:
            async with aiohttp.ClientSession(base, connector=connectors[address], connector_owner=False) as session:
                return await guess(session, name, f"wrong-{number}", order["department"])
        except (aiohttp.ClientError, OSError, TimeoutError, flow.SignInError) as error:
            return type(error).__name__

    try:
        return Counter(await asyncio.gather(*(one(number) for number in range(order["count"]))))
    finally:
        for connector in connectors.values():
            await connector.close()


async def guess(session: aiohttp.ClientSession, name: str, password: str, department: str) -> str:
    """Try one password; `heard` is one that was looked at."""
    ticket = await flow._page(session, flow._request("v" * 64, "s" * 16, department, ()))
    form = {"ticket": ticket, "username": name, "password": password}
    async with session.post("/authorize", data=form, allow_redirects=False) as answer:
        return {400: "heard", 429: "told to wait", 503: "told that it is busy"}.get(answer.status, str(answer.status))


KINDS: dict[str, Callable[[Ordered], Awaitable[Counter[str]]]] = {
    "idle": sockets,
    "heads": sockets,
    "bodies": sockets,
    "guesses": guesses,
}


def run() -> None:
    """Send what is ordered, and print what became of it."""
    order = json.loads(sys.argv[1])
    where = urlsplit(order.pop("base"))
    order |= {"host": where.hostname, "port": where.port or 443}
    print(json.dumps(asyncio.run(KINDS[order["how"]](order))))


if __name__ == "__main__":
    run()
