"""Watches of kinds that nobody touches: their ordinary end is no fault."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from commonweal_kube import client
from commonweal_kube.client import Api
from commonweal_kube.cluster import Cluster, Token
from commonweal_kube.exceptions import ApiServerUnavailableError
from commonweal_operator.engine.children import ChildCache
from commonweal_operator.engine.watched import LIST_WATCHES


async def watched(*, ends: bool) -> tuple[list[dict[str, Any]], float]:
    """Watch a server that says nothing, and that ends the stream or never does; return the events, and for how long it was asked to hold it."""
    asked: list[float] = []
    closing = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append(float(request.query["timeoutSeconds"]))
        response = web.StreamResponse()
        await response.prepare(request)
        if not ends:
            await closing.wait()
        return response

    app = web.Application()
    app.router.add_get("/things", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    api = Api(Cluster(f"http://127.0.0.1:{port}", ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), Token("t")), 1, "test")
    try:
        return [event async for event in api.watch("/things", "", "5")], asked[0]
    finally:
        closing.set()
        await api.close()
        await runner.cleanup()


def test_a_watch_is_awaited_for_longer_than_the_server_was_asked_to_hold_it(monkeypatch: pytest.MonkeyPatch) -> None:
    awaited: list[float | None] = []
    get = aiohttp.ClientSession.get

    def spy(session: aiohttp.ClientSession, url: str, **more: Any) -> Any:
        awaited.append(more["timeout"].sock_read)
        assert more["timeout"].total is None
        return get(session, url, **more)

    monkeypatch.setattr(aiohttp.ClientSession, "get", spy)
    events, held = asyncio.run(watched(ends=True))
    assert events == []
    assert awaited[0] is not None
    assert awaited[0] > held > 60


def test_a_server_that_misses_the_end_of_a_watch_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "OVERDUE_SECONDS", 0.1 - client.WATCH_SECONDS)
    with pytest.raises(ApiServerUnavailableError, match="Timeout"):
        asyncio.run(watched(ends=False))


def test_a_watch_that_ends_is_begun_again_where_it_was_without_pause_or_warning(caplog: pytest.LogCaptureFixture) -> None:
    """The second watch of each kind begins with the version of the bookmark before it, and nothing is listed anew."""
    versions: list[str] = []
    pauses: list[float] = []
    again = asyncio.Event()

    class Reader:
        async def pages(self, *_: Any) -> AsyncIterator[dict[str, Any]]:
            yield {"metadata": {"resourceVersion": "5"}, "items": []}

        async def watch(self, _path: str, _selector: str, version: str, **_: Any) -> AsyncIterator[dict[str, Any]]:
            versions.append(version)
            if version == "5":
                yield {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}}
                return
            if versions.count("9") == len(LIST_WATCHES):
                again.set()
            await asyncio.Event().wait()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async def follow() -> ChildCache:
        children = ChildCache(Reader(), lambda *_: None, pause)
        task = asyncio.create_task(children.run())
        async with asyncio.timeout(10):
            await again.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return children

    with caplog.at_level(logging.WARNING):
        children = asyncio.run(follow())
    assert sorted(versions) == ["5"] * len(LIST_WATCHES) + ["9"] * len(LIST_WATCHES)
    assert (pauses, caplog.messages, children.watch_restarts) == ([], [], 0)
