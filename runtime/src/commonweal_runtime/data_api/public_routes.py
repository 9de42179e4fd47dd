"""What anybody may ask: what is served here, in what numbers it is used, and whether the process is well."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from litestar import Request, Response, get

from commonweal_runtime.data_api.people import API, ask
from commonweal_runtime.data_api.requests import limit_of, query_of, seal_after
from commonweal_runtime.data_api.responses import PUBLIC, answer
from commonweal_runtime.data_api.service import Service
from commonweal_runtime.exceptions import ProblemError
from commonweal_runtime.serving import json_answer, live

KEPT_SECONDS, AWAY_SECONDS = 5.0, 1.0
KEYS = "public, max-age=300"

_Request = Request[Any, Any, Any]
_Answer = Response[bytes]


class Kept:
    """One answer of the store that is the same for all who ask: looked up at most each `KEPT_SECONDS`, so that strangers are no load.

    When the store refuses or is away, all who ask within `AWAY_SECONDS` are told the same, instead of each waiting in turn.
    """

    def __init__(self, look: Callable[[], Awaitable[str]]) -> None:
        self._look = look
        self._lock = asyncio.Lock()
        self._until = 0.0
        self._found: bytes | ProblemError = b""

    async def get(self) -> bytes:
        """Return the answer, at most `KEPT_SECONDS` old, or raise the ProblemError."""
        async with self._lock:
            clock = asyncio.get_running_loop().time
            if clock() >= self._until:
                try:
                    self._found, seconds = (await self._look()).encode(), KEPT_SECONDS
                except ProblemError as problem:
                    self._found, seconds = problem, AWAY_SECONDS
                self._until = clock() + seconds
        if isinstance(self._found, ProblemError):
            raise replace(self._found)  # a new one for each: an exception keeps the frames of every time it is raised
        return self._found


def public_routes(service: Service) -> list[Any]:
    """Return the routes that need no sign-in."""
    counts = Kept(lambda: ask(service.pools, API, {}, "select audit.transparency()"))
    agreed = Kept(lambda: ask(service.pools, API, {}, "select audit.register()"))

    @get("/openapi.json")
    async def openapi(request: _Request) -> _Answer:
        return answer(request, service.openapi(), cache=PUBLIC)

    @get("/v1/transparency")
    async def transparency(request: _Request) -> _Answer:
        query_of(request)
        return answer(request, await counts.get(), cache=PUBLIC)

    @get("/v1/register")
    async def register(request: _Request) -> _Answer:
        query_of(request)
        return answer(request, await agreed.get(), cache=PUBLIC)

    @get("/v1/seals")
    async def seals(request: _Request) -> _Answer:
        query = query_of(request, "after", "limit")
        return answer(request, await service.audit.seals(seal_after(query), limit_of(query)), cache=PUBLIC)

    @get("/.well-known/jwks.json")
    async def keys(request: _Request) -> _Answer:
        return answer(request, service.jwks(), cache=KEYS)

    @get("/readyz")
    async def ready() -> _Answer:
        return json_answer({"ready": service.ready}, 200 if service.ready else 503)

    return [openapi, transparency, register, seals, keys, live, ready]
