"""What people ask of a department: who used what about them, and what they say to it. The header On-Behalf-Of names somebody they may act for."""

from __future__ import annotations

from typing import Any

import orjson
from litestar import Request, Response, delete, get, post, put
from litestar.params import FromPath

from commonweal_runtime.bodies import parse
from commonweal_runtime.data_api import problems
from commonweal_runtime.data_api.bodies import ConsentBody, DelegationBody, ObjectionBody
from commonweal_runtime.data_api.complaints import ComplaintBody
from commonweal_runtime.data_api.people import DecisionResult, Principal, who_asks
from commonweal_runtime.data_api.requests import NEWEST, before_of, delegation_id_of, limit_of, name_of, number_of, query_of
from commonweal_runtime.data_api.responses import answer
from commonweal_runtime.data_api.service import Service
from commonweal_runtime.problems import invalid_request
from commonweal_runtime.serving import body_of, json_answer

_Request = Request[Any, Any, Any]
_Answer = Response[bytes]


def person_routes(service: Service) -> list[Any]:
    """Return the routes under /me."""
    return [*_decisions(service), *_evidence(service), *_delegations(service), *_rights(service), *_complaints(service)]


def _decisions(service: Service) -> list[Any]:
    people = service.people

    @get("/me/uses")
    async def uses(request: _Request) -> _Answer:
        who = await _who(service, request)
        query = query_of(request, "before", "limit")
        return answer(request, (await people.uses(who, before_of(query, NEWEST), limit_of(query))).encode())

    @get("/me/consents")
    async def consents(request: _Request) -> _Answer:
        who = await _who(service, request)
        query_of(request)
        return answer(request, (await people.consents(who)).encode())

    @get("/me/consents/{agreement:str}/preview")
    async def preview(request: _Request, agreement: FromPath[str]) -> _Answer:
        who, name = await _who(service, request), name_of(agreement, problems.no_such_agreement())
        query_of(request)
        return answer(request, (await people.preview(who, name)).encode())

    @put("/me/consents/{agreement:str}")
    async def consent(request: _Request, agreement: FromPath[str]) -> _Answer:
        who, name = await _who(service, request), name_of(agreement, problems.no_such_agreement())
        said = parse(ConsentBody, await body_of(request))
        return _receipted(service, await people.consent(who, name, said.state))

    @put("/me/objections/{agreement:str}")
    async def objection(request: _Request, agreement: FromPath[str]) -> _Answer:
        who, name = await _who(service, request), name_of(agreement, problems.no_such_agreement())
        said = parse(ObjectionBody, await body_of(request))
        return _receipted(service, await people.objection(who, name, objected=said.state == "Objected"))

    return [uses, consents, preview, consent, objection]


def _evidence(service: Service) -> list[Any]:
    audit = service.audit

    @get("/me/uses/{use:str}/proof")
    async def use_proof(request: _Request, use: FromPath[str]) -> _Answer:
        who = await _who(service, request)
        query_of(request)
        return answer(request, await audit.use_proof(who.actor, who.subject, number_of(use)))

    @get("/me/receipts")
    async def receipts(request: _Request) -> _Answer:
        who = await _who(service, request)
        query = query_of(request, "before", "limit")
        return answer(request, await audit.receipts(who.actor, who.subject, before_of(query, NEWEST), limit_of(query)))

    @get("/me/receipts/{event:str}/proof")
    async def event_proof(request: _Request, event: FromPath[str]) -> _Answer:
        who = await _who(service, request)
        query_of(request)
        return answer(request, await audit.event_proof(who.actor, who.subject, number_of(event)))

    return [use_proof, receipts, event_proof]


def _delegations(service: Service) -> list[Any]:
    people = service.people

    @get("/me/delegations")
    async def delegations(request: _Request) -> _Answer:
        who = await _who(service, request)
        query_of(request)
        return answer(request, (await people.delegations(who)).encode())

    @post("/me/delegations")
    async def delegate(request: _Request) -> _Answer:
        who = await _who(service, request)
        wanted = parse(DelegationBody, await body_of(request))
        return json_answer((await people.delegate(who, wanted)).encode(), 201)

    @delete("/me/delegations/{delegation:str}", status_code=200)
    async def end_delegation(request: _Request, delegation: FromPath[str]) -> _Answer:
        who = await _who(service, request)
        return json_answer((await people.end_delegation(who, delegation_id_of(delegation))).encode())

    return [delegations, delegate, end_delegation]


def _rights(service: Service) -> list[Any]:
    people = service.people

    @get("/me/export")
    async def export(request: _Request) -> _Answer:
        who = await _who(service, request)
        query_of(request)
        return answer(request, (await people.export(who)).encode())

    @post("/me/erasures/{product:str}", status_code=200)
    async def erase(request: _Request, product: FromPath[str]) -> _Answer:
        who, name = await _who(service, request), name_of(product, problems.no_such_product())
        if await body_of(request):
            raise invalid_request("The request has a body.", "Send none: the address says what is to be erased.")
        return json_answer((await people.erase(who, name)).encode())

    return [export, erase]


def _complaints(service: Service) -> list[Any]:
    complaints = service.complaints

    @get("/me/complaints")
    async def listed(request: _Request) -> _Answer:
        who = await _who(service, request)
        query = query_of(request, "before", "limit")
        return answer(request, (await complaints.of(who, before_of(query, NEWEST), limit_of(query))).encode())

    @post("/me/complaints")
    async def complain(request: _Request) -> _Answer:
        who = await _who(service, request)
        said = parse(ComplaintBody, await body_of(request))
        return json_answer((await complaints.complain(who, said)).encode(), 201)

    return [listed, complain]


def _receipted(service: Service, decided: DecisionResult) -> Response[bytes]:
    """Return the answer to a decision: the agreement as the store shows it now, with the receipt of the newest thing that was said about it."""
    receipt = service.audit.receipt_of(decided.event) if decided.event is not None else None
    return json_answer({**orjson.loads(decided.agreement), "receipt": receipt})


async def _who(service: Service, request: _Request) -> Principal:
    return await who_asks(service.persons, request)
