"""What the department's own parts ask of it: registrars record who may act for whom and check the audit; its other sites ask what people said."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, delete, get, post
from litestar.params import FromPath

from commonweal_runtime.audit.service import BEGINNING
from commonweal_runtime.bodies import parse
from commonweal_runtime.data_api.bodies import RegistrarsDelegationBody
from commonweal_runtime.data_api.requests import delegation_id_of, header_of, query_of, uuid_of
from commonweal_runtime.data_api.responses import answer
from commonweal_runtime.data_api.service import Service
from commonweal_runtime.serving import NO_STORE, body_of, json_answer

LINES, SEALED = "application/x-ndjson", "application/octet-stream"
_Request = Request[Any, Any, Any]
_Answer = Response[bytes]


def department_routes(service: Service) -> list[Any]:
    """Return the routes of the department's own clients; the store knows which of them are registrars."""
    registrars = service.registrars

    async def client(request: _Request) -> str:
        return str(await service.clients.client(header_of(request, "authorization")))

    @get("/v1/delegations")
    async def delegations(request: _Request) -> _Answer:
        caller = await client(request)
        subject = uuid_of(query_of(request, "subject").get("subject"), "The parameter subject")
        return answer(request, (await registrars.delegations(caller, subject)).encode())

    @post("/v1/delegations")
    async def delegate(request: _Request) -> _Answer:
        caller = await client(request)
        wanted = parse(RegistrarsDelegationBody, await body_of(request))
        return json_answer((await registrars.delegate(caller, wanted)).encode(), 201)

    @delete("/v1/delegations/{delegation:str}", status_code=200)
    async def end(request: _Request, delegation: FromPath[str]) -> _Answer:
        caller = await client(request)
        return json_answer((await registrars.end(caller, delegation_id_of(delegation))).encode())

    @get("/v1/audit/export")
    async def export(request: _Request) -> _Answer:
        caller = await client(request)
        cursor = query_of(request, "after").get("after", BEGINNING)
        return answer(request, await service.audit.export(caller, cursor), media_type=LINES)

    @get("/v1/feed")
    async def feed(request: _Request) -> _Answer:
        after = query_of(request, "after").get("after")
        body = await service.feed.answer(header_of(request, "authorization"), after)
        return Response(body, media_type=SEALED, headers=dict(NO_STORE))

    return [delegations, delegate, end, export, feed]
