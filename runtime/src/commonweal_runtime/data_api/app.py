"""The HTTP application: routes and the form of every answer."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, Request, Response, get, put
from litestar.exceptions import HTTPException

from commonweal_runtime.data_api.requests import LONGEST_BODY
from commonweal_runtime.data_api.service import Query, Service
from commonweal_runtime.data_api.settings import Settings
from commonweal_runtime.problems import MEDIA_TYPE, Problem, invalid_request, no_such_page

JSON = "application/json"
NO_STORE = {"Cache-Control": "no-store"}

log = logging.getLogger(__name__)


def create() -> Litestar:
    """Return the application that the environment describes."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    return application(Service(Settings.from_environment()))


def application(service: Service, extra: Sequence[Any] = ()) -> Litestar:
    """Return the application around a service; `extra` are further routes, for measurements."""

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with service.running():
            yield

    return Litestar(
        [*_reads(service), *_people(service), *_about(service), *extra],
        lifespan=[lifespan],
        openapi_config=None,
        exception_handlers={Problem: _told, HTTPException: _foreign, Exception: _broken},
        request_max_body_size=LONGEST_BODY,
    )


def _json(body: bytes) -> Response[bytes]:
    return Response(body, media_type=JSON, headers=NO_STORE)


def _bearer(request: Request[Any, Any, Any]) -> str | None:
    return request.headers.get("authorization")


def _query(request: Request[Any, Any, Any]) -> Query:
    """Return the query with one value per name; a name given twice is refused rather than guessed at."""
    query: Query = {}
    for name, value in request.query_params.multi_items():
        if name in query:
            raise invalid_request(f"The parameter {name[:40]} is given twice.", "Give each parameter once.")
        query[name] = value
    return query


def _reads(service: Service) -> list[Any]:
    @get("/v1/{product:str}/subjects/{subject:str}")
    async def point(request: Request[Any, Any, Any], product: str, subject: str) -> Response[bytes]:
        return _json(await service.point(_bearer(request), request.headers.get("purpose"), product, subject, _query(request)))

    @get("/v1/{product:str}/subjects")
    async def page(request: Request[Any, Any, Any], product: str) -> Response[bytes]:
        return _json(await service.page(_bearer(request), request.headers.get("purpose"), product, _query(request)))

    return [point, page]


def _people(service: Service) -> list[Any]:
    @get("/me/uses")
    async def uses(request: Request[Any, Any, Any]) -> Response[bytes]:
        return _json(await service.uses(_bearer(request), _query(request)))

    @get("/me/consents")
    async def consents(request: Request[Any, Any, Any]) -> Response[bytes]:
        return _json(await service.consents(_bearer(request)))

    @put("/me/consents/{agreement:str}")
    async def consent(request: Request[Any, Any, Any], agreement: str) -> Response[bytes]:
        return _json(await service.consent(_bearer(request), agreement, await request.body()))

    @put("/me/objections/{agreement:str}")
    async def objection(request: Request[Any, Any, Any], agreement: str) -> Response[bytes]:
        return _json(await service.objection(_bearer(request), agreement, await request.body()))

    return [uses, consents, consent, objection]


def _about(service: Service) -> list[Any]:
    @get("/openapi.json")
    async def openapi() -> Response[bytes]:
        return _json(service.openapi())

    @get("/healthz")
    async def live() -> Response[bytes]:
        return _json(b'{"live": true}')

    @get("/readyz")
    async def ready() -> Response[bytes]:
        answer = _json(b'{"ready": true}' if service.ready else b'{"ready": false}')
        answer.status_code = 200 if service.ready else 503
        return answer

    return [openapi, live, ready]


def _told(_: Request[Any, Any, Any], problem: Problem) -> Response[bytes]:
    return Response(problem.body(), status_code=problem.status, media_type=MEDIA_TYPE, headers={**NO_STORE, **problem.headers})


def _foreign(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Answer what the framework refuses in our own form."""
    if error.status_code == 404:
        return _told(request, no_such_page())
    if error.status_code == 405:
        return _told(
            request, Problem(405, "MethodNotAllowed", "Method not allowed", "This address does not take this method.", "See /openapi.json.")
        )
    if error.status_code == 413:
        return _told(
            request, Problem(413, "BodyTooLarge", "Body too large", "The body is too large.", f"Send at most {LONGEST_BODY} bytes.")
        )
    if error.status_code < 500:
        return _told(request, invalid_request("The request is not understood.", "See /openapi.json for its form."))
    return _broken(request, error)


def _broken(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer a fault of ours without its text, which can hold data; the log has its type and place."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place is not None else "?"
    log.error("fault: %s at %s", type(error).__name__, where)
    return _told(
        request,
        Problem(500, "Fault", "Fault of the data API", "The request could not be answered.", "Tell the department; its log has the place."),
    )
