"""Linking a sign-in to a record over HTTP, and the cases of registrars. Nobody links or disputes for somebody else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
from litestar import Request, Response, delete, get, post
from litestar.params import FromPath

from commonweal_runtime.bodies import moment_of, parse
from commonweal_runtime.data_api.bodies import ConfirmationBody, DecisionBody, DisputeBody, LinkBody
from commonweal_runtime.data_api.linking import Attempt
from commonweal_runtime.data_api.requests import header_of, limit_of, query_of, uuid_of
from commonweal_runtime.data_api.responses import answer
from commonweal_runtime.data_api.service import Service
from commonweal_runtime.problems import invalid_request
from commonweal_runtime.serving import NO_STORE, body_of, json_answer
from commonweal_runtime.tokens import Person

_LAST = datetime(9999, 1, 1, tzinfo=UTC)
_Request = Request[Any, Any, Any]
_Answer = Response[bytes]


def linking_routes(service: Service) -> list[Any]:
    """Return the routes of a person's own link."""
    linking = service.linking

    @get("/me/link")
    async def standing(request: _Request) -> _Answer:
        who = await _who(service, request)
        query_of(request)
        return answer(request, orjson.dumps(await linking.standing(who)))

    @post("/me/link", status_code=200)
    async def attempt(request: _Request) -> _Answer:
        who = await _who(service, request)
        told = parse(LinkBody, await body_of(request))
        return json_answer(await linking.attempt(who, Attempt(told.values, request.client.host if request.client else "")))

    @post("/me/link/confirmation", status_code=200)
    async def confirmation(request: _Request) -> _Answer:
        who = await _who(service, request)
        said = parse(ConfirmationBody, await body_of(request))
        return json_answer(await linking.confirm(who, said.ticket, said.code))

    @delete("/me/link", status_code=204)
    async def end(request: _Request) -> Response[None]:
        await linking.end(await _who(service, request))
        return Response(None, status_code=204, headers=dict(NO_STORE))

    @post("/me/link/dispute", status_code=200)
    async def dispute(request: _Request) -> _Answer:
        who = await _who(service, request)
        said = parse(DisputeBody, await body_of(request))
        return json_answer((await linking.dispute(who, said.text)).encode())

    return [standing, attempt, confirmation, end, dispute]


def case_routes(service: Service) -> list[Any]:
    """Return the routes of registrars; the store knows who is one."""

    async def client(request: _Request) -> str:
        return str(await service.clients.client(header_of(request, "authorization")))

    @get("/v1/cases")
    async def cases(request: _Request) -> _Answer:
        caller = await client(request)
        query = query_of(request, "before", "limit")
        before = moment_of(query["before"], "The parameter before") if "before" in query else _LAST
        return answer(request, (await service.cases.open(caller, before, limit_of(query))).encode())

    @post("/v1/cases/{case:str}", status_code=200)
    async def decide(request: _Request, case: FromPath[str]) -> _Answer:
        caller = await client(request)
        said = parse(DecisionBody, await body_of(request))
        number = uuid_of(case, "The case in the address", "Write the `id` of a case, as in GET /v1/cases.")
        return json_answer((await service.cases.decide(caller, number, said.decision, said.subject)).encode())

    return [cases, decide]


async def _who(service: Service, request: _Request) -> Person:
    if header_of(request, "on-behalf-of") is not None:
        raise invalid_request("The header On-Behalf-Of has no meaning here.", "Leave it out: a link is a person's own.")
    return await service.persons.person(header_of(request, "authorization"))
