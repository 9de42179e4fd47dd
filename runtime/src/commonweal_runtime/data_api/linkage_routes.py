"""The routes by which a consumer links its own references and reads by them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import orjson
from litestar import Request, Response, delete, get, post
from litestar.params import FromPath
from pydantic import TypeAdapter, ValidationError

from commonweal_runtime.bodies import parse
from commonweal_runtime.data_api import problems
from commonweal_runtime.data_api.reads import ReadRequest
from commonweal_runtime.data_api.requests import header_of, query_of
from commonweal_runtime.data_api.responses import answer
from commonweal_runtime.data_api.service import Service
from commonweal_runtime.exceptions import StoreUnreachableError
from commonweal_runtime.linkage.bodies import FORM, LONGEST_REFERENCE, LinksBody, Reference
from commonweal_runtime.linkage.problems import no_linkage
from commonweal_runtime.linkage.tokens import key_of
from commonweal_runtime.problems import invalid_request
from commonweal_runtime.serving import body_of, json_answer
from commonweal_runtime.store.names import login_of
from commonweal_runtime.store.problems import Own, problem_of
from commonweal_runtime.store.sqlstates import SqlState

LONGEST_LINKS = 512 * 1024
_REFUSED: Own = {SqlState.NOT_FOUND: no_linkage, SqlState.INVALID_VALUE: lambda: invalid_request("", FORM)}
_REFERENCE: TypeAdapter[str] = TypeAdapter(Reference)
_Request = Request[Any, Any, Any]
_Answer = Response[bytes]


def link_routes(service: Service) -> list[Any]:
    """Return the routes; each needs an agreement in force for its client and purpose, as a read does."""
    linkage = Linkage(service)

    async def asked(request: _Request, product: str, *known: str) -> ReadRequest:
        return await service.read_request(
            header_of(request, "authorization"), header_of(request, "purpose"), product, query_of(request, *known)
        )

    @post("/v1/{product:str}/links/key", status_code=200)
    async def key(request: _Request, product: FromPath[str]) -> _Answer:
        return json_answer(await linkage.key(await asked(request, product)))

    @post("/v1/{product:str}/links", status_code=200, request_max_body_size=LONGEST_LINKS)
    async def put(request: _Request, product: FromPath[str]) -> _Answer:
        read = await asked(request, product)
        return json_answer(await linkage.put(read, parse(LinksBody, await body_of(request))))

    @delete("/v1/{product:str}/links/{reference:str}", status_code=200)
    async def remove(request: _Request, product: FromPath[str], reference: FromPath[str]) -> _Answer:
        return json_answer(await linkage.remove(await asked(request, product), reference))

    @delete("/v1/{product:str}/links", status_code=200)
    async def remove_all(request: _Request, product: FromPath[str]) -> _Answer:
        return json_answer(await linkage.remove(await asked(request, product), None))

    @get("/v1/{product:str}/linked/{reference:str}")
    async def linked(request: _Request, product: FromPath[str], reference: FromPath[str]) -> _Answer:
        read = await asked(request, product, "fields")
        return answer(request, await linkage.read(read, reference), version=read.agreement.version)

    return [key, put, remove, remove_all, linked]


class Linkage:
    """What the routes do, through the agreement's own login."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def key(self, read: ReadRequest) -> bytes:
        """Return the agreement's linkage key and how an identifier is written before it is hashed."""
        terms = orjson.loads(await self._call(read, "select link.terms()"))
        key = key_of(self._service.settings.database_key, read.agreement.number)
        return orjson.dumps({"algorithm": "HMAC-SHA256", "key": key.hex(), **terms})

    async def put(self, read: ReadRequest, body: LinksBody) -> bytes:
        """Take links; how many found somebody is not said, and not known yet."""
        links = orjson.dumps([link.model_dump() for link in body.links]).decode()
        return (await self._call(read, "select link.put($1)", links)).encode()

    async def remove(self, read: ReadRequest, reference: str | None) -> bytes:
        """End one link, or all; whether there was one is not said."""
        return (await self._call(read, "select link.remove($1)", _reference(reference) if reference is not None else None)).encode()

    async def read(self, read: ReadRequest, reference: str) -> bytes:
        """Return the record of whom the reference means, under it and not under an id; a ProblemError that is alike for unknown, unlinked and denied."""
        subject = str(UUID(await self._call(read, "select link.subject($1)", _reference(reference))))
        found = msgspec.json.decode(await self._service.point(read, subject), type=dict[str, msgspec.Raw])  # raw: a number keeps its digits
        return msgspec.json.encode({"reference": reference, **{name: value for name, value in found.items() if name != "subject"}})

    async def _call(self, read: ReadRequest, statement: str, *args: object) -> str:
        try:
            text = await self._service.pools.call(login_of(read.agreement.number), statement, *args)
        except StoreUnreachableError:
            raise problems.store_unavailable() from None
        except asyncpg.PostgresError as error:
            raise problem_of(error, own=_REFUSED) from None
        if text is None:
            raise problems.store_unavailable()
        return text


def _reference(text: str) -> str:
    try:
        return _REFERENCE.validate_python(text)
    except ValidationError:
        raise invalid_request("The reference is not understood.", f"Write 1 to {LONGEST_REFERENCE} printable characters.") from None
