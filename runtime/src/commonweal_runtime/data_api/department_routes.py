"""What the department's own parts ask of it: registrars record who may act for whom, answer complaints and check the audit; its other sites ask what people said."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, delete, get, post, put
from litestar.params import FromPath

from commonweal_runtime.audit.service import BEGINNING
from commonweal_runtime.bodies import parse
from commonweal_runtime.data_api.bodies import RegistrarsDelegationBody
from commonweal_runtime.data_api.complaints import AnswerBody, state_of
from commonweal_runtime.data_api.requests import (
    NEWEST,
    before_of,
    complaint_id_of,
    delegation_id_of,
    header_of,
    limit_of,
    query_of,
    uuid_of,
)
from commonweal_runtime.data_api.responses import answer
from commonweal_runtime.data_api.service import Service
from commonweal_runtime.serving import NO_STORE, body_of, json_answer

LINES, SEALED = "application/x-ndjson", "application/octet-stream"
_Request = Request[Any, Any, Any]
_Answer = Response[bytes]


def department_routes(service: Service) -> list[Any]:
    """Return the routes of the department's own clients; the store knows which of them are registrars."""
    registrars = service.registrars

    @get("/v1/delegations")
    async def delegations(request: _Request) -> _Answer:
        caller = await _client(service, request)
        subject = uuid_of(query_of(request, "subject").get("subject"), "The parameter subject")
        return answer(request, (await registrars.delegations(caller, subject)).encode())

    @post("/v1/delegations")
    async def delegate(request: _Request) -> _Answer:
        caller = await _client(service, request)
        wanted = parse(RegistrarsDelegationBody, await body_of(request))
        return json_answer((await registrars.delegate(caller, wanted)).encode(), 201)

    @delete("/v1/delegations/{delegation:str}", status_code=200)
    async def end(request: _Request, delegation: FromPath[str]) -> _Answer:
        caller = await _client(service, request)
        return json_answer((await registrars.end(caller, delegation_id_of(delegation))).encode())

    @get("/v1/audit/export")
    async def export(request: _Request) -> _Answer:
        caller = await _client(service, request)
        cursor = query_of(request, "after").get("after", BEGINNING)
        return answer(request, await service.audit.export(caller, cursor), media_type=LINES)

    @get("/v1/feed")
    async def feed(request: _Request) -> _Answer:
        after = query_of(request, "after").get("after")
        body = await service.feed.answer(header_of(request, "authorization"), after)
        return Response(body, media_type=SEALED, headers=dict(NO_STORE))

    return [delegations, delegate, end, *_complaints(service), export, feed]


def _complaints(service: Service) -> list[Any]:
    @get("/v1/complaints")
    async def complaints(request: _Request) -> _Answer:
        caller = await _client(service, request)
        query = query_of(request, "state", "before", "limit")
        listed = await service.complaints.listed(caller, state_of(query), before_of(query, NEWEST), limit_of(query))
        return answer(request, listed.encode())

    @put("/v1/complaints/{complaint:str}")
    async def answer_complaint(request: _Request, complaint: FromPath[str]) -> _Answer:
        caller, number = await _client(service, request), complaint_id_of(complaint)
        said = parse(AnswerBody, await body_of(request))
        return json_answer((await service.complaints.answer(caller, number, said)).encode())

    return [complaints, answer_complaint]


async def _client(service: Service, request: _Request) -> str:
    return str(await service.clients.client(header_of(request, "authorization")))
