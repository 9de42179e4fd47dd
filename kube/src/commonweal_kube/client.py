"""A small asyncio client for the API server, and the only file here that knows aiohttp: read, list, watch, server-side apply, status patch."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import orjson

from commonweal_kube.cluster import Cluster
from commonweal_kube.exceptions import AnswerTooLargeError, ApiError, ApiServerUnavailableError, ResourceExpiredError
from commonweal_kube.protocol import APPLY, JSON, METADATA

FIELD_MANAGER = "commonweal-operator"

REQUEST_SECONDS = 30.0
CONNECT_SECONDS = 5.0
WATCH_SECONDS = 240  # then the server ends a watch, quiet or not: the ordinary end
# Silence is no fault: of a kind that nobody touches there are not even bookmarks. Only a server that also misses its own end is given up. Peers that
# are gone are noticed long before, by the connection itself (DEAD_PEER_MILLISECONDS).
OVERDUE_SECONDS = 15.0
DEAD_PEER_MILLISECONDS = 10_000
# Of a page of objects that tenants write: their labels and field managers alone may take a megabyte of each, and ten times that once they are decoded.
LARGEST_PAGE = 4 << 20
ATTEMPTS = 3
LONGEST_PAUSE = 10.0


def new_session(cluster: Cluster, connections: int, agent: str) -> aiohttp.ClientSession:
    """Return a session with its own pool; it adds the login to each request, and a connection whose peer fell silent dies within about 10 s."""

    async def log_in(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        header = cluster.token.header()
        if header:
            request.headers["Authorization"] = header
        response = await handler(request)
        if response.status == 401:
            cluster.token.expire()
        return response

    def open_socket(address: Any) -> socket.socket:
        family, kind, protocol, *_ = address
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 2), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", DEAD_PEER_MILLISECONDS)):
            if hasattr(socket, name):
                made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        return made

    connector = aiohttp.TCPConnector(limit=connections, ssl=cluster.tls, keepalive_timeout=60, socket_factory=open_socket)
    timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS, connect=CONNECT_SECONDS)
    return aiohttp.ClientSession(connector=connector, headers={"User-Agent": agent}, timeout=timeout, middlewares=(log_in,))


class Api:
    """One pool of at most `connections` connections; each request holds one while it runs, each watch one for ever.

    Every call raises ApiError or ApiServerUnavailableError. 401 (an old token), 429 and 503 are asked again up to three times, as long as the server wants.
    """

    def __init__(self, cluster: Cluster, connections: int, agent: str, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._url, self._pause = cluster.url, pause
        self._session = new_session(cluster, connections, agent)

    async def close(self) -> None:
        """Close the pool."""
        await self._session.close()

    async def call(
        self, method: str, path: str, body: bytes | None = None, *, content: str = JSON, accept: str = JSON, most: int | None = None
    ) -> dict[str, Any]:
        """Send one request and return the decoded answer; AnswerTooLargeError when it has more than `most` bytes."""
        headers = {"Accept": accept, "Accept-Encoding": "identity"} | ({} if body is None else {"Content-Type": content})
        for left in reversed(range(ATTEMPTS)):
            try:
                return await self._once(method, path, body, headers, most)
            except ApiError as error:
                if error.status not in (401, 429, 503) or not left:
                    raise
                await self._pause(min(error.pause if error.pause is not None else 0.2, LONGEST_PAUSE))
        raise AssertionError("the last attempt returns or raises")

    async def apply(self, path: str, body: bytes) -> dict[str, Any]:
        """Apply server-side, by force, as our one field manager; return the object's metadata, since nothing else is used."""
        return await self.call("PATCH", f"{path}?fieldManager={FIELD_MANAGER}&force=true", body, content=APPLY, accept=METADATA)

    async def create(self, path: str, body: bytes) -> dict[str, Any]:
        """Create in a collection; ApiError 409 when there is one of that name. Return the object's metadata."""
        return await self.call("POST", f"{path}?fieldManager={FIELD_MANAGER}", body, accept=METADATA)

    async def metadata(self, path: str) -> dict[str, Any] | None:
        """Return the object's metadata as it is now, or None when there is no such object."""
        try:
            return dict((await self.call("GET", path, accept=METADATA))["metadata"])
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def pages(self, path: str, selector: str = "", accept: str = JSON, size: int = 500) -> AsyncIterator[dict[str, Any]]:
        """List in pages, smaller ones where objects are large; all pages show one moment. Raises ResourceExpiredError when a page token has expired."""
        token = ""
        while True:
            query = f"limit={size}" + (f"&labelSelector={selector}" if selector else "") + (f"&continue={token}" if token else "")
            try:
                page = await self.call("GET", f"{path}?{query}", accept=accept, most=LARGEST_PAGE if size > 1 else None)
            except AnswerTooLargeError:
                size = max(1, size // 4)
                continue
            except ApiError as error:
                raise (ResourceExpiredError if error.status == 410 else error) from error
            page["items"] = page["items"] or []  # the server sends null for an empty metadata list
            yield page
            token = page["metadata"].get("continue", "")
            if not token:
                return

    async def watch(
        self, path: str, selector: str, version: str, *, accept: str = METADATA, seconds: int = WATCH_SECONDS
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield events, bookmarks included, until the server ends the stream, after `seconds` at the latest; raises ResourceExpiredError on 410."""
        query = f"watch=1&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds={seconds}&labelSelector={selector}"
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS, sock_read=seconds + OVERDUE_SECONDS)
        try:
            async with self._session.get(f"{self._url}{path}?{query}", headers={"Accept": accept}, timeout=timeout) as response:
                if response.status >= 400:
                    raise await _refusal(response)
                rest = b""
                async for chunk in response.content.iter_any():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        yield _event(line)
                    await asyncio.sleep(0)
        except ApiError as error:
            raise (ResourceExpiredError if error.status == 410 else error) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiServerUnavailableError(repr(error)) from error

    async def _once(self, method: str, path: str, body: bytes | None, headers: dict[str, str], most: int | None) -> dict[str, Any]:
        try:
            async with self._session.request(method, self._url + path, data=body, headers=headers) as response:
                if response.status >= 400:
                    raise await _refusal(response)
                return dict(orjson.loads(await _body(response, most)))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiServerUnavailableError(f"{method} {path}: {error!r}") from error


async def _body(response: aiohttp.ClientResponse, most: int | None) -> bytes | bytearray:
    if most is None:
        return await response.read()
    found = bytearray()
    async for part in response.content.iter_any():
        found += part
        if len(found) > most:
            raise AnswerTooLargeError
    return found


def _event(line: bytes) -> dict[str, Any]:
    event: dict[str, Any] = orjson.loads(line)
    if event["type"] == "ERROR":
        raise ApiError(int(event["object"].get("code", 500)), event["object"])
    return event


async def _refusal(response: aiohttp.ClientResponse) -> ApiError:
    raw = await response.read()
    try:
        body = dict(orjson.loads(raw))
    except (orjson.JSONDecodeError, TypeError, ValueError):
        body = {"message": raw[:300].decode(errors="replace")}
    after = response.headers.get("Retry-After", "")
    return ApiError(response.status, body, float(after) if after.isdigit() else None)
