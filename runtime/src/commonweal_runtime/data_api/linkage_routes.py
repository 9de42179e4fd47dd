"""The routes by which a consumer links its own references and reads by them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg
import orjson
from litestar import Request, Response, delete, get, post
from litestar.params import FromPath

from commonweal_runtime.data_api import refusals
from commonweal_runtime.data_api.answers import answer
from commonweal_runtime.data_api.lanes import UnreachableError
from commonweal_runtime.data_api.reads import Question
from commonweal_runtime.data_api.requests import header_of, query_of
from commonweal_runtime.data_api.service import Service
from commonweal_runtime.linkage.refusals import no_linkage
from commonweal_runtime.linkage.tokens import key_of
from commonweal_runtime.problems import invalid_request
from commonweal_runtime.serving import body_of, json_answer
from commonweal_runtime.store.names import login_of
from commonweal_runtime.store.problems import Own, problem_of
from commonweal_runtime.store.sqlstates import SqlState

LONGEST_LINKS = 512 * 1024
LONGEST_REFERENCE = 200
_FORM = 'Send {"links": [{"reference": "<yours>", "token": "<64 hexadecimal digits>"}]} with 1 to 1000 links, each reference once.'
_REFUSED: Own = {SqlState.NOT_FOUND: no_linkage, SqlState.INVALID_VALUE: lambda: invalid_request("", _FORM)}
_Request = Request[Any, Any, Any]
_Answer = Response[bytes]


def link_routes(service: Service) -> list[Any]:
    """Return the routes; each needs an agreement in force for its client and purpose, as a read does."""
    linkage = Linkage(service)

    async def asked(request: _Request, product: str, *known: str) -> Question:
        return await service.question(
            header_of(request, "authorization"), header_of(request, "purpose"), product, query_of(request, *known)
        )

    @post("/v1/{product:str}/links/key", status_code=200)
    async def key(request: _Request, product: FromPath[str]) -> _Answer:
        return json_answer(await linkage.key(await asked(request, product)))

    @post("/v1/{product:str}/links", status_code=200, request_max_body_size=LONGEST_LINKS)
    async def put(request: _Request, product: FromPath[str]) -> _Answer:
        question = await asked(request, product)
        return json_answer(await linkage.put(question, await body_of(request)))

    @delete("/v1/{product:str}/links/{reference:str}", status_code=200)
    async def remove(request: _Request, product: FromPath[str], reference: FromPath[str]) -> _Answer:
        return json_answer(await linkage.remove(await asked(request, product), reference))

    @delete("/v1/{product:str}/links", status_code=200)
    async def remove_all(request: _Request, product: FromPath[str]) -> _Answer:
        return json_answer(await linkage.remove(await asked(request, product), None))

    @get("/v1/{product:str}/linked/{reference:str}")
    async def linked(request: _Request, product: FromPath[str], reference: FromPath[str]) -> _Answer:
        question = await asked(request, product, "fields")
        return answer(request, await linkage.read(question, reference), version=question.agreement.version)

    return [key, put, remove, remove_all, linked]


class Linkage:
    """What the routes do, through the agreement's own login."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def key(self, question: Question) -> bytes:
        """Return the agreement's linkage key and how an identifier is written before it is hashed."""
        terms = orjson.loads(await self._call(question, "select link.terms()"))
        key = key_of(self._service.settings.database_key, question.agreement.number)
        return orjson.dumps({"algorithm": "HMAC-SHA256", "key": key.hex(), **terms})

    async def put(self, question: Question, body: bytes) -> bytes:
        """Take links; how many found somebody is not said, and not known yet."""
        try:
            said = orjson.loads(body)
        except orjson.JSONDecodeError:
            said = None
        if not isinstance(said, dict) or set(said) != {"links"} or b"\\u0000" in body:
            raise invalid_request("The body is not understood.", _FORM)
        return (await self._call(question, "select link.put($1)", orjson.dumps(said["links"]).decode())).encode()

    async def remove(self, question: Question, reference: str | None) -> bytes:
        """End one link, or all; whether there was one is not said."""
        return (await self._call(question, "select link.remove($1)", _reference(reference) if reference is not None else None)).encode()

    async def read(self, question: Question, reference: str) -> bytes:
        """Return the record of whom the reference means, under it and not under an id; a Problem that is alike for unknown, unlinked and denied."""
        subject = str(UUID(await self._call(question, "select link.subject($1)", _reference(reference))))
        text = (await self._service.point(question, subject)).decode()
        head = f'{{"subject" : "{subject}"'  # as json_build_object writes it; the rest stays byte for byte
        if not text.startswith(head):
            raise refusals.store_unavailable()
        return f'{{"reference" : {orjson.dumps(reference).decode()}{text.removeprefix(head)}'.encode()

    async def _call(self, question: Question, statement: str, *args: object) -> str:
        try:
            text = await self._service.lanes.call(login_of(question.agreement.number), statement, *args)
        except UnreachableError:
            raise refusals.store_unavailable() from None
        except asyncpg.PostgresError as error:
            raise problem_of(error, own=_REFUSED) from None
        if text is None:
            raise refusals.store_unavailable()
        return text


def _reference(text: str) -> str:
    if not 1 <= len(text) <= LONGEST_REFERENCE or not text.isprintable():
        raise invalid_request("The reference is not understood.", f"Write 1 to {LONGEST_REFERENCE} printable characters.")
    return text
