"""The routes of the consumers, whose departments have agreements."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath

from commonweal_runtime.data_api.callers import Calling, calling_of
from commonweal_runtime.data_api.reads import ReadRequest
from commonweal_runtime.data_api.requests import Query, header_of, query_of
from commonweal_runtime.data_api.responses import answer
from commonweal_runtime.data_api.service import Service

_Request = Request[Any, Any, Any]
_Answer = Response[bytes]


def consumer_routes(service: Service) -> list[Any]:
    """Return the routes by which records are read."""

    async def asked(request: _Request, product: str, query: Query, calling: Calling | None) -> ReadRequest:
        return await service.read_request(header_of(request, "authorization"), header_of(request, "purpose"), product, query, calling)

    @get("/v1/{product:str}/subjects/{subject:str}")
    async def point(request: _Request, product: FromPath[str], subject: FromPath[str]) -> _Answer:
        calling = calling_of(header_of(request, "caller"), header_of(request, "caller-gets"))
        read = await asked(request, product, query_of(request, "fields"), calling)
        return answer(request, await service.point(read, subject), version=read.agreement.version)

    @get("/v1/{product:str}/subjects")
    async def page(request: _Request, product: FromPath[str]) -> _Answer:
        query = query_of(request, "after", "limit", "fields")
        read = await asked(request, product, query, None)
        return answer(request, await service.page(read, query), version=read.agreement.version)

    return [point, page]
