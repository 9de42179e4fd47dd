"""The HTTP application: the reads of consumers, the rest of the routes, and the form of every refusal."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, Request, Response, get
from litestar.exceptions import HTTPException
from litestar.params import FromPath

from commonweal_runtime.data_api import refusals
from commonweal_runtime.data_api.answers import answer
from commonweal_runtime.data_api.department_routes import department_routes
from commonweal_runtime.data_api.lanes import UnreachableError
from commonweal_runtime.data_api.linkage_routes import link_routes
from commonweal_runtime.data_api.person_routes import person_routes
from commonweal_runtime.data_api.public_routes import public_routes
from commonweal_runtime.data_api.reads import Question
from commonweal_runtime.data_api.requests import LONGEST_BODY, Query, header_of, query_of
from commonweal_runtime.data_api.service import Service
from commonweal_runtime.data_api.settings import Settings
from commonweal_runtime.problems import Problem
from commonweal_runtime.serving import Application, Front, fault, note_fault, refused_by_framework, start_log, told

log = logging.getLogger(__name__)


def create() -> Application:
    """Return the application that the environment describes."""
    start_log()
    return Front(application(Service(Settings.from_environment())))


def application(service: Service, extra: Sequence[Any] = ()) -> Litestar:
    """Return the application around a service; `extra` are further routes, for measurements."""

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with service.running():
            yield

    return Litestar(
        [
            *read_routes(service),
            *link_routes(service),
            *person_routes(service),
            *department_routes(service),
            *public_routes(service),
            *extra,
        ],
        lifespan=[lifespan],
        openapi_config=None,
        logging_config=None,
        exception_handlers={Problem: _told, UnreachableError: _away, HTTPException: _foreign, Exception: _broken},
        request_max_body_size=LONGEST_BODY,
    )


def read_routes(service: Service) -> list[Any]:
    """Return the routes of the consumers, whose departments have agreements."""

    async def asked(request: Request[Any, Any, Any], product: str, query: Query) -> Question:
        return await service.question(header_of(request, "authorization"), header_of(request, "purpose"), product, query)

    @get("/v1/{product:str}/subjects/{subject:str}")
    async def point(request: Request[Any, Any, Any], product: FromPath[str], subject: FromPath[str]) -> Response[bytes]:
        question = await asked(request, product, query_of(request, "fields"))
        return answer(request, await service.point(question, subject), version=question.agreement.version)

    @get("/v1/{product:str}/subjects")
    async def page(request: Request[Any, Any, Any], product: FromPath[str]) -> Response[bytes]:
        query = query_of(request, "after", "limit", "fields")
        question = await asked(request, product, query)
        return answer(request, await service.page(question, query), version=question.agreement.version)

    return [point, page]


def _told(_: Request[Any, Any, Any], problem: Problem) -> Response[bytes]:
    return told(problem)


def _away(_: Request[Any, Any, Any], __: UnreachableError) -> Response[bytes]:
    return told(refusals.store_unavailable())


def _foreign(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    problem = refused_by_framework(error, longest=LONGEST_BODY, see="/openapi.json")
    return told(problem) if problem is not None else _broken(request, error)


def _broken(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    note_fault(log, error)
    return told(fault("data API"))
